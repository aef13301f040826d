import numpy as np
import pytest

from edgekit import backend, recipe
from edgekit.compression import prune, twin
from edgekit.data.splits import take
from edgekit.errors import ExportError
from edgekit.types import Silent

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def test_the_twin_computes_the_same_and_is_tf_keras(trained, shipped):
    copy = twin.twin(trained)
    assert type(copy).__module__.startswith("tf_keras")
    x = shipped.val.x[:32] / np.float32(255)
    assert np.abs(np.asarray(trained(x, training=False)) - np.asarray(copy(x, training=False))).max() <= 1e-5
    assert [layer.name for layer in copy.layers if layer.weights] == [
        each.name for each in trained.layers if each.weights
    ]


def test_a_layer_without_a_twin_is_named(keras):
    image = keras.Input((8, 8, 1))
    x = keras.layers.GaussianNoise(0.1, name="noisy")(image)
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    with pytest.raises(ExportError, match=r"'noisy' \(GaussianNoise\)"):
        twin.twin(model)


def test_common_layers_have_twins(keras):
    layers = keras.layers
    image = keras.Input((12, 12, 3))
    x = layers.Rescaling(2.0, offset=-1.0)(image)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu6")(x)
    x = layers.Concatenate()([layers.AveragePooling2D(2)(x), layers.MaxPooling2D(2)(x)])
    x = layers.Conv2D(8, 3, strides=2, dilation_rate=1, activation="relu")(x)
    x = layers.Multiply()([x, layers.ReLU(max_value=1.0)(x)])
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Reshape((8,))(x)
    model = keras.Model(image, layers.Softmax()(layers.Dense(4)(x)))
    assert twin.twin(model).count_params() == model.count_params()


def test_pruning_reaches_its_sparsity_and_keeps_learning(keras, trained, shipped):
    model = keras.models.clone_model(trained)
    model.set_weights(trained.get_weights())
    train = take(shipped.train, np.arange(2000))
    section = recipe.load(settings=["pruning.sparsity=0.5", "pruning.epochs=2"]).pruning
    losses = prune.prune(model, train, section, batch_size=64, seed=0, reporter=Silent())
    assert prune.sparsity(model) == pytest.approx(0.5, abs=0.01)
    assert losses[-1] < 1.0
    accuracy = (np.asarray(model(shipped.val.x / np.float32(255))).argmax(axis=1) == shipped.val.y).mean()
    assert accuracy > 0.6
    assert prune.sparsity(trained) < 0.01, "the original is not touched"
