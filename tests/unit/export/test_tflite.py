import numpy as np
import pytest

from edgekit.bench import litert
from edgekit.errors import ExportError, GateNotMet
from edgekit.export import onnx, parity, stage, tflite
from edgekit.training.signals import probabilities

pytestmark = pytest.mark.tf


def test_int8_is_fully_integer_small_and_dynamic_in_the_batch(files):
    (given,), (result,) = litert.describe(files["int8"])
    assert (given.dtype, result.dtype) == ("int8", "int8")
    assert given.shape == (-1, 28, 28, 1)
    assert result.scale == pytest.approx(1 / 256)
    assert result.zero_point == -128
    assert files["int8"].stat().st_size <= 40 * 1024
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(files["int8"]))
    interpreter.allocate_tensors()
    assert {np.dtype(d["dtype"]).name for d in interpreter.get_tensor_details()} <= {"int8", "int32"}


def test_weights_are_quantized_per_channel(files):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(files["int8"]))
    scales = [
        len(d["quantization_parameters"]["scales"]) for d in interpreter.get_tensor_details() if len(d["shape"]) == 4
    ]
    assert max(scales) == 32


@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic"])
def test_other_precisions_keep_float_tensors_and_a_dynamic_batch(files, precision):
    (given,), (result,) = litert.describe(files[precision])
    assert (given.dtype, result.dtype) == ("float32", "float32")
    assert given.shape[0] == result.shape[0] == -1


def test_smaller_precisions_are_smaller_and_agree(files, shipped):
    size = {name: path.stat().st_size for name, path in files.items()}
    assert size["int8"] < size["float16"] < size["float32"]
    assert size["dynamic"] < size["float16"]
    exact = litert.probabilities(files["float32"], shipped.val.x).argmax(axis=1)
    for precision, least in (("float16", 0.995), ("dynamic", 0.98), ("int8", 0.95)):
        agreement = (litert.probabilities(files[precision], shipped.val.x).argmax(axis=1) == exact).mean()
        assert agreement >= least, precision


@pytest.mark.parametrize("io", ["uint8", "float32"])
def test_input_and_output_types(trained, shipped, tmp_path, io):
    x = shipped.train.x[:50] / np.float32(255)
    path = tmp_path / "m.tflite"
    path.write_bytes(tflite.convert(trained, "int8", io=io, calibration=x))
    (given,), (result,) = litert.describe(path)
    assert given.dtype == result.dtype == io
    assert litert.probabilities(path, shipped.val.x[:20]).sum(axis=1) == pytest.approx(1, abs=0.03)


def test_conversion_repeats_byte_for_byte(trained):
    assert tflite.convert(trained, "float32") == tflite.convert(trained, "float32")


def test_int8_without_calibration_is_refused(trained):
    with pytest.raises(ExportError, match="calibration"):
        tflite.convert(trained, "int8")


def test_parity_of_keras_tflite_and_onnx(trained, files, shipped):
    x = stage.parity_samples(shipped)
    assert len(x) == 512
    found = parity.float_parity(probabilities(trained, x), files["float32"], files["onnx"], x)
    assert found["max_logit_difference"] <= found["allowed_logit_difference"]
    assert found["onnx_agreement"] == 1


def test_parity_sees_another_model(trained, files, shipped):
    x = shipped.val.x[:64]
    changed = probabilities(trained, x)[::-1]
    with pytest.raises(GateNotMet, match="differs from the Keras model"):
        parity.float_parity(changed, files["float32"], files["onnx"], x)


@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic", "int8"])
def test_batches_equal_single_images_bit_for_bit(files, shipped, precision):
    assert parity.batch_parity(files[precision], shipped.val.x[:130])["bit_exact"]


def test_onnx_of_something_else_is_an_export_error(tmp_path):
    (tmp_path / "x.tflite").write_bytes(b"not a model")
    with pytest.raises(ExportError, match="could not be written as ONNX"):
        onnx.convert(tmp_path / "x.tflite", tmp_path / "x.onnx")
