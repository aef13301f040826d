import numpy as np
import pytest
from tests.conftest import RecordingReporter

from edgekit import recipe
from edgekit.compression import prune
from edgekit.compression.finetune import Schedule, finetune
from edgekit.data.splits import take
from edgekit.errors import RecipeError, TrainingError, UnknownName
from edgekit.frameworks import backend, tf
from edgekit.types import Silent

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


@pytest.fixture(scope="module")
def few(shipped):
    return take(shipped.train, np.arange(256))


def small(module):
    """A convolution of 8 filters, one of 16, a depthwise one, and two dense layers."""
    layers = module.layers
    image = module.Input((28, 28, 1))
    x = layers.Conv2D(8, 5, strides=4, activation="relu", name="first")(image)
    x = layers.Conv2D(16, 3, activation="relu", name="second")(x)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.Dense(20, activation="relu", name="hidden")(layers.GlobalAveragePooling2D()(x))
    return module.Model(image, layers.Softmax()(layers.Dense(10, name="logits")(x)))


def section(**values):
    settings = {"sparsity": 0.5, "epochs": 3} | values
    return recipe.PruningSection(**settings)


def run(model, train, **values):
    prune.prune(model, train, section(**values), batch_size=32, seed=0, reporter=Silent())
    return {
        name: layer.get_weights()[0] for name, layer in ((each.name, each) for each in model.layers) if layer.weights
    }


def test_the_twins_training_is_traced_once(few, monkeypatch):
    traced = []
    keras2 = tf.tf_keras()
    step = keras2.Model.train_step
    monkeypatch.setattr(keras2.Model, "train_step", lambda model, data: (traced.append(model), step(model, data))[1])
    schedule = Schedule(epochs=2, learning_rate=1e-3, batch_size=32, seed=0, cosine=True)
    finetune(small(keras2), few, schedule, reporter=Silent(), what="Pruning", setting="pruning.learning_rate")
    assert len(traced) == 1


def test_pruning_reaches_its_sparsity_and_keeps_learning(keras, trained, shipped):
    model = keras.models.clone_model(trained)
    model.set_weights(trained.get_weights())
    train = take(shipped.train, np.arange(2000))
    losses = prune.prune(model, train, section(epochs=2), batch_size=64, seed=0, reporter=Silent())
    assert prune.sparsity(model) == pytest.approx(0.5, abs=0.01)
    assert losses[-1] < 1.0
    accuracy = (np.asarray(model(shipped.val.x / np.float32(255))).argmax(axis=1) == shipped.val.y).mean()
    assert accuracy > 0.6
    assert prune.sparsity(trained) < 0.01, "the original is not touched"


def test_a_layer_of_its_own_sparsity_and_one_left_alone(keras, few):
    model = small(keras)
    kernels = run(model, few, schedule="constant", layers={"hidden": 0.8, "logits": 0.0})
    zeros = {name: float((kernel == 0).mean()) for name, kernel in kernels.items()}
    assert zeros == pytest.approx({"first": 0.5, "second": 0.5, "depthwise": 0, "hidden": 0.8, "logits": 0}, abs=0.01)
    found = prune.layer_sparsity(model)
    assert found == pytest.approx({name: zeros[name] for name in ("first", "second", "hidden", "logits")})


def test_two_of_four_along_the_input_channels(keras, few):
    kernels = run(small(keras), few, pattern="2:4")
    second = np.moveaxis(kernels["second"], 2, -1).reshape(-1, 2, 4)  # 8 input channels: two groups of four
    assert (np.count_nonzero(second, axis=-1) <= 2).all()
    hidden = kernels["hidden"].T.reshape(20, 4, 4)
    assert (np.count_nonzero(hidden, axis=-1) <= 2).all()
    assert (kernels["second"] == 0).mean() == pytest.approx(0.5)
    assert not (kernels["first"] == 0).any(), "one input channel has no group to prune"


def test_blocks_of_dense_kernels_and_single_weights_of_convolutions(keras, few):
    reporter = RecordingReporter()
    model = small(keras)
    prune.prune(model, few, section(pattern="2x4"), batch_size=32, seed=0, reporter=reporter)
    hidden = model.get_layer("hidden").get_weights()[0].reshape(8, 2, 5, 4)
    empty = ~hidden.any(axis=(1, 3))
    assert empty.mean() == pytest.approx(0.5, abs=0.03)
    assert (hidden == 0).mean() == pytest.approx(empty.mean(), abs=0.01), "zeros come in whole blocks"
    assert reporter.notes == [
        "blocks are for dense kernels: 2 convolution(s) are pruned in single weights (first, second)"
    ]


def test_a_model_of_tf_keras_is_pruned_too(few):
    kernels = run(small(tf.tf_keras()), few)
    assert (kernels["second"] == 0).mean() == pytest.approx(0.5, abs=0.01)


def test_unknown_layers_are_refused_with_the_closest_name(keras, few):
    with pytest.raises(UnknownName, match=r"'seconds'. Did you mean 'second'\?"):
        run(small(keras), few, layers={"seconds": 0.1})
    with pytest.raises(UnknownName, match="'depthwise'"):
        run(small(keras), few, layers={"depthwise": 0.5})
    with pytest.raises(RecipeError, match=r"pattern 2:4 allows only 0\.5"):
        run(small(keras), few, pattern="2:4", layers={"second": 0.25})


def test_training_that_goes_astray_is_an_error_and_no_model(keras, few):
    with pytest.raises(TrainingError, match=r"lower pruning\.learning_rate|zeros instead of 50\.0%"):
        run(small(keras), few, learning_rate=1e30)
