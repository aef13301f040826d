import numpy as np
import pytest

from edgekit.errors import ExportError
from edgekit.frameworks import backend
from edgekit.pipeline.opened import opened

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def nested(keras, *ends):
    layers = keras.layers
    body = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Conv2D(4, 3, name="conv"), layers.ReLU(name="relu")], name="body"
    )
    image = keras.Input((8, 8, 1), name="image")
    x = layers.GlobalAveragePooling2D(name="average")(body(layers.Rescaling(2.0, name="pixels")(image)))
    for end in ends:
        x = end(x)
    return keras.Model(image, x, name="mine")


@pytest.mark.parametrize(
    "ends",
    [
        lambda k: [k.layers.Dense(3, activation="softmax", name="answer")],
        lambda k: [k.layers.Dense(3, name="logits"), k.layers.Softmax()],
        lambda k: [k.layers.Dense(3, name="answer"), k.layers.Activation("softmax"), k.layers.Reshape((3,))],
    ],
)
def test_nested_models_are_opened_and_the_logits_named(keras, ends):
    model = nested(keras, *ends(keras))
    flat = opened(keras, model)
    x = np.random.default_rng(0).random((5, 8, 8, 1), np.float32)
    np.testing.assert_allclose(flat(x), model(x), rtol=1e-6)
    names = [layer.name for layer in flat.layers]
    assert names[:5] == ["image", "pixels", "conv", "relu", "average"]
    assert "body" not in names
    p = np.exp(keras.Model(flat.input, flat.get_layer("logits").output)(x))
    np.testing.assert_allclose(p / p.sum(axis=1, keepdims=True), model(x), rtol=1e-5)
    assert type(flat.layers[-1]).__name__ == "Softmax"


def test_what_cannot_be_opened_is_refused(keras):
    with pytest.raises(ExportError, match="ends in a softmax"):
        opened(keras, nested(keras, keras.layers.Dense(3, activation="sigmoid")))
    twice = nested(keras, keras.layers.Dense(3, name="conv"), keras.layers.Softmax())
    with pytest.raises(ExportError, match="cannot be opened"):
        opened(keras, twice)
