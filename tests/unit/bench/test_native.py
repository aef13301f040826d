"""Measuring with a native program, on this machine as a target: scripts that print what benchmark_model prints."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import REPOSITORY
from tests.unit.bench.test_benchmark_output import text
from tests.unit.bench.test_result_proto import LATENCY, result

from edgekit.bench.runners import native
from edgekit.bench.session import Job, Session
from edgekit.bench.targets import host
from edgekit.bench.workspace import workspace
from edgekit.errors import EdgekitError, IntegrityError, TargetError, UsageError
from edgekit.inference.standalone import artifact_of
from edgekit.recipe import BenchSection, addresses
from edgekit.types import Artifact

MODEL = REPOSITORY / "tests" / "files" / "mlperf-tiny" / "pretrainedResnet_quant.tflite"
IMAGE = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
SAMPLES = np.random.default_rng(1).integers(0, 256, (100, 32, 32, 3), dtype=np.uint8)
CLASSIC, LITERT = "help-classic.txt", "help-litert.txt"


@pytest.fixture(scope="module")
def model() -> Artifact:
    return artifact_of(MODEL)


class Program:
    """A shell script in the place of benchmark_model: prints `log`, exits with `status`, and notes the flags of each call."""

    def __init__(self, folder: Path, log: str = "", *, usage: str = CLASSIC, status: int = 0, also: str = "") -> None:
        self.path, self._calls = folder / "benchmark_model", folder / "calls"
        for name, content in (("usage", text(usage)), ("log", log)):
            (folder / name).write_text(content)
        self.path.write_text(
            f'#!/bin/sh\ncase $1 in --help) cat {folder}/usage; exit 1;; esac\necho "$*" >> {self._calls}\n'
            f"for f; do case $f in --output_filepath=*) y=${{f#*=}};; --result_file_path=*) r=${{f#*=}};; "
            f"--op_profiling_output_file=*) p=${{f#*=}};; esac; done\n{also}\ncat {folder}/log\nexit {status}\n"
        )

    def calls(self) -> list[dict[str, str]]:
        """The flags of each call, the ones for help left out."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [dict(flag[2:].split("=", 1) for flag in line.split()) for line in lines]


def measure(
    program: Program,
    artifacts: list[Artifact],
    *,
    samples: bool = False,
    threads: tuple[int, ...] = (1,),
    **plan: object,
) -> Session:
    section = BenchSection(**{"runner": str(program.path), "runs": 50, "timeout_s": 10, **plan})
    transport = host.connect(addresses.parse("host"))
    try:
        with workspace(transport) as space:
            given = SAMPLES if samples else None
            return native.measure(
                space, Job(artifacts=artifacts, plan=section, image=IMAGE, samples=given, threads=threads)
            )
    finally:
        transport.close()


def with_result(tmp_path: Path, content: bytes) -> str:
    """Shell lines that write the result file."""
    (tmp_path / "result").write_bytes(content)
    return f'[ -z "$r" ] || cp {tmp_path}/result "$r"'


def test_the_classic_build(tmp_path: Path, model: Artifact):
    program = Program(tmp_path, text("classic.txt"), also=with_result(tmp_path, result()))
    session = measure(program, [model], threads=(1, 2))
    assert [(t.artifact, t.threads) for t in session.timings] == [(model.name, 1), (model.name, 2)]
    for timing in session.timings:
        assert (timing.p50_ns, timing.p90_ns, timing.runs, timing.warmups) == (13_419_000, None, 4 * 74, 4 * 37)
        assert timing.round_p50_ns == [13_419_000.0] * 4 and timing.latencies_ns == []
        assert (timing.kernels, timing.init_ms, timing.peak_rss_bytes) == ("xnnpack", 12.75, int(11.5 * 1024**2))
        assert timing.runtime.startswith("TensorFlow Lite's benchmark_model sha256:")
    assert session.runner_sha256 == hashlib.sha256(program.path.read_bytes()).hexdigest()
    assert "in whole microseconds" in session.method and session.before["cores"]


def test_files_and_thread_counts_take_turns(tmp_path: Path, model: Artifact):
    other = artifact_of(MODEL.parent / "pretrainedResnet_quant.tflite")
    program = Program(tmp_path, text("classic-2022.txt"), usage=LITERT)
    measure(program, [model, other], threads=(1, 2), runs=50)
    calls = [
        (call["graph"], call["num_threads"]) for call in program.calls() if "report_peak_memory_footprint" not in call
    ]
    rounds = [calls[at : at + 4] for at in range(0, 16, 4)]
    assert len(calls) == 16 and all(len(set(one)) == 4 for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1
    assert {call["num_runs"] for call in program.calls() if "min_secs" in call} >= {"13"}


def test_the_real_image_is_the_input(tmp_path: Path, model: Artifact):
    program = Program(tmp_path, text("classic.txt"), also=with_result(tmp_path, result()))
    measure(program, [model])
    call = program.calls()[0]
    assert (call["input_layer"], call["input_layer_shape"]) == ("input", "1,32,32,3")
    assert call["input_layer_value_files"].startswith("input:x") and ":" not in call["input_layer"]


def test_a_build_without_a_median_says_so(tmp_path: Path, model: Artifact):
    session = measure(Program(tmp_path, text("classic-2022.txt"), usage=LITERT), [model])
    assert session.timings[0].p50_ns == 1_240_270_000
    assert "this build prints no median: p50 is the median of the rounds' means" in session.remarks
    assert any("XNNPACK was not used" in remark for remark in session.remarks)


def test_litert_s_build_is_for_latency_only(tmp_path: Path, model: Artifact):
    program = Program(tmp_path, text("litert.txt"), usage=LITERT)
    session = measure(program, [model], samples=True)
    assert session.timings[0].p50_ns == 942_000 and session.outputs == {}
    assert "LiteRT's benchmark_model generates its own random inputs" in session.remarks
    assert any(remark.startswith("no accuracy") for remark in session.remarks)
    assert all("input_layer" not in call for call in program.calls())


def test_outputs_are_fetched_in_whole_batches(tmp_path: Path, model: Artifact):
    # 64 a call, so 100 samples are two calls of 64, the last one filled up. The first call's outputs are 1, the second's 2.
    write = '[ -z "$y" ] || head -c 640 /dev/zero | tr "\\000" "\\00$(( ${y#y0-0-} + 1 ))" > "$y.bin"'
    also = f"{with_result(tmp_path, result())}\ny=${{y%.bin}}\n{write}"
    program = Program(tmp_path, text("classic.txt"), also=also)
    session = measure(program, [model], samples=True)
    found = session.outputs[model.name]
    assert found.dtype == np.int8 and (found == np.repeat([1, 2], [64, 36])[:, None]).all() and found.shape == (100, 10)
    calls = [call for call in program.calls() if "output_filepath" in call]
    assert [call["input_layer_shape"] for call in calls] == ["64,32,32,3"] * 2
    assert len({call["output_filepath"] for call in calls}) == 2
    expected = {"num_runs": "1", "min_secs": "0", "warmup_runs": "0", "warmup_min_secs": "0"}
    assert all(call.items() >= expected.items() for call in calls)


@pytest.mark.parametrize(("bytes_", "found"), [(639, "639"), (0, "0"), (641, "641")])
def test_truncated_outputs_are_an_error_though_the_program_says_it_is_done(bytes_, found, tmp_path, model):
    also = f'{with_result(tmp_path, result())}\n[ -z "$y" ] || head -c {bytes_} /dev/zero > "$y"'
    with pytest.raises(TargetError, match=f"have {found} bytes; expected 640 for 64 samples"):
        measure(Program(tmp_path, text("classic.txt"), also=also), [model], samples=True)


def test_outputs_that_are_not_there(tmp_path: Path, model: Artifact):
    with pytest.raises(TargetError, match="cannot be read"):
        measure(Program(tmp_path, text("classic.txt"), also=with_result(tmp_path, result())), [model], samples=True)


@pytest.mark.parametrize(
    ("log", "status", "message"),
    [
        ("WARN: Unconsumed cmdline flags: --max_secs=10\n" + text("classic.txt"), 0, "does not support --max_secs=10"),
        ("INFO: STARTING!\nFATAL: The size of x.bin is 1 bytes. It should be 2 bytes.\n", 134, r"signal 6\): The size of x.bin"),
        ("ERROR: Failed to load model m0.tflite\nERROR: Benchmarking failed.\n", 1, "status 1.: Failed to load model m0.tflite$"),
        (text("classic.txt"), 1, "failed on host .exit status 1"),
        (text("classic.txt").partition("INFO: Inference timings")[0], 0, "gave no valid result for .*: it is cut off"),
        ("\x00garbage\x7f\n", 0, "gave no valid result for .*: 0 lines of statistics"),
        ("", 0, "gave no valid result"),
        ("", 139, "signal 11"),
        (text("classic.txt").replace("count=74", "count=7"), 0, "7 runs were counted; 13 were requested"),
    ],
)  # fmt: skip
def test_what_goes_wrong_there_is_one_clear_error(log, status, message, tmp_path, model):
    with pytest.raises(TargetError, match=message):
        measure(Program(tmp_path, log, usage=LITERT, status=status), [model])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (result({**LATENCY, 5: 13.5}), "has a different latency"),
        (result(count=75), "has a different latency"),
        (result()[:-3], "result file cannot be read: it is cut off"),
        (b"", "result file cannot be read"),
    ],
)
def test_the_result_file_must_tell_what_was_printed(content, message, tmp_path, model):
    with pytest.raises(TargetError, match=message):
        measure(Program(tmp_path, text("classic.txt"), also=with_result(tmp_path, content)), [model])


def test_a_program_that_hangs_is_stopped(tmp_path: Path, model: Artifact):
    with pytest.raises(TargetError, match="did not end within"):
        _hanging(tmp_path, model)
    assert subprocess.run(["pgrep", "-f", "^sleep 4322"], capture_output=True).stdout == b""


def _hanging(tmp_path: Path, model: Artifact) -> None:
    transport = host.connect(addresses.parse("host"))
    program = Program(tmp_path, also="sleep 4322")
    # The section's least time limit is 10 s; the workspace adds a grace of its own, which a test need not wait for.
    plan = BenchSection(runner=str(program.path)).model_copy(update={"timeout_s": 1})
    transport.run = _impatient(transport.run)
    try:
        with workspace(transport) as space:
            native.measure(space, Job(artifacts=[model], plan=plan, image=IMAGE, samples=None, threads=(1,)))
    finally:
        transport.close()


def _impatient(run):
    return lambda script, *, timeout_s: run(script, timeout_s=min(timeout_s, 2.0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("#!/bin/sh\necho hello\n", "is not benchmark_model.*hello"),
        ("#!/bin/sh\nexit 0\n", "is not benchmark_model"),
        ("\x7fELF", "is not benchmark_model"),
    ],
)
def test_a_program_that_is_another_one(content, message, tmp_path, model):
    program = Program(tmp_path)
    program.path.write_text(content)
    with pytest.raises(TargetError, match=message):
        measure(program, [model])


def test_a_wrong_pin(tmp_path: Path, model: Artifact):
    with pytest.raises(IntegrityError, match=f"pinned is {'0' * 64}"):
        measure(Program(tmp_path), [model], runner_sha256="0" * 64)


def test_the_right_pin(tmp_path: Path, model: Artifact):
    program = Program(tmp_path, text("litert.txt"), usage=LITERT)
    pin = hashlib.sha256(program.path.read_bytes()).hexdigest()
    assert measure(program, [model], runner_sha256=pin).runner_sha256 == pin


@pytest.mark.parametrize(
    ("plan", "error"),
    [
        ({"runner": "/none/benchmark_model"}, "does not exist"),
        ({"libraries": ("/none/libLiteRt.so",)}, "does not exist"),
        ({"libraries": (str(MODEL),)}, "not named like a shared library"),
    ],
)
def test_files_that_cannot_be_sent(plan, error, tmp_path, model):
    with pytest.raises(UsageError, match=error):
        measure(Program(tmp_path), [model], **plan)


@pytest.mark.parametrize(("delegate", "log"), [("gpu", "gpu.txt")])
def test_a_delegate_that_computed_all_of_it(delegate, log, tmp_path, model):
    program = Program(tmp_path, text(log), usage=LITERT)
    session = measure(program, [model], delegate=delegate)
    assert session.timings[0].kernels == delegate
    assert all((call["use_gpu"], call["require_full_delegation"]) == ("true", "true") for call in program.calls())


@pytest.mark.parametrize(
    ("delegate", "log", "usage", "message"),
    [
        ("gpu", "gpu-partly.txt", LITERT, "partially executed by the delegate"),
        ("gpu", "classic-2022.txt", LITERT, "no line about a delegate"),
        ("gpu", "litert.txt", LITERT, "does not confirm"),
        ("nnapi", "litert.txt", LITERT, "has no --use_nnapi; use another"),
        ("nnapi", "nnapi-reference.txt", CLASSIC, "has only nnapi-reference, which is the CPU"),
        ("none", "classic.txt", CLASSIC, "XNNPACK delegate for CPU"),
    ],
)
def test_a_delegate_that_is_not_confirmed_is_refused(delegate, log, usage, message, tmp_path, model):
    also = with_result(tmp_path, result())
    with pytest.raises(TargetError, match=message):
        measure(Program(tmp_path, text(log), usage=usage, also=also), [model], delegate=delegate)


def test_the_profile(tmp_path: Path, model: Artifact):
    (tmp_path / "profile").write_text(text("profile.csv"))
    also = f'{with_result(tmp_path, result())}\n[ -z "$p" ] || cp {tmp_path}/profile "$p"'
    session = measure(Program(tmp_path, text("classic.txt"), also=also), [model], threads=(1, 2), profile=True)
    assert [operator.type for operator in session.timings[0].profile] == ["CONV_2D", "FULLY_CONNECTED", "SOFTMAX"]
    assert session.timings[1].profile == []
    assert any(remark.startswith("profile:") for remark in session.remarks)


def test_a_build_that_writes_no_profile(tmp_path: Path, model: Artifact):
    session = measure(Program(tmp_path, text("litert.txt"), usage=LITERT), [model], profile=True)
    assert session.timings[0].profile == []
    assert "no profile: this build of LiteRT's benchmark_model writes none" in session.remarks


def test_pinned_to_cores(tmp_path: Path, model: Artifact):
    also = f"grep Cpus_allowed_list /proc/self/status >> {tmp_path}/allowed"
    session = measure(
        Program(tmp_path, text("litert.txt"), usage=LITERT, also=also), [model], affinity="1", threads=(0,)
    )
    assert session.timings[0].affinity == [0] and session.timings[0].threads == 1
    assert set((tmp_path / "allowed").read_text().split()) == {"Cpus_allowed_list:", "0"}


def test_only_tflite_files(tmp_path: Path, model: Artifact):
    onnx = dataclasses.replace(model, name="m.onnx", format="onnx")
    session = measure(Program(tmp_path, text("litert.txt"), usage=LITERT), [onnx, model])
    assert [timing.artifact for timing in session.timings] == [model.name]
    assert "m.onnx was left out: a native runner takes .tflite files" in session.remarks
    with pytest.raises(EdgekitError, match=r"measures \.tflite files"):
        measure(Program(tmp_path), [onnx])


def test_two_libraries_of_one_name(tmp_path: Path, model: Artifact):
    libraries = [tmp_path / folder / "libLiteRt.so" for folder in ("a", "b")]
    for path in libraries:
        path.parent.mkdir()
        path.write_bytes(path.parent.name.encode())
    with pytest.raises(UsageError, match=r"Two of the libraries are named libLiteRt\.so"):
        measure(Program(tmp_path), [model], libraries=tuple(map(str, libraries)))
