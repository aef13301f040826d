"""The same files on the arm64 machine and here: integer for integer, by the runner that a user's device runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.conftest import REPOSITORY

from edgekit.bench.measure import measure
from edgekit.bench.runners import python
from edgekit.bench.session import Job
from edgekit.bench.target_run import Samples
from edgekit.bench.targets import ssh
from edgekit.bench.workspace import workspace
from edgekit.device.runner import cut
from edgekit.inference import litert
from edgekit.inference.cuts import cuts
from edgekit.inference.standalone import artifact_of
from edgekit.recipe import BenchSection, addresses

pytestmark = pytest.mark.device

MLPERF = sorted((REPOSITORY / "tests" / "files" / "mlperf-tiny").glob("*.tflite"))
PLAN = BenchSection(targets=("ssh://pi",), threads=(1,), runs=50, retries=0)


def without_softmax(path: Path, folder: Path) -> Path | None:
    """The file without its last operator, if that is a SOFTMAX."""
    found = cuts(path)
    if found.operators[-1][0] != "SOFTMAX":
        return None
    places = {"live": found.live, "outputs_field": found.outputs_field, "operators_length": found.operators_length}
    part = folder / f"{path.stem}-logits.tflite"
    part.write_bytes(cut(path.read_bytes(), places, len(found.operators) - 1))
    return part


@pytest.mark.parametrize("path", MLPERF, ids=lambda path: path.stem)
def test_mlperf_tiny_is_bit_identical_but_for_the_softmax_of_arm(machine, path, tmp_path):
    """LiteRT's int8 SOFTMAX computes its exponentials otherwise on ARM: one step, now and then."""
    part = without_softmax(path, tmp_path)
    artifacts = [artifact_of(path), *([artifact_of(part)] if part else [])]
    x = np.random.default_rng(0).integers(0, 256, (70, *artifacts[0].inputs[0].shape[1:]), dtype=np.uint8)
    transport = ssh.connect(addresses.parse("ssh://pi"))
    with workspace(transport) as space:
        session = python.measure(space, Job(artifacts=artifacts, plan=PLAN, image=x[:1], samples=x, threads=(1,)))
    assert set(session.output_kernels.values()) == {"xnnpack"}
    *_, exact = artifacts
    np.testing.assert_array_equal(session.outputs[exact.name], litert.run(exact.path, x))
    step = np.abs(session.outputs[path.name].astype(int) - litert.run(path, x))
    assert step.max() <= (1 if part else 0)
    assert all(latency > 0 for timing in session.timings for latency in timing.latencies_ns)


@pytest.fixture(scope="module")
def students(tmp_path_factory) -> list[Path]:
    """The default student, whole and without its last operator."""
    folder = tmp_path_factory.mktemp("students")
    whole = folder / "student.tflite"
    whole.write_bytes((REPOSITORY / "models" / "fashion-mnist-s-int8" / "model_int8.tflite").read_bytes())
    return [whole, without_softmax(whole, folder)]


def test_the_default_student_is_bit_identical_but_for_the_softmax_of_arm(machine, shipped, students):
    """All 2,000 test images: the same class for each, and so the same accuracy."""
    artifacts = [artifact_of(path) for path in students]
    samples = Samples(x=shipped.test.x, labels=shipped.test.y)
    found = measure(artifacts, PLAN, shipped.test.x[:1], samples=samples)
    assert not found.failures
    rows = {row.artifact: row for row in found.measurements}
    assert all(row.samples == 2000 and row.parity["n"] == 2000 for row in rows.values())
    logits, whole = rows["student-logits.tflite"].parity, rows["student.tflite"].parity
    assert (logits["allowed"], logits["identical"], logits["max_difference"]) == (0, 1, 0)
    assert (whole["allowed"], whole["agreement"], whole["mcnemar_mid_p"]) == (1, 1, 1)
    assert whole["max_difference"] <= 1
    here = (litert.run(students[0], shipped.test.x).argmax(axis=1) == shipped.test.y).mean()
    assert rows["student.tflite"].accuracy == pytest.approx(here, abs=1e-12)
    assert here > 0.9
    assert all(row.emulated and row.verdict == "invalid" and not row.valid for row in rows.values())
