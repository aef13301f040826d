"""The C runner for 64-bit ARM on the phone double, by the real adb: what it computes there is what LiteRT computes here."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import REPOSITORY
from tests.devices import crossed
from tests.devices.adb_fixtures import Phone

from edgekit.bench.runners import native
from edgekit.bench.session import Job
from edgekit.bench.targets import adb
from edgekit.bench.workspace import workspace
from edgekit.errors import TargetError
from edgekit.inference import litert
from edgekit.inference.standalone import artifact_of
from edgekit.recipe import BenchSection, addresses

pytestmark = pytest.mark.device

MODELS = [REPOSITORY / "models" / "mnist-xs-int8" / "model_int8.tflite"]
X = np.random.default_rng(0).integers(0, 256, (130, 28, 28, 1), dtype=np.uint8)


def measured(phone: Phone, runner: Path, **plan: object):
    try:
        library = crossed.litert_library_arm64()
    except RuntimeError as error:
        crossed.unavailable(error)
    section = BenchSection(runner=str(runner), libraries=(str(library),), runs=50).model_copy(update=plan)
    artifacts = [artifact_of(path) for path in MODELS]
    job = Job(artifacts=artifacts, plan=section, image=X[:1], samples=X, threads=(1,))
    transport = adb.connect(addresses.parse(f"adb:{phone.serial}"))
    try:
        with workspace(transport) as space:
            return native.measure(space, job)
    finally:
        transport.close()


def test_outputs_are_bit_identical(phone: Phone, arm64_runner: Path, tmp_path: Path):
    session = measured(phone, phone.arm64(arm64_runner, tmp_path), affinity="big")
    (timing,) = session.timings
    np.testing.assert_array_equal(session.outputs[timing.artifact], litert.run(MODELS[0], X))
    assert timing.runtime == f"ai-edge-litert {version('ai-edge-litert')}"
    assert (timing.kernels, timing.affinity) == ("xnnpack", [1])
    assert set(session.output_kernels.values()) == {"xnnpack"}
    assert timing.runs == len(timing.latencies_ns) >= 52 and min(timing.latencies_ns) > 0
    assert session.others_cores is not None and "in the adb shell" in session.method
    assert session.before["emulated"] is not None
    assert phone.work == []


def test_a_library_that_does_not_fit_the_phone(phone: Phone, arm64_runner: Path, tmp_path: Path):
    """This machine's library, say, or Linux's on Android: the loader's own reason is told."""
    with pytest.raises(TargetError, match=r"model_int8\.tflite failed on adb:.*exit status 3.*libLiteRt\.so"):
        measured(phone, phone.arm64(arm64_runner, tmp_path), libraries=(str(crossed.litert_library()),))
    assert phone.work == []


def test_a_program_that_hangs_is_stopped_there_too(phone: Phone, tmp_path: Path):
    script = tmp_path / "benchmark_model"
    usage = "--graph= --num_runs= --num_threads=".replace(" ", "\\n")
    script.write_text(f"#!/system/bin/sh\ncase $1 in --help) printf '{usage}\\n'; exit;; esac\nsleep 4323\n")
    with pytest.raises(TargetError, match="did not end within 2 s"):
        measured(phone, script, timeout_s=2)  # less than a recipe may ask for: a test need not wait
    assert "4323" not in phone.server.adb("-s", phone.serial, "shell", "ps -ef 2>/dev/null || ps")
    assert phone.work == []
