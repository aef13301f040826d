"""The model without its softmax, whatever form that has."""

import numpy as np
import pytest
from scipy.special import softmax

from edgekit.errors import ExportError
from edgekit.export.head import without_softmax
from edgekit.frameworks import backend, tf

pytestmark = pytest.mark.tf

X = np.random.default_rng(0).random((5, 8, 8, 1), np.float32)


def classifier(keras, *ends):
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.GlobalAveragePooling2D(name="average")(keras.layers.Conv2D(4, 3, name="conv")(image))
    for end in ends:
        x = end(x)
    return keras.Model(image, x, name="mine")


def wrapped(keras, model):
    """Nested, as `edgekit compress` brings a user's model to pixels in [0, 1]."""
    image = keras.Input((8, 8, 1), name="edgekit_image")
    return keras.Model(image, model(keras.layers.Rescaling(2.0)(image)), name="outer")


@pytest.mark.parametrize("old", [False, True], ids=["keras", "tf_keras"])
@pytest.mark.parametrize(
    "ends",
    [
        lambda k: [k.layers.Dense(3, name="logits"), k.layers.Softmax(name="probabilities")],
        lambda k: [k.layers.Dense(3, activation="softmax", name="answer")],
        lambda k: [k.layers.Dense(3), k.layers.Activation("softmax"), k.layers.Reshape((3,))],
        lambda k: [k.layers.Dense(3), k.activations.softmax],
    ],
    ids=["layer", "activation", "behind", "function"],
)
def test_the_softmax_of_what_is_left_is_what_there_was(ends, old):
    keras = tf.tf_keras() if old else backend.load("tensorflow")
    for model in (
        classifier(keras, *ends(keras)),
        wrapped(keras, classifier(keras, *ends(keras))),
        wrapped(keras, keras.Sequential([keras.Input((8, 8, 1)), classifier(keras, *ends(keras))])),
    ):
        before = np.asarray(model(X))
        logits = np.asarray(without_softmax(model)(X))
        np.testing.assert_allclose(softmax(logits, axis=1), before, rtol=1e-5)
        assert not np.allclose(logits.sum(axis=1), 1)
        np.testing.assert_array_equal(np.asarray(model(X)), before, "the model itself is as it was")


def test_what_ends_in_no_softmax_is_refused():
    keras = backend.load("tensorflow")
    with pytest.raises(ExportError, match=r"'answer', is a Dense\. Remove --logits-output"):
        without_softmax(classifier(keras, keras.layers.Dense(3, activation="sigmoid", name="answer")))
