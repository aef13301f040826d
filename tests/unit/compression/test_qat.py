import dataclasses
import json

import numpy as np
import pytest

from edgekit import recipe
from edgekit.compression import prune, qat, stage
from edgekit.compression.twin import fake_quant
from edgekit.data.pixels import to_float
from edgekit.data.splits import take
from edgekit.errors import ExportError
from edgekit.export import tflite
from edgekit.frameworks import backend
from edgekit.inference import litert
from edgekit.types import Silent

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def section(**values):
    return recipe.QuantizationSection(precision="int8-qat", qat_epochs=1, **values)


def probabilities(model, x):
    return np.concatenate([np.asarray(model(to_float(x[i : i + 256]), training=False)) for i in range(0, len(x), 256)])


def accuracy(p, split):
    return (p.argmax(axis=1) == split.y).mean()


def interpreter(path):
    from ai_edge_litert.interpreter import Interpreter

    made = Interpreter(str(path))
    made.allocate_tensors()
    return made


def kernel_scales(path):
    """How many scales each kernel of four dimensions has."""
    details = interpreter(path).get_tensor_details()
    return {
        len(d["quantization_parameters"]["scales"])
        for d in details
        if len(d["shape"]) == 4 and ("FakeQuant" in d["name"] or "epthwise" in d["name"])
    }


@pytest.fixture(scope="module")
def trained_qat(trained, shipped):
    train = take(shipped.train, np.arange(2000))
    return qat.quantize_aware(trained, train, section(), batch_size=64, seed=0, reporter=Silent())


@pytest.fixture(scope="module")
def qat_file(trained_qat, tmp_path_factory):
    path = tmp_path_factory.mktemp("qat") / "model_int8.tflite"
    path.write_bytes(tflite.convert(trained_qat, "int8"))
    return path


def test_the_int8_file_of_qat_is_full_integer_agrees_and_is_no_worse_than_ptq(qat_file, trained_qat, files, shipped):
    tensors = interpreter(qat_file).get_tensor_details()
    assert {np.dtype(d["dtype"]).name for d in tensors} <= {"int8", "int32"}
    (given,), (result,) = litert.describe(qat_file)
    assert (given.dtype, result.dtype, given.shape[0]) == ("int8", "int8", -1)
    assert given.scale == pytest.approx(1 / 255)
    found = litert.probabilities(qat_file, shipped.test.x)
    expected = probabilities(trained_qat, shipped.test.x)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.99
    ptq = litert.probabilities(files["int8"], shipped.test.x)
    assert accuracy(found, shipped.test) >= accuracy(ptq, shipped.test) - 0.005


def test_it_reads_back_as_it_was(trained_qat, shipped, tmp_path):
    path = tmp_path / "student_qat.tfkeras.keras"
    trained_qat.save(path)
    x = shipped.val.x[:50]
    assert np.array_equal(probabilities(qat.load_tf_keras(path), x), probabilities(trained_qat, x))
    (tmp_path / "other.keras").write_bytes(b"no model")
    with pytest.raises(ExportError, match="not a model that tf_keras can read"):
        qat.load_tf_keras(tmp_path / "other.keras")


def test_calibrated_ranges_are_the_percentiles_of_the_results(keras):
    image = keras.Input((1, 3, 1))
    dense = keras.layers.Dense(2, name="dense")
    model = keras.Model(image, keras.layers.Softmax()(dense(keras.layers.Flatten()(image))))
    dense.set_weights([np.array([[1.0, -2.0], [0.5, 1.0], [0.0, 3.0]], np.float32), np.array([0.5, -1.0], np.float32)])
    samples = np.random.default_rng(0).random((70, 1, 3, 1), dtype=np.float32)
    results = samples.reshape(70, 3) @ dense.get_weights()[0] + dense.get_weights()[1]
    for percentile in (100.0, 99.0, 90.0):
        made = qat.calibrated(model, samples, percentile=percentile, per_channel=True)
        expected = np.percentile(results, [100 - percentile, percentile])
        assert fake_quant.ranges(made)["dense"] == pytest.approx(tuple(expected), abs=1e-5)
        assert fake_quant.ranges(made)["input"] == (0.0, 1.0)
    with pytest.raises(ExportError, match="found 20"):
        qat.calibrated(model, samples, percentile=20, per_channel=True)
    with pytest.raises(ExportError, match="none were given"):
        qat.calibrated(model, samples[:0], percentile=100, per_channel=True)


def mixed(module):
    """Batch normalization before, behind and without a convolution, a depthwise kernel, relu6, silu, add, concatenate."""
    layers = module.layers
    image = module.Input((12, 12, 3))
    x = layers.Rescaling(2.0, offset=-1.0)(image)
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", use_bias=False)(x))
    x = layers.ReLU(6.0)(x)
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    y = layers.Conv2D(8, 1, activation="silu")(layers.ReLU()(layers.BatchNormalization()(layers.MaxPooling2D(1)(y))))
    x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Concatenate()([x, layers.SeparableConv2D(4, 3, padding="same", activation="hard_silu")(x)])
    x = layers.BatchNormalization()(layers.GlobalAveragePooling2D()(layers.AveragePooling2D(2)(x)))
    return module.Model(image, layers.Dense(4, activation="softmax")(x))


@pytest.mark.parametrize("per_channel", [True, False])
def test_every_operator_is_int8_and_kernels_have_the_scales_asked_for(keras, per_channel, tmp_path):
    model = mixed(keras)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.set_weights([rng.uniform(0.5, 1.5, array.shape) for array in layer.get_weights()])
    x = rng.random((64, 12, 12, 3), dtype=np.float32)
    made = qat.calibrated(model, x, percentile=100, per_channel=per_channel)
    path = tmp_path / "m.tflite"
    path.write_bytes(tflite.convert(made, "int8", per_channel=per_channel))
    assert {np.dtype(d["dtype"]).name for d in interpreter(path).get_tensor_details()} <= {"int8", "int32"}
    assert np.abs(litert.probabilities(path, x) - probabilities(made, x)).max() < 0.03
    assert np.abs(probabilities(made, x) - probabilities(model, x)).max() < 0.1
    widths = [
        int(np.prod(variables["min_var"].shape, dtype=int))
        for layer in made.layers
        for _, _, variables in getattr(layer, "_weight_vars", ())
        if "min_var" in variables
    ]
    assert (min(widths) > 1) == per_channel
    assert kernel_scales(path) == {1} if not per_channel else max(kernel_scales(path)) > 1


def test_what_has_no_int8_form_is_named(keras):
    image = keras.Input((8, 8, 1))
    shared = keras.layers.Conv2D(1, 3, padding="same", name="shared")
    x = keras.layers.LayerNormalization(name="layer_norm")(shared(shared(image)))
    x = keras.layers.Activation("softplus", name="soft")(x)
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    with pytest.raises(ExportError) as refused:
        qat.calibrated(model, np.zeros((1, 8, 8, 1), np.float32), percentile=100, per_channel=True)
    for part in ("'shared' (Conv2D): it is used 2 times", "'layer_norm' (LayerNormalization)", "'soft' (Activation)"):
        assert part in str(refused.value)


def test_the_stages_leave_pruned_and_fake_quantized_models_and_keep_zeros(keras, trained, shipped, tmp_path):
    asked = recipe.load(
        settings=[
            "pruning.sparsity=0.6",
            "pruning.epochs=1",
            "quantization.precision=int8-qat",
            "quantization.qat_epochs=1",
            "training.batch_size=128",
        ]
    )
    train = take(shipped.train, np.arange(960))
    trained.save(tmp_path / "student_float.keras")
    stage.run(asked, train, None, tmp_path / "student_float.keras", tmp_path, Silent())
    stage.run_qat(asked, train, None, tmp_path / "student_pruned.keras", tmp_path, Silent())
    pruned = json.loads((tmp_path / "pruning.json").read_text())
    facts = json.loads((tmp_path / "qat.json").read_text())
    assert pruned["sparsity"] == pytest.approx(0.6, abs=0.01)
    assert pruned["layers"] == pytest.approx(
        prune.layer_sparsity(keras.models.load_model(tmp_path / "student_pruned.keras"))
    )
    assert facts["preserved"]
    assert facts["sparsity"] >= pruned["sparsity"] - 0.005
    made = qat.load_tf_keras(tmp_path / "student_qat.tfkeras.keras")
    (tmp_path / "m.tflite").write_bytes(tflite.convert(made, "int8"))
    assert litert.sparsity(tmp_path / "m.tflite") >= pruned["sparsity"] - 0.005
    loose = qat.quantize_aware(
        keras.models.load_model(tmp_path / "student_pruned.keras"), train, asked.quantization, batch_size=64, seed=0,
        reporter=Silent(),
    )  # fmt: skip
    assert qat.kernel_sparsity(loose) < 0.1, "without it, training fills the zeros again"


def test_the_keys_tell_apart_what_changes_the_result():
    one = recipe.load(settings=["quantization.precision=int8-qat"])
    other = recipe.load(settings=["quantization.precision=int8-qat", "quantization.per_channel=false"])
    same = recipe.load(settings=["quantization.precision=int8-qat", "quantization.io=uint8"])
    assert stage.key_qat(one, "m") != stage.key_qat(other, "m")
    assert stage.key_qat(one, "m") == stage.key_qat(same, "m")
    assert stage.key_qat(one, "m") != stage.key_qat(one, "n")


def test_a_network_of_keras_applications_is_pruned_and_fake_quantized(keras, shipped):
    """Of its first blocks; benchmarks/twins.py does it for whole MobileNetV2, ResNet50 and DenseNet121."""
    whole = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3), include_top=False, alpha=0.35)
    features = keras.layers.GlobalAveragePooling2D()(whole.get_layer("block_4_add").output)
    model = keras.Model(whole.input, keras.layers.Dense(10, activation="softmax")(features))
    train = take(shipped.train, np.arange(80))
    x = np.repeat(np.pad(train.x[:], ((0, 0), (2, 2), (2, 2), (0, 0))), 3, axis=-1)
    train = dataclasses.replace(train, x=x)
    prune.prune(model, train, recipe.PruningSection(sparsity=0.5, epochs=1), batch_size=8, seed=0, reporter=Silent())
    assert min(prune.layer_sparsity(model).values()) == pytest.approx(0.5, abs=0.02)
    made = qat.quantize_aware(
        model, train, section(calibration_samples=16), batch_size=8, seed=0, reporter=Silent(), sparse=True
    )
    assert np.isfinite(made.edgekit_losses).all()
    # 10 convolutions and 5 depthwise ones, 2 sums, the pooling, the head, and the input
    assert sum(type(layer).__name__ == "QuantizeWrapperV2" for layer in made.layers) == 20
