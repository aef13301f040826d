import numpy as np
import pytest

from edgekit.compression.twin.twin import copy_weights, tolerance, twin
from edgekit.errors import ExportError
from edgekit.frameworks import backend, tf

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def difference(model, copy, shape, scale=1.0):
    x = np.random.default_rng(1).random((4, *shape), dtype=np.float32) * np.float32(scale)
    ours, theirs = np.asarray(copy(x, training=False)), np.asarray(model(x, training=False))
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def lively(model, seed=0):
    """Batch statistics that are not 0 and 1: with those, a deep random network gives the same for every image."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            arrays = layer.get_weights()
            arrays[-2] = rng.normal(0, 0.1, arrays[-2].shape)
            arrays[-1] = rng.uniform(0.05, 0.2, arrays[-1].shape)
            layer.set_weights(arrays)
    return model


def test_the_twin_computes_the_same_and_is_tf_keras(trained, shipped):
    copy = twin(trained)
    assert type(copy).__module__.startswith("tf_keras")
    x = shipped.val.x[:32] / np.float32(255)
    assert np.abs(np.asarray(trained(x, training=False)) - np.asarray(copy(x, training=False))).max() <= 1e-5
    assert [layer.name for layer in copy.layers if layer.weights] == [
        each.name for each in trained.layers if each.weights
    ]


def test_all_layers_without_a_twin_are_named_with_the_reason(keras):
    @keras.saving.register_keras_serializable("test")
    class Mine(keras.layers.Layer):
        def call(self, x):
            return x

    image = keras.Input((8, 8, 1))
    x = Mine(name="mine")(image)
    x = keras.layers.Lambda(lambda x: x * 2, name="doubled")(x)
    x = keras.layers.MultiHeadAttention(1, 2, name="looking")(x, x)
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    with pytest.raises(ExportError) as refused:
        twin(model)
    message = str(refused.value)
    assert message.startswith("3 layer(s)")
    assert "'mine' (Mine): a custom class" in message
    assert "'doubled' (Lambda): a Python function" in message
    assert "'looking' (MultiHeadAttention): not among the layers" in message


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
    x = layers.Permute((2, 1, 3))(layers.UpSampling2D(2)(x))
    x = layers.SeparableConv2D(6, 3, activation="silu")(x)
    x = layers.Average()([layers.PReLU(shared_axes=(1, 2))(x), layers.ELU()(x), layers.LeakyReLU(0.1)(x)])
    x = layers.Subtract()([layers.Maximum()([x, layers.GaussianNoise(0.1)(x)]), layers.LayerNormalization()(x)])
    x = layers.GlobalAveragePooling2D(keepdims=True)(layers.SpatialDropout2D(0.5)(x))
    x = layers.Reshape((6,))(x)
    model = keras.Model(image, layers.Softmax()(layers.Dense(4)(x)))
    copy = twin(model)
    assert copy.count_params() == model.count_params()
    assert difference(model, copy, (12, 12, 3)) <= 1e-5


@pytest.mark.parametrize("name", ["hard_sigmoid", "hard_silu", "silu", "leaky_relu", "gelu", "softmax"])
def test_activations_that_changed_between_the_kerases_compute_what_keras_3_does(keras, name):
    image = keras.Input((4, 4, 2))
    x = keras.layers.Conv2D(3, 3, activation=name, name="conv")(image)
    x = keras.layers.Activation(name)(keras.layers.Dense(4, kernel_initializer="he_normal")(x))
    model = keras.Model(image, x)
    copy = twin(model)
    assert difference(model, copy, (4, 4, 2), scale=9.0) <= 1e-5


def test_convolutions_along_one_axis(keras):
    signal = keras.Input((20, 2))
    x = keras.layers.MaxPooling1D(2)(keras.layers.Conv1D(4, 3, padding="same", activation="relu")(signal))
    model = keras.Model(signal, keras.layers.GlobalAveragePooling1D()(keras.layers.ZeroPadding1D(1)(x)))
    assert difference(model, twin(model), (20, 2)) <= 1e-5


def nested(module):
    """A Sequential inside a functional model, used twice, with names that meet, and preprocessing of two kinds."""
    layers = module.layers
    body = module.Sequential([module.Input((8, 8, 3)), layers.Conv2D(3, 3, padding="same", name="conv")], name="body")
    image = module.Input((10, 12, 3))
    x = layers.Resizing(8, 8)(image)
    x = layers.Rescaling(1 / 127.5, offset=-1)(layers.RandomFlip("horizontal")(x))
    normal = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 4.0, 9.0])
    x = body(body(normal(x)))
    x = layers.Conv2D(4, 3, name="conv")(layers.CenterCrop(6, 6)(x))
    x = layers.Flatten()(layers.ReLU()(x))
    return module.Model(image, layers.Dense(2, activation="softmax", name="last")(x), name="whole")


def test_nested_shared_and_preprocessing_models_become_flat_with_unique_names(keras):
    model = nested(keras)
    copy = twin(model)
    assert difference(model, copy, (10, 12, 3), scale=255.0) <= 1e-5
    names = [layer.name for layer in copy.layers]
    assert len(set(names)) == len(names)
    assert {"conv", "conv_2"} <= set(names) or {"conv", "body_conv"} <= set(names)
    assert not any("Random" in type(layer).__name__ or hasattr(layer, "layers") for layer in copy.layers)


def test_weights_go_back_into_nested_models(keras):
    model = nested(keras)
    copy = twin(model)
    for layer in copy.layers:
        layer.set_weights([array * 2 for array in layer.get_weights()])
    copy_weights(copy, model)
    assert difference(model, copy, (10, 12, 3), scale=255.0) <= 1e-5


def test_sequential_and_operators_between_layers(keras):
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Conv2D(2, 3, activation="relu"), keras.layers.Flatten()]
    )
    assert difference(model, twin(model), (6, 6, 1)) <= 1e-5
    image = keras.Input((6, 6, 2))
    x = image / 127.5 - 1.0
    x = (3.0 - x) * keras.layers.Conv2D(2, 1)(x) + x
    model = keras.Model(image, keras.ops.relu(x))
    assert difference(model, twin(model), (6, 6, 2), scale=255.0) <= 1e-5


def test_a_model_of_tf_keras_gives_a_flat_copy():
    keras2 = tf.tf_keras()
    model = nested(keras2)
    copy = twin(model)
    assert copy is not model
    assert difference(model, copy, (10, 12, 3), scale=255.0) <= 1e-5
    assert not any(hasattr(layer, "layers") for layer in copy.layers)
    hard = keras2.Sequential([keras2.layers.Input((3,)), keras2.layers.Dense(4, activation="hard_sigmoid")])
    assert difference(hard, twin(hard), (3,), scale=9.0) <= 1e-5


def test_a_subclassed_model_is_refused(keras):
    class Written(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ExportError, match=r"\(Written\) is neither functional"):
        twin(Written())


@pytest.mark.parametrize("name", ["MobileNetV2", "ResNet50", "DenseNet121"])
def test_keras_applications_have_twins(keras, name):
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(64, 64, 3), classes=10, classifier_activation=None
    )
    lively(model)
    copy = twin(model)
    assert tolerance(model) <= 1e-4
    assert difference(model, copy, (64, 64, 3)) <= 1e-4
