import json
import warnings

import numpy as np
import pytest

from edgekit.errors import DataError, ExportError, UsageError
from edgekit.frameworks import backend, tf
from edgekit.pipeline import user_model

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def saved(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # .h5 is an old format, says Keras
        model.save(path)
    return path


def network(module, *front, end=None, classes=10, shape=(28, 28, 1)):
    layers = module.layers
    head = [layers.Conv2D(4, 3, strides=3, activation="relu"), layers.Flatten(), layers.Dense(classes, activation=end)]
    return module.Sequential([module.Input(shape), *front, *head])


def same(user, model, x, *, scale=1.0, softmax=False):
    """The loaded model on pixel / 255 against the given one on its own pixels."""
    ours, theirs = np.asarray(user.model(x, training=False)), np.asarray(model(x * np.float32(scale), training=False))
    if softmax:
        theirs = np.exp(theirs) / np.exp(theirs).sum(axis=1, keepdims=True)
    return np.abs(ours - theirs).max() < 1e-5


def test_logits_get_a_softmax_and_pixels_of_0_to_255_a_rescaling(keras, shipped, tmp_path):
    x = shipped.val.x[:8] / np.float32(255)
    plain = network(keras, end="softmax")
    user = user_model.load(saved(plain, tmp_path / "a.keras"), shipped)
    assert (user.framework, user.input_range) == ("keras", "0-1")
    assert same(user, plain, x)
    logits = network(keras, keras.layers.Rescaling(1 / 255))
    user = user_model.load(saved(logits, tmp_path / "b.keras"), shipped)
    assert user.input_range == "0-255"
    assert same(user, logits, x, scale=255, softmax=True)
    assert any("softmax was put behind" in note for note in user.notes)
    assert any("multiplication by 255" in note for note in user.notes)


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        (lambda k: k.layers.Rescaling(2.0, offset=-1.0), "0-1"),
        (lambda k: k.layers.Rescaling(1 / 127.5, offset=-1.0), "0-255"),
        (lambda k: k.layers.Normalization(mean=0.45, variance=0.05), "0-1"),
        (lambda k: k.layers.Normalization(mean=115.0, variance=3600.0), "0-255"),
    ],
)
def test_the_pixels_a_model_was_trained_on_are_judged_by_its_first_layers(keras, shipped, tmp_path, front, expected):
    path = saved(network(keras, front(keras)), tmp_path / "m.keras")
    assert user_model.load(path, shipped).input_range == expected
    other = "0-1" if expected == "0-255" else "0-255"
    assert user_model.load(path, shipped, other).input_range == other, "the user knows better"


def test_a_model_of_pixels_from_minus_one_to_one_gets_a_rescaling_in_front(keras, shipped, tmp_path):
    own = network(keras, keras.layers.Rescaling(1.0))
    user = user_model.load(saved(own, tmp_path / "m.keras"), shipped, "signed")
    assert any("rescaling to -1 to 1" in note for note in user.notes)
    x = shipped.val.x[:5].astype(np.float32) / 255
    logits = np.asarray(own(2 * x - 1))
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.asarray(user.model(x)) == pytest.approx(expected, abs=1e-6)


def test_gray_images_without_a_channel_axis_get_a_reshape_in_front(keras, shipped, tmp_path):
    layers = keras.layers
    own = keras.Sequential([keras.Input((28, 28)), layers.Flatten(), layers.Dense(10, activation="softmax")])
    user = user_model.load(saved(own, tmp_path / "m.keras"), shipped)
    assert any("without a channel axis" in note for note in user.notes)
    x = shipped.val.x[:5].astype(np.float32) / 255
    assert np.asarray(user.model(x)) == pytest.approx(np.asarray(own(x[..., 0])), abs=1e-6)


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_a_loop_over_time_is_named_with_the_way_out(keras, shipped, tmp_path, kind, wrap):
    layers = keras.layers

    def model(unroll):
        layer = getattr(layers, kind)(4, unroll=unroll, name="over_time")
        layer = layers.Bidirectional(layer, name="over_time") if wrap else layer
        return keras.Sequential(
            [keras.Input((28, 28, 1)), layers.Reshape((28, 28)), layer, layers.Dense(10, activation="softmax")]
        )

    with pytest.raises(ExportError, match=rf"'over_time' \({kind}\) is a loop over time.*unroll=True") as refused:
        user_model.load(saved(model(False), tmp_path / "m.keras"), shipped)
    assert "\n" not in str(refused.value)
    user_model.load(saved(model(True), tmp_path / "unrolled.keras"), shipped)


def test_random_augmentation_is_left_out(keras, shipped, tmp_path):
    model = network(keras, keras.layers.RandomFlip(name="flipping"), end="softmax")
    user = user_model.load(saved(model, tmp_path / "m.keras"), shipped)
    assert user.framework == "tf_keras"
    assert "left out, by way of the tf_keras twin: flipping" in user.notes[-1]
    assert same(user, model, shipped.val.x[:8] / np.float32(255))


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_files_of_tf_keras_are_told_and_read(shipped, tmp_path, suffix):
    model = network(tf.tf_keras(), tf.tf_keras().layers.Rescaling(1 / 255), end="softmax")
    user = user_model.load(saved(model, tmp_path / f"m.{suffix}"), shipped)
    assert (user.framework, user.input_range) == ("tf_keras", "0-255")
    assert user.keras_version.startswith("2.")
    assert type(user.model).__module__.startswith("tf_keras")
    assert same(user, model, shipped.val.x[:8] / np.float32(255), scale=255)


def test_an_h5_file_of_keras_3_is_read(keras, shipped, tmp_path):
    model = network(keras, end="softmax")
    user = user_model.load(saved(model, tmp_path / "m.h5"), shipped)
    assert user.framework == "keras"
    assert same(user, model, shipped.val.x[:8] / np.float32(255))


def test_code_in_a_file_is_refused_by_name_and_never_run(keras, shipped, tmp_path):
    @keras.saving.register_keras_serializable("mypackage")
    class Custom(keras.layers.Layer):
        def call(self, x):
            return x

    @keras.saving.register_keras_serializable("mypackage")
    def doubling(x):
        return x * 2

    doubled = keras.layers.Lambda(lambda x: x * 2, name="doubled", output_shape=(28, 28, 1))
    cases = {
        "Lambda 'doubled'": network(keras, doubled),
        "Custom 'custom_one'": network(keras, Custom(name="custom_one")),
        "doubling": network(keras, keras.layers.Activation(doubling)),
    }
    for number, (named, model) in enumerate(cases.items()):
        with pytest.raises(ExportError, match=named):
            user_model.load(saved(model, tmp_path / f"{number}.keras"), shipped)
    keras2 = tf.tf_keras()
    old = network(keras2, keras2.layers.Lambda(lambda x: x * 2, name="doubled"))
    for suffix in ("h5", "keras"):
        with pytest.raises(ExportError, match="Lambda 'doubled'"):
            user_model.load(saved(old, tmp_path / f"old.{suffix}"), shipped)


def test_a_function_of_tensorflow_that_does_more_than_compute_is_refused(shipped, tmp_path):
    keras2 = tf.tf_keras()
    image = keras2.Input((28, 28, 1))
    pixels = image / 255.0
    model = network(keras2)
    good = keras2.Model(image, model(pixels))
    assert user_model.inspect(saved(good, tmp_path / "good.h5"))[0] == "tf_keras"
    told = tf.tensorflow().strings.as_string(image)
    bad = keras2.Model(image, [model(pixels), told])
    with pytest.raises(ExportError, match="TFOpLambda"):
        user_model.load(saved(bad, tmp_path / "bad.h5"), shipped)


def test_what_does_not_fit_the_data_is_refused(keras, shipped, tmp_path):
    with pytest.raises(DataError, match=r"gives \(7,\) per image, but .* has 10 classes"):
        user_model.load(saved(network(keras, classes=7), tmp_path / "a.keras"), shipped)
    with pytest.raises(DataError, match=r"\(32, 32, 1\).*--image-size 32x32"):
        user_model.load(saved(network(keras, shape=(32, 32, 1)), tmp_path / "b.keras"), shipped)
    with pytest.raises(ExportError, match="ends in 'sigmoid'"):
        user_model.load(saved(network(keras, end="sigmoid"), tmp_path / "c.keras"), shipped)
    image = keras.Input((28, 28, 1))
    two = keras.layers.Flatten()(image)
    with pytest.raises(ExportError, match="2 outputs"):
        user_model.load(saved(keras.Model(image, [two, two * 2]), tmp_path / "d.keras"), shipped)


def test_files_that_are_no_models_are_refused(keras, shipped, tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        user_model.load(tmp_path / "missing.keras", shipped)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(UsageError, match=r"neither a \.keras nor an \.h5"):
        user_model.load(tmp_path / "a.txt", shipped)
    for name in ("a.keras", "a.h5"):
        (tmp_path / name).write_bytes(json.dumps({}).encode())
        with pytest.raises(ExportError, match=r"no \.(keras file|h5 model)"):
            user_model.load(tmp_path / name, shipped)
    network(keras).save_weights(tmp_path / "b.weights.h5")
    with pytest.raises(ExportError, match="weights without the network"):
        user_model.load(tmp_path / "b.weights.h5", shipped)
