"""Parameters of each method merged into the plain weights: by hand, and on networks of every kind of layer."""

import numpy as np
import pytest

from edgekit import students
from edgekit.errors import IntegrityError, RecipeError
from edgekit.frameworks import backend
from edgekit.peft.apply import apply
from edgekit.peft.merge import merge
from edgekit.recipe import PeftSection

pytestmark = pytest.mark.tf

MERGED = ("ssf", "lora", "bitfit", "layernorm")


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def network(keras, *, norm=True):
    """Every kind of layer that the methods know, with weights that are no round numbers."""
    layers = keras.layers
    image = keras.Input((6, 6, 2), name="image")
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="biased")(image)
    x = layers.Conv2D(4, 3, use_bias=False, padding="same", name="unbiased")(x)
    if norm:
        x = layers.BatchNormalization(name="batch_norm")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu", name="depthwise")(x)
    x = layers.Dense(5, activation="gelu", use_bias=False, name="pointwise")(x)
    if norm:
        x = layers.LayerNormalization(name="layer_norm")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    x = layers.Dense(6, activation="relu", name="dense")(x)
    model = keras.Model(image, layers.Softmax(name="probabilities")(layers.Dense(3, name="logits")(x)), name="every")
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0.4, 0.3, w.shape).astype(np.float32) for w in model.get_weights()])
    return model


def shaken(adapted):
    """New parameters as a training would leave them."""
    rng = np.random.default_rng(1)
    for insertion in adapted.insertions.values():
        for layer in insertion.layers.values():
            layer.set_weights([w + rng.normal(0, 0.3, w.shape).astype(np.float32) for w in layer.get_weights()])


def logits(keras, model, x):
    return np.asarray(keras.Model(model.input, model.get_layer("logits").output)(x))


IMAGES = np.random.default_rng(2).random((5, 6, 6, 2), np.float32)


def test_scale_and_shift_by_hand(keras):
    """One unit: y = 3 (2 x + 1) - 4 = 6 x - 1."""
    value = keras.Input((1,), name="image")
    hidden = keras.layers.Dense(1, name="unit")(value)
    model = keras.Model(value, keras.layers.Softmax()(keras.layers.Dense(2, name="logits")(hidden)))
    model.get_layer("unit").set_weights([np.array([[2.0]]), np.array([1.0])])
    values = {"unit:ssf:gamma": np.array([3], np.float32), "unit:ssf:beta": np.array([-4], np.float32)}
    assert merge(model, values, PeftSection(method="ssf")) == 1
    kernel, bias = model.get_layer("unit").get_weights()
    assert (kernel.item(), bias.item()) == (6.0, -1.0)


def test_normalization_and_depthwise_by_hand(keras):
    model = network(keras)
    gamma, beta = model.get_layer("layer_norm").get_weights()
    kernel, bias = model.get_layer("depthwise").get_weights()
    five, eight = np.arange(1, 6, dtype=np.float32), np.arange(1, 9, dtype=np.float32)
    values = {
        "layer_norm:ssf:gamma": five,
        "layer_norm:ssf:beta": -five,
        "depthwise:ssf:gamma": eight,
        "depthwise:ssf:beta": -eight,
    }
    merge(model, values, PeftSection(method="ssf"))
    found = model.get_layer("layer_norm").get_weights()
    assert found[0] == pytest.approx(five * gamma)
    assert found[1] == pytest.approx(five * beta - five)
    found = model.get_layer("depthwise").get_weights()
    # Output 2 c + m is that of channel c and multiplier m.
    assert found[0][:, :, 3, 1] == pytest.approx(8 * kernel[:, :, 3, 1])
    assert found[0][:, :, 1, 0] == pytest.approx(3 * kernel[:, :, 1, 0])
    assert found[1] == pytest.approx(eight * bias - eight)


def test_low_rank_by_hand(keras):
    """W' = W + 4 / 2 * A B."""
    model = network(keras)
    kernel = model.get_layer("pointwise").get_weights()[0]
    down, up = np.ones((8, 2), np.float32), np.full((2, 5), 0.5, np.float32)
    values = {"pointwise:lora_a:kernel": down, "pointwise:lora_b:kernel": up}
    merge(model, values, PeftSection(method="lora", rank=2, alpha=4.0))
    assert model.get_layer("pointwise").get_weights()[0] == pytest.approx(kernel + 2.0)


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("method", MERGED)
def test_a_merged_network_gives_the_same_logits(keras, method, norm):
    if method == "layernorm" and not norm:
        pytest.skip("nothing to train")
    section = PeftSection(method=method)
    plain = network(keras, norm=norm)
    adapted = apply(keras, plain, section)
    if method != "ssf":  # which starts with noise
        assert logits(keras, adapted.model, IMAGES) == pytest.approx(logits(keras, plain, IMAGES), abs=1e-5)
    shaken(adapted)
    expected = logits(keras, adapted.model, IMAGES)
    assert np.abs(expected - logits(keras, plain, IMAGES)).max() > 0.01
    names = [layer.name for layer in plain.layers]
    merge(plain, adapted.values(), section)
    assert logits(keras, plain, IMAGES) == pytest.approx(expected, rel=1e-5, abs=1e-4)
    assert [layer.name for layer in plain.layers] == names


@pytest.mark.parametrize("name", ["microresnet", "conv8", "ds_cnn", "ast_tiny", "passt_tiny", "audio_cnn"])
@pytest.mark.parametrize("method", ["ssf", "lora"])
def test_every_student_can_be_adapted(keras, name, method):
    plain = students.build("students", name, keras, (28, 28, 1), 10)
    rng = np.random.default_rng(0)
    plain.set_weights([w + 0.1 * rng.random(w.shape).astype(np.float32) for w in plain.get_weights()])
    adapted = apply(keras, plain, PeftSection(method=method))
    shaken(adapted)
    x = rng.random((4, 28, 28, 1), np.float32)
    expected = logits(keras, adapted.model, x)
    merge(plain, adapted.values(), PeftSection(method=method))
    assert logits(keras, plain, x) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_what_each_method_trains(keras):
    def places(method, norm=True):
        return set(apply(keras, network(keras, norm=norm), PeftSection(method=method)).insertions)

    # The convolution without bias is scaled and shifted by the batch normalization behind it.
    assert places("ssf") == {"biased", "batch_norm", "depthwise", "pointwise", "layer_norm", "dense"}
    assert places("ssf", norm=False) == {"biased", "unbiased", "depthwise", "pointwise", "dense"}
    assert places("lora") == {"pointwise", "dense"}
    assert places("bitfit") == {"biased", "batch_norm", "depthwise", "layer_norm", "dense"}
    assert places("layernorm") == {"batch_norm", "layer_norm"}
    with pytest.raises(RecipeError, match="'layernorm' needs a normalization layer in the trunk; 'every' has none"):
        places("layernorm", norm=False)


def test_an_adapter_starts_as_nothing_and_adds_layers(keras):
    plain = students.build("students", "microresnet", keras, (28, 28, 1), 10)
    adapted = apply(keras, plain, PeftSection(method="adapter", bottleneck=4))
    assert set(adapted.insertions) == {"stage0_add", "stage1_add"}
    x = np.random.default_rng(0).random((4, 28, 28, 1), np.float32)
    assert logits(keras, adapted.model, x) == pytest.approx(logits(keras, plain, x), abs=1e-6)
    # 24 and 40 channels to 4 and back, with biases; and the head.
    trained = sum(int(np.prod(w.shape)) for w in adapted.model.trainable_weights)
    assert trained == (24 * 4 + 4 + 4 * 24 + 24) + (40 * 4 + 4 + 4 * 40 + 40) + 41 * 10
    assert set(apply(keras, network(keras), PeftSection(method="adapter")).insertions) == {
        "biased",
        "pointwise",
        "dense",
    }


def test_values_of_another_network_are_refused(keras):
    model = network(keras)
    section = PeftSection(method="ssf")
    with pytest.raises(IntegrityError, match="for a layer 'other', which 'every' does not have"):
        merge(model, {"other:ssf:gamma": np.ones(3, np.float32)}, section)
    with pytest.raises(IntegrityError, match="do not fit layer 'dense'"):
        merge(model, {"dense:ssf:gamma": np.ones(7, np.float32)}, section)
