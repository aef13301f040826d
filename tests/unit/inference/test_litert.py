import subprocess
import sys

import numpy as np
import pytest

from edgekit import recipe
from edgekit.bench import measure
from edgekit.device import runner
from edgekit.errors import DataError
from edgekit.inference import evaluate, litert, onnxrt, standalone
from edgekit.types import TensorSpec

SPEC = TensorSpec(name="x", dtype="int8", shape=(-1, 2, 2, 1), scale=0.5, zero_point=-3)


def test_quantize_rounds_shifts_and_saturates():
    x = np.array([0.0, 0.25, 1.0, 0.76], np.float32).reshape(1, 2, 2, 1)
    assert litert.quantize(x, SPEC).ravel().tolist() == [-3, -3, -1, -1]  # round half to even, as NumPy has it
    fine = TensorSpec(name="x", dtype="uint8", shape=(-1,), scale=1 / 300, zero_point=0)
    assert litert.quantize(np.ones((1, 1, 1, 1), np.float32), fine).ravel().tolist() == [255]


def test_quantizing_pixels_with_the_usual_scale_is_exact():
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    usual = TensorSpec(name="x", dtype="int8", shape=(-1, 16, 16, 1), scale=float(np.float32(1 / 255)), zero_point=-128)
    assert litert.quantize(pixels, usual).ravel().tolist() == list(range(-128, 128))


def test_dequantize():
    assert litert.dequantize(np.array([[-3, 1]], np.int8), SPEC).tolist() == [[0.0, 2.0]]


def test_slugs_are_safe_and_distinct():
    assert measure.slug("host").startswith("host-")
    assert measure.slug("ssh://pi@host:22") != measure.slug("ssh://pi@host-22")
    assert "/" not in measure.slug("ssh://pi@host:22")


def test_a_damaged_onnx_is_a_data_error(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"not an \.onnx"):
        onnxrt.describe(tmp_path / "x.onnx")


def test_a_file_that_is_no_model_is_a_data_error(tmp_path):
    (tmp_path / "x.tflite").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"not a \.tflite"):
        litert.describe(tmp_path / "x.tflite")
    with pytest.raises(DataError, match="does not exist"):
        standalone.artifact_of(tmp_path / "y.tflite")


@pytest.mark.tf
def test_threads_and_batches_do_not_change_a_bit(files, shipped):
    x = shipped.val.x[:100]
    one = litert.run(files["int8"], x, batch=1, threads=1)
    for batch, threads in ((64, 1), (7, 2), (100, 4)):
        assert np.array_equal(one, litert.run(files["int8"], x, batch=batch, threads=threads))


@pytest.mark.tf
def test_evaluation_agrees_with_a_plain_loop(files, shipped):
    """The same accuracy as an independent one-image-at-a-time LiteRT loop."""
    from ai_edge_litert.interpreter import Interpreter

    artifact = standalone.artifact_of(files["int8"])
    found, _ = evaluate.evaluate(artifact, shipped.val, "val", files["int8"], shipped.classes)
    interpreter = Interpreter(str(files["int8"]))
    interpreter.allocate_tensors()
    given, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero = given["quantization"]
    right = 0
    for image, label in zip(shipped.val.x, shipped.val.y, strict=True):
        real = image[None].astype(np.float32) / 255
        interpreter.set_tensor(given["index"], np.clip(np.round(real / scale) + zero, -128, 127).astype(np.int8))
        interpreter.invoke()
        right += int(interpreter.get_tensor(result["index"])[0].argmax() == label)
    assert found.accuracy == pytest.approx(right / len(shipped.val.y))


@pytest.mark.tf
def test_sparsity_is_read_from_the_file(files):
    assert 0 <= litert.sparsity(files["float32"]) < 0.01
    assert litert.sparsity(files["float16"]) < 0.01
    assert 0 < litert.sparsity(files["int8"]) < 0.2, "rounding to int8 makes some zeros"
    assert onnxrt.sparsity(files["onnx"]) < 0.01


@pytest.mark.tf
def test_host_latencies_are_raw_interleaved_and_without_tensorflow(files, shipped):
    plan = recipe.load().bench
    artifacts = [standalone.artifact_of(files[name]) for name in ("float32", "int8", "onnx")]
    rows = measure.measure(artifacts, plan, shipped.val.x[:1] / np.float32(255)).measurements
    assert {(row.artifact, row.threads) for row in rows} == {
        (artifact.name, threads) for artifact in artifacts for threads in {1, litert.cores()}
    }
    for row in rows:
        assert row.runs == len(row.latencies_ns) >= 100
        assert row.conditions["measured_seconds"] >= 1
        assert min(row.latencies_ns) > 0
        assert row.p50_ms <= row.p90_ms
        assert row.conditions["warmups"] >= 10
        assert row.conditions["baseline_rss_bytes"] <= row.peak_rss_bytes < 300e6, "not this process's memory"
        assert row.valid == (row.invalid_reason is None)
    assert rows[0].runtime.startswith("ai-edge-litert")


def test_the_runner_needs_nothing_of_edgekit():
    code = (
        "import sys, runpy; runpy.run_path(sys.argv[1]); print('edgekit' in sys.modules, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, runner.__file__], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
