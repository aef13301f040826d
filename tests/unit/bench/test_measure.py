"""Several files on targets: what a busy machine does to the verdict, what is checked before, and what a failure costs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from tests.conftest import REPOSITORY

from edgekit import recipe
from edgekit.bench import files
from edgekit.bench.measure import check, document, measure, slug
from edgekit.bench.target_run import Samples
from edgekit.errors import IntegrityError, TargetError, UsageError
from edgekit.inference import litert
from edgekit.inference.standalone import artifact_of
from edgekit.types import Silent

STUDENT = REPOSITORY / "models" / "fashion-mnist-s-int8" / "model_int8.tflite"
NOWHERE = "ssh://pi@127.0.0.1:9"


@contextlib.contextmanager
def busy():
    """Two other processes that take all they can get."""
    spin = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for process in spin:
            process.kill()
            process.wait()


@pytest.fixture
def large(tmp_path):
    """The student with 1 MB behind its FlatBuffer: large enough for a target's cache."""
    path = tmp_path / "large.tflite"
    path.write_bytes(STUDENT.read_bytes() + bytes(1 << 20))
    return path


def test_a_latency_beside_other_work_is_measured_again_and_stays_invalid(shipped, large):
    samples = Samples(x=shipped.test.x, labels=shipped.test.y)
    plan = recipe.bench_of(threads=(1,), runs=50, samples=100, retries=1)
    with busy():
        found = measure([artifact_of(large)], plan, shipped.test.x[:1], samples=samples)
    (row,) = found.measurements
    assert (row.verdict, row.valid, row.attempts) == ("invalid", False, 2)
    assert "other processes used" in row.invalid_reason
    assert (row.samples, row.accuracy > 0.8) == (100, True)
    assert row.p50_interval_ms[0] <= row.p50_ms <= row.p50_interval_ms[1]


def test_the_host_is_measured_as_any_target(shipped):
    """Its accuracy is that of the kernels that the row names."""
    samples = Samples(x=shipped.test.x[:200], labels=shipped.test.y[:200])
    rows = {}
    for delegate in ("xnnpack", "none"):
        plan = recipe.bench_of(threads=(1,), runs=50, retries=0, delegate=delegate)
        (rows[delegate],) = measure([artifact_of(STUDENT)], plan, samples.x[:1], samples=samples).measurements
        right = litert.run(STUDENT, samples.x, delegate=delegate).argmax(axis=1) == samples.labels
        assert rows[delegate].accuracy == pytest.approx(right.mean(), abs=1e-12)
    assert (rows["xnnpack"].kernels, rows["none"].kernels) == ("xnnpack", "builtin")


def test_a_target_that_fails_costs_only_its_own_rows(shipped):
    done = []
    plan = recipe.bench_of(targets=(NOWHERE, "host"), threads=(1,), runs=50, retries=0)
    found = measure([artifact_of(STUDENT)], plan, shipped.test.x[:1], done=done.append)
    assert [row.target for row in found.measurements] == ["host"]
    assert [[row.target for row in rows] for rows in done] == [["host"]]
    assert list(found.failures) == [NOWHERE]
    with pytest.raises(TargetError, match=r"refused.*The rest is here\."):
        found.raise_failures("The rest is here.")


def test_samples_are_drawn_at_random_and_the_same_each_time():
    labels = np.repeat(np.arange(10), 100)
    samples = Samples(x=labels[:, None, None, None].astype(np.uint8), labels=labels)
    some = samples.some(50, seed=3)
    assert len(set(some.labels.tolist())) > 5, "not the first class only"
    assert np.array_equal(some.x[:, 0, 0, 0], some.labels)
    assert np.array_equal(some.labels, samples.some(50, seed=3).labels)
    assert samples.some(None, 0) is samples.some(5000, 0) is samples


@pytest.mark.parametrize(
    ("values", "error", "reason"),
    [
        ({"runner": "/no/such/file"}, UsageError, "is not a file"),
        ({"runner": str(STUDENT), "libraries": ("/no/such/lib.so",)}, UsageError, "library /no/such"),
        ({"runner": str(STUDENT), "runner_sha256": "0" * 64}, IntegrityError, "not the pinned"),
        ({"runner_sha256": "0" * 64}, UsageError, "require a --runner"),
        ({"libraries": ("x.so",)}, UsageError, "require a --runner"),
        ({"delegate": "gpu"}, UsageError, "is for Android"),
        ({"fixed_performance": True}, UsageError, "mode of Android"),
        ({"targets": ("adb:X",)}, TargetError, "needs a native runner"),
        ({"targets": ("host", "ssh://pi@h"), "runner": str(STUDENT)}, UsageError, "several targets"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_measured(values, error, reason):
    with pytest.raises(error, match=reason):
        check(recipe.bench_of(**values))


def test_beside_a_phone_the_runner_is_the_phones():
    pin = hashlib.sha256(STUDENT.read_bytes()).hexdigest()
    plan = recipe.bench_of(targets=("host", "adb:X"), runner=str(STUDENT), runner_sha256=pin)
    (_, host), (_, phone) = check(plan)
    assert (host.runner, host.runner_sha256) == (None, None)
    assert phone.runner == str(STUDENT)


def test_files_of_one_name_are_with_distinct_names():
    paths = [REPOSITORY / "models" / f"mnist-{width}-int8" / "model_int8.tflite" for width in ("xs", "s")]
    plan = recipe.bench_of(threads=(1,), runs=50, retries=0)
    found = files.bench_files(paths, None, plan, Silent())
    assert [row.artifact for row in found.measurements] == [
        "mnist-xs-int8/model_int8.tflite",
        "mnist-s-int8/model_int8.tflite",
    ]
    with pytest.raises(UsageError, match="given twice"):
        files.bench_files([paths[0], paths[0]], None, plan, Silent())
    with pytest.raises(UsageError, match="which is not given"):
        files.bench_files(paths, None, plan.model_copy(update={"samples": 5}), Silent())


def test_the_document_is_json_and_the_slug_a_file_name(shipped):
    plan = recipe.bench_of(threads=(1,), runs=50, retries=0)
    rows = measure([artifact_of(STUDENT)], plan, shipped.test.x[:1]).measurements
    read = json.loads(json.dumps(document("host", rows), allow_nan=False))
    assert (read["schema"], read["target"]) == (1, "host")
    assert len(read["measurements"][0]["latencies_ns"]) == rows[0].runs
    assert slug("ssh://pi@[fe80::1]:22").startswith("ssh-pi-fe80-1-22-")
    assert slug("a b") != slug("a-b")
