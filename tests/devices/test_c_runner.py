"""edgekit's C runner, compiled here: against LiteRT's interpreter, against TensorFlow Lite's C library, and its own errors."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import REPOSITORY
from tests.devices import crossed

from edgekit.bench.runners import benchmark_output
from edgekit.inference import litert
from edgekit.types import TensorSpec

pytestmark = pytest.mark.device

MLPERF = REPOSITORY / "tests" / "files" / "mlperf-tiny"
INT8 = [
    MLPERF / "pretrainedResnet_quant.tflite",
    MLPERF / "kws_ref_model.tflite",
    *sorted((REPOSITORY / "models").glob("*-int8/model_int8.tflite")),
]
ONCE = ["--num_runs=1", "--min_secs=0", "--warmup_runs=0", "--warmup_min_secs=0"]


def name(path: Path) -> str:
    return path.parent.name if path.stem == "model_int8" else path.stem


def raw_inputs(spec: TensorSpec, count: int) -> np.ndarray:
    rng, shape = np.random.default_rng(0), (count, *spec.shape[1:])
    if spec.dtype == "float32":
        return rng.random(shape, dtype=np.float32)
    return rng.integers(np.iinfo(spec.dtype).min, np.iinfo(spec.dtype).max + 1, shape, spec.dtype)


def interpreted(path: Path, x: np.ndarray, resolver: object = None) -> np.ndarray:
    """The outputs by LiteRT's Python interpreter, all samples in one invocation."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    chosen = resolver or OpResolverType.AUTO
    interpreter = Interpreter(model_path=str(path), num_threads=1, experimental_op_resolver_type=chosen)
    given, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(given["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(result["index"])


def run(argv: list[str | Path], *flags: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, argv), *flags], capture_output=True, text=True, cwd=folder, timeout=60)


def outputs(argv: list[str | Path], path: Path, x: np.ndarray, folder: Path, *flags: str) -> tuple[np.ndarray, str]:
    """The outputs of the runner for `x`, and its log."""
    (folder / "x.bin").write_bytes(x.tobytes())
    (folder / "y.bin").unlink(missing_ok=True)
    given = [f"--graph={path}", "--input_layer=i", f"--input_layer_shape={','.join(map(str, x.shape))}"]
    given += ["--input_layer_value_files=i:x.bin", "--output_filepath=y.bin", "--num_threads=1", *ONCE, *flags]
    done = run(argv, *given, folder=folder)
    assert done.returncode == 0, done.stderr
    _, (result, *_) = litert.describe(path)
    content = np.frombuffer((folder / "y.bin").read_bytes(), result.dtype)
    return content.reshape(len(x), -1), done.stdout + done.stderr


@pytest.mark.parametrize("path", INT8, ids=name)
def test_int8_outputs_are_those_of_python(path: Path, host_runner: Path, tmp_path: Path):
    (spec, *_), _ = litert.describe(path)
    x = raw_inputs(spec, 24)
    expected = interpreted(path, x)
    for flags in ((), ("--invocation_batch=8",), ("--invocation_batch=1",)):
        argv = [host_runner, f"--library={crossed.litert_library()}"]
        found, log = outputs(argv, path, x, tmp_path, *flags)
        np.testing.assert_array_equal(found, expected)
        assert benchmark_output.kernels(log) == "xnnpack"
        assert benchmark_output.read(log).counted.count == (24 // int(flags[0][-1]) if flags else 1)


@pytest.mark.parametrize("path", INT8, ids=name)
def test_int8_outputs_on_arm64_are_those_of_python_here(path: Path, arm64_runner: Path, tmp_path: Path):
    try:
        library = crossed.litert_library_arm64()
    except RuntimeError as error:
        crossed.unavailable(error)
    if absent := crossed.missing(crossed.QEMU):
        crossed.unavailable(RuntimeError(f"not installed: {absent[0]}"))
    (spec, *_), _ = litert.describe(path)
    x = raw_inputs(spec, 8)
    argv = [*crossed.emulated(tmp_path / "root"), arm64_runner, f"--library={library}"]
    found, log = outputs(argv, path, x, tmp_path)
    np.testing.assert_array_equal(found, interpreted(path, x))
    assert benchmark_output.kernels(log) == "xnnpack"


def test_the_built_in_kernels_can_be_chosen(host_runner: Path, tmp_path: Path):
    from ai_edge_litert.interpreter import OpResolverType

    (spec, *_), _ = litert.describe(INT8[0])
    x, argv = raw_inputs(spec, 16), [host_runner, f"--library={crossed.litert_library()}"]
    expected = interpreted(INT8[0], x, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    found, log = outputs(argv, INT8[0], x, tmp_path, "--use_xnnpack=false")
    np.testing.assert_array_equal(found, expected)
    assert benchmark_output.kernels(log) == "builtin"
    assert (expected != interpreted(INT8[0], x)).any()


class Reading:
    """TensorFlow Lite's C library by ctypes: an independent reading of what it computes, sample by sample."""

    def __init__(self, library: Path, path: Path) -> None:
        self.lite = ctypes.CDLL(str(library))
        for function in (
            "ModelCreateFromFile",
            "InterpreterCreate",
            "InterpreterGetInputTensor",
            "InterpreterGetOutputTensor",
        ):
            getattr(self.lite, f"TfLite{function}").restype = ctypes.c_void_p
        self.lite.TfLiteTensorByteSize.restype = ctypes.c_size_t
        model = ctypes.c_void_p(self.lite.TfLiteModelCreateFromFile(str(path).encode()))
        self.interpreter = ctypes.c_void_p(self.lite.TfLiteInterpreterCreate(model, None))
        assert self.lite.TfLiteInterpreterAllocateTensors(self.interpreter) == 0

    def __call__(self, sample: np.ndarray) -> bytes:
        given = ctypes.c_void_p(self.lite.TfLiteInterpreterGetInputTensor(self.interpreter, 0))
        content = sample.tobytes()
        assert self.lite.TfLiteTensorCopyFromBuffer(given, content, ctypes.c_size_t(len(content))) == 0
        assert self.lite.TfLiteInterpreterInvoke(self.interpreter) == 0
        result = ctypes.c_void_p(self.lite.TfLiteInterpreterGetOutputTensor(self.interpreter, 0))
        out = ctypes.create_string_buffer(self.lite.TfLiteTensorByteSize(result))
        assert self.lite.TfLiteTensorCopyToBuffer(result, out, ctypes.c_size_t(len(out))) == 0
        return out.raw


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the library is for x86_64")
def test_tensorflow_lite_s_c_library(host_runner: Path, tmp_path: Path):
    try:
        library = crossed.tflite_library("amd64")
    except (RuntimeError, FileNotFoundError) as error:
        crossed.unavailable(RuntimeError(str(error)))
    path = MLPERF / "pretrainedResnet_quant.tflite"
    (spec, *_), _ = litert.describe(path)
    x = raw_inputs(spec, 6)
    read = Reading(library, path)
    expected = b"".join(read(sample) for sample in x)
    for flags in ((), ("--invocation_batch=2",)):
        found, log = outputs([host_runner, f"--library={library}"], path, x, tmp_path, *flags)
        assert found.tobytes() == expected
        assert "INFO: Runtime: TensorFlow-Lite 2.9.0" in log
        assert benchmark_output.kernels(log) == "builtin"  # that old, it leaves int8 to its own kernels


def test_the_raw_latencies_are_those_of_the_line(host_runner: Path, tmp_path: Path):
    flags = ["--num_runs=50", "--min_secs=0.05", "--warmup_runs=3", "--warmup_min_secs=0", "--latencies_filepath=l.bin"]
    argv = [host_runner, f"--library={crossed.litert_library()}", f"--graph={INT8[0]}", *flags]
    done = run(argv, folder=tmp_path)
    found = benchmark_output.read(done.stdout)
    latencies = np.frombuffer((tmp_path / "l.bin").read_bytes(), "<i8")
    assert len(latencies) == found.counted.count >= 50
    assert found.warmup is not None and found.warmup.count == 3
    microseconds = (latencies + 500) // 1000
    assert (microseconds.min(), microseconds.max()) == (found.counted.minimum_us, found.counted.maximum_us)
    assert found.counted.median_us == np.sort(microseconds)[len(microseconds) // 2]
    assert found.counted.average_us == pytest.approx(microseconds.mean(), rel=1e-5)
    assert found.baseline_rss_bytes is not None and found.peak_rss_bytes is not None
    assert 1 << 20 < found.baseline_rss_bytes < found.peak_rss_bytes < 1 << 28


def test_help_lists_the_flags_and_unknown_ones_are_reported(host_runner: Path, tmp_path: Path):
    done = run([host_runner, "--help"], folder=tmp_path)
    assert done.returncode == 0
    known = benchmark_output.known_flags(done.stdout)
    assert {"graph", "input_layer_value_files", "output_filepath", "latencies_filepath", "invocation_batch"} <= known
    argv = [host_runner, f"--library={crossed.litert_library()}", f"--graph={INT8[0]}", *ONCE]
    done = run([*argv, "--use_gpu=true", "-v"], folder=tmp_path)
    assert (done.returncode, benchmark_output.unconsumed(done.stdout)) == (0, "--use_gpu=true -v")


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        ("--graph={model} --library=/none/libLiteRt.so", 3, "the runtime cannot be opened: /none/libLiteRt.so"),
        ("--graph={model} --library={libm}", 3, "the library has no TfLite"),
        ("--graph={model}", 3, "no libLiteRt.so or libtensorflowlite_c.so beside this program"),
        ("{lib}", 2, "--graph=FILE is missing"),
        ("{lib} --graph=none.tflite", 4, "none.tflite cannot be read: No such file"),
        ("{lib} --graph={text}", 4, "is not a .tflite file"),
        ("{lib} --graph={garbage}", 4, "is no model that this LiteRT can read"),
        ("{lib} --graph={model} --num_runs=many", 2, "--num_runs=many is no count"),
        ("{lib} --graph={model} --num_runs=99999999999999999999", 2, "is no count"),
        ("{lib} --graph={model} --min_secs=nan", 2, "--min_secs=nan is not understood"),
        ("{lib} --graph={model} --input_layer_shape=1,32,,3", 2, "is no shape"),
        ("{lib} --graph={model} --input_layer_shape=-1,32,32,3", 2, "is no shape"),
        ("{lib} --graph={model} --input_layer_shape=1,2,3,4,5,6,7,8,9", 2, "is no shape"),
        ("{lib} --graph={model} --input_layer_shape=3072", 5, "the input has 4 dimensions"),
        ("{lib} --graph={model} --input_layer_shape=1,32,32,4", 5, "does not take an input of shape"),
        ("{lib} --graph={model} --input_layer_shape=3,32,32,3 --invocation_batch=2", 5, "a batch of 3 does not divide"),
        ("{lib} --graph={model} {input} --input_layer_value_files=i:{text}", 5, "is 5 bytes. It should be 3072 bytes."),
        ("{lib} --graph={model} {input} --input_layer_value_files=i:none.bin", 5, "none.bin cannot be read"),
        ("{lib} --graph={model} {input} --input_layer_value_files=j:{text}", 2, "expected the name of --input_layer"),
        ("{lib} --graph={model} --output_filepath=/none/y.bin", 6, "/none/y.bin cannot be written: No such file"),
        ("{lib} --graph={model} --latencies_filepath=/dev/full", 6, "/dev/full cannot be written: No space left"),
    ],
)
def test_one_clear_line_and_a_status(flags, status, message, host_runner: Path, tmp_path: Path):
    (tmp_path / "text").write_text("hello")
    (tmp_path / "garbage.tflite").write_bytes(b"\x00\x00\x00\x1cTFL3" + bytes(range(200)))
    places = {"model": INT8[0], "lib": f"--library={crossed.litert_library()}", "libm": "libm.so.6"}
    places |= {"text": "text", "garbage": "garbage.tflite", "input": "--input_layer=i --input_layer_shape=1,32,32,3"}
    done = run([host_runner, *flags.format(**places).split(), *ONCE], folder=tmp_path)
    assert done.returncode == status, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    assert re.search(message, lines[-1]), lines
    assert not list(tmp_path.glob("*.bin"))


def test_the_library_beside_the_program_is_found(host_runner: Path, tmp_path: Path):
    program = tmp_path / "runner"
    program.write_bytes(host_runner.read_bytes())
    program.chmod(0o755)
    (tmp_path / "libLiteRt.so").symlink_to(crossed.litert_library())
    done = run([program, f"--graph={INT8[0]}", *ONCE], folder=Path("/"))
    assert done.returncode == 0 and "INFO: Runtime: LiteRT" in done.stdout


def test_the_docs_and_the_source_build_it_alike():
    linux, android = crossed.build_lines(crossed.DOCS.read_text())
    (source,) = crossed.build_lines(crossed.SOURCE.read_text())
    assert linux == [word for word in source if word not in ("64-bit", "ARM", "Linux", "-Wall", "-Wextra")]
    assert linux[1:] == android[1:]
    assert android[0] in crossed.SOURCE.read_text()
