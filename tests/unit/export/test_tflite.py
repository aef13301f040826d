import numpy as np
import pytest
from tests.cpu import EXACT_INT8

from edgekit.errors import ExportError, GateNotMet
from edgekit.export import layers, onnx, operators, parity, stage, tflite
from edgekit.export.shrink import shrink
from edgekit.frameworks import backend
from edgekit.inference import litert, onnxrt
from edgekit.training.signals import probabilities

pytestmark = pytest.mark.tf


def test_a_model_is_saved_once_for_all_precisions_until_its_weights_change(monkeypatch):
    keras = backend.load("tensorflow")
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(image)))
    saved = []
    export = type(model).export
    monkeypatch.setattr(
        type(model), "export", lambda self, folder, **more: (saved.append(folder), export(self, folder, **more))[1]
    )
    first = tflite.convert(model, "float32")
    assert tflite.convert(model, "float32") == first
    tflite.convert(model, "int8", calibration=np.random.default_rng(0).random((8, 4, 4, 1), dtype=np.float32))
    assert len(saved) == 1
    model.set_weights([2 * weight for weight in model.get_weights()])
    assert tflite.convert(model, "float32") != first
    assert len(saved) == 2


def test_int8_is_fully_integer_small_and_dynamic_in_the_batch(files):
    (given,), (result,) = litert.describe(files["int8"])
    assert (given.dtype, result.dtype) == ("int8", "int8")
    assert given.shape == (-1, 28, 28, 1)
    assert result.scale == pytest.approx(1 / 256)
    assert result.zero_point == -128
    assert len(shrink(files["int8"].read_bytes())) <= 40 * 1024
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(files["int8"]))
    interpreter.allocate_tensors()
    assert {np.dtype(d["dtype"]).name for d in interpreter.get_tensor_details()} <= {"int8", "int32"}


def test_weights_are_quantized_per_channel(files):
    assert max(scales(files["int8"].read_bytes())) >= 24


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


@pytest.fixture(scope="module")
def calibration_samples(shipped):
    return shipped.train.x[:60] / np.float32(255)


def test_int16x8_is_integer_inside_and_equal_in_batches(trained, shipped, calibration_samples, files, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(tflite.convert(trained, "int16x8", calibration=calibration_samples))
    (given,), (result,) = litert.describe(path)
    assert (given.dtype, result.dtype, given.shape[0]) == ("float32", "float32", -1)
    assert operators.float_operators(path.read_bytes()) == {}
    x = shipped.val.x[:130]
    assert np.array_equal(litert.run(path, x, batch=64), litert.run(path, x, batch=1))
    exact, found = (litert.probabilities(each, shipped.val.x).argmax(axis=1) for each in (files["float32"], path))
    assert (exact == found).mean() >= 0.97


def scales(content):
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(model_content=content).get_tensor_details()
    return [len(d["quantization_parameters"]["scales"]) for d in details if len(d["shape"]) == 4]


def test_per_tensor_has_one_scale_for_a_kernel(trained, calibration_samples):
    content = tflite.convert(trained, "int8", calibration=calibration_samples, per_channel=False)
    assert max(scales(content)) == 1


def test_layers_on_the_denylist_stay_in_float(trained, files, shipped, calibration_samples, tmp_path):
    worst = layers.worst_layers(layers.errors_by_layer(files["float32"], files["int8"], shipped.val.x[:32]))[:2]
    path = tmp_path / "m.tflite"
    path.write_bytes(tflite.convert(trained, "int8", calibration=calibration_samples, denylist=worst))
    found = operators.float_operators(path.read_bytes())
    assert sum(count for name, count in found.items() if "QUANTIZE" not in name) == 2
    assert operators.float_operators(files["int8"].read_bytes()) == {}
    rows = layers.errors_by_layer(files["float32"], path, shipped.val.x[:32])
    assert [row.scale for row in rows if row.name == worst[0]] == [0.0]
    assert files["int8"].stat().st_size < path.stat().st_size < files["float32"].stat().st_size
    assert parity.batch_parity(path, shipped.val.x[:70])["bit_exact"]


def test_operators_are_counted(files):
    found = operators.histogram(files["int8"].read_bytes())
    assert found["FULLY_CONNECTED"] == found["SOFTMAX"] == 1
    assert found["CONV_2D"] >= 5
    assert set(operators.float_operators(files["float32"].read_bytes())) == set(operators.histogram(
        files["float32"].read_bytes()))  # fmt: skip


def test_what_cannot_be_written_is_refused(trained):
    with pytest.raises(ExportError, match="'int4'"):
        tflite.convert(trained, "int4")
    with pytest.raises(ExportError, match="int16x8 needs calibration"):
        tflite.convert(trained, "int16x8")
    with pytest.raises(ExportError, match="only in an int8 file"):
        tflite.convert(trained, "float32", denylist=["x"])


def test_int8_onnx_answers_as_the_int8_tflite_does(files, shipped, tmp_path, capsys):
    x, target = stage.parity_samples(shipped), tmp_path / "model_int8.onnx"
    onnx.convert(files["int8"], target)
    found = parity.onnx_int8_parity(target, files["int8"], files["float32"], x)
    assert found["agreement_with_tflite"] >= 0.995
    assert found["samples"] == 512
    (given,), (result,) = onnxrt.describe(target)
    assert (given.dtype, given.shape, result.dtype) == ("float32", (-1, 28, 28, 1), "float32")
    assert target.stat().st_size < files["onnx"].stat().st_size
    assert 0 < onnxrt.sparsity(target) < 0.2
    assert capsys.readouterr().out == ""


def test_onnxruntime_quantizes_the_float_onnx(files, shipped, calibration_samples, tmp_path, capsys):
    target = tmp_path / "q.onnx"
    onnx.quantize(files["onnx"], target, calibration_samples)
    x = stage.parity_samples(shipped)
    exact, found = onnxrt.probabilities(files["onnx"], x), onnxrt.probabilities(target, x)
    assert parity.agreement(exact, found) >= (0.95 if EXACT_INT8 else 0.9)
    assert target.stat().st_size < files["onnx"].stat().st_size
    assert capsys.readouterr().out == ""


def test_other_answers_are_seen(files, shipped):
    x = shipped.val.x[:64]
    assert parity.agreement(np.eye(4)[[0, 1, 2, 3]], np.eye(4)[[0, 1, 2, 0]]) == 0.75
    assert not parity.bit_parity(files["float32"], files["dynamic"], x)
    assert parity.bit_parity(files["int8"], files["int8"], x)
    with pytest.raises(GateNotMet, match="agree on"):
        parity.fake_quantization_parity(np.roll(litert.probabilities(files["int8"], x), 1, axis=1), files["int8"], x)
