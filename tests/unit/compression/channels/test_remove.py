"""Channel pruning: a smaller network that computes what the whole one does with those channels silent."""

import json

import numpy as np
import pytest

from edgekit import recipe, registry, students
from edgekit.compression.channels import graph as channel_graph
from edgekit.compression.channels import remove as channels
from edgekit.compression.channels import scores as channel_scores
from edgekit.compression.channels import stage as channels_stage
from edgekit.data.splits import take
from edgekit.errors import ExportError
from edgekit.frameworks import backend
from edgekit.training import flops
from edgekit.types import Silent

pytestmark = pytest.mark.tf

SHAPES = {"mobilenetv2": (32, 32, 3), "ds_cnn": (49, 10, 1), "resnet8": (32, 32, 3), "rescnn": (16, 16, 1)}


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def lively(model):
    """Give every normalization statistics, scales and shifts that matter."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            n = layer.gamma.shape[0]
            layer.set_weights(
                [rng.uniform(0.5, 1.5, n), rng.normal(0, 0.3, n), rng.normal(0, 0.3, n), rng.uniform(0.5, 1.5, n)]
            )
    return model


def silenced(keras, model, kept):
    """`model` with the other channels zero wherever they come out: of a convolution, a dense layer, a normalization."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    found = channel_graph.trace(model)
    gone = np.concatenate([np.delete(found.label[found.outputs[name]], index) for name, index in kept.items()])
    for layer in copy.layers:
        kind = type(layer).__name__
        if kind in (*channel_graph.MAKERS, "BatchNormalization", "DepthwiseConv2D"):
            stay = ~np.isin(found.label[found.outputs[layer.name]], gone)
            weights = layer.get_weights()
            if kind == "BatchNormalization":
                weights[:2] = [weights[0] * stay, weights[1] * stay]
            elif kind == "DepthwiseConv2D":
                weights[0] = weights[0] * stay[:, None]
            else:
                weights = [value * stay for value in weights]
            layer.set_weights(weights)
    return copy


def images(shape, n=4):
    return np.random.default_rng(1).random((n, *shape), dtype=np.float32)


@pytest.mark.parametrize("name", sorted(name for name, entry in registry.STUDENTS.items() if not entry.from_file))
def test_what_is_left_of_every_student_computes_what_it_did(keras, name):
    """Bit for bit where nothing is removed; else as if the removed channels were silent."""
    shape = SHAPES.get(name, (28, 28, 1))
    model = lively(students.build("students", name, keras, shape, 10, ""))
    x = images(shape)
    same = channels.prune_channels(keras, model, 0.0)
    assert np.array_equal(np.asarray(same(x)), np.asarray(model(x)))
    assert [v.shape for v in same.weights] == [v.shape for v in model.weights]

    # Of a transformer only the hidden layers of its feed-forward blocks can be cut.
    limits = (0.75, 0.75) if name in ("ast_tiny", "passt_tiny") else (0.65, 0.4)
    for residual, most in zip((False, True), limits, strict=True):
        kept = channels.keep(model, 0.5, residual=residual)
        smaller = channels.without(keras, model, kept)
        assert np.asarray(smaller(x)) == pytest.approx(np.asarray(silenced(keras, model, kept)(x)), abs=1e-5)
        assert flops.macs(smaller) < max(most, 0.45 * (name == "conv8")) * flops.macs(model)
        assert smaller.count_params() < most * model.count_params()
        assert smaller.get_layer("logits").output.shape[-1] == 10
        assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]


def other_layers(keras):
    """Everything that the students do not have: attention to channels, concatenation, a layer used twice, a nested model."""
    layers = keras.layers
    image = keras.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(layers.Rescaling(2.0)(image))
    twice = layers.Conv2D(8, 3, padding="same", name="twice")
    x = layers.Activation("relu")(twice(twice(x)))
    gate = layers.Dense(8, activation="sigmoid", name="gate")(layers.GlobalAveragePooling2D()(x))
    x = layers.Multiply()([x, layers.Reshape((1, 1, 8))(gate)])
    y = layers.SeparableConv2D(12, 3, padding="same", depth_multiplier=2, name="separable")(x)
    x = layers.Concatenate()([x, y])
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", name="depthwise")(x)
    x = layers.Conv2DTranspose(8, 2, strides=2, activation="relu", name="transposed")(x)
    x = layers.Conv2D(8, 1, name="mixed")(x)
    grouped = layers.Conv2D(8, 3, padding="same", groups=2, activation="relu", name="grouped")(x)
    inner = keras.Sequential([keras.Input((24, 24, 8)), layers.Conv2D(4, 1, name="inside")], name="inner")
    x = layers.Conv2D(8, 3, strides=4, name="last")(keras.ops.abs(inner(grouped)))
    x = layers.Flatten()(x)
    return keras.Model(image, layers.Dense(5, activation="softmax", name="logits")(x))


def test_other_layers_are_cut_where_they_can_be(keras):
    model = other_layers(keras)
    x = images((12, 12, 3))
    kept = channels.keep(model, 0.5, ranking="l1", residual=True)
    smaller = channels.without(keras, model, kept)
    assert len(channels.keep(model, 0.5)["gate"]) == 8, "a stream, which stays unless it is asked for"
    # the grouped convolution and the nested model hold what they read; the gate goes with what it gates
    assert {name: len(index) for name, index in kept.items()} == {
        "first": 4, "twice": 4, "gate": 4, "separable": 8, "transposed": 4, "mixed": 8, "last": 4, "logits": 5,
    }  # fmt: skip
    assert np.array_equal(kept["gate"], kept["twice"])
    assert np.array_equal(kept["first"], kept["twice"]), "what a layer that is used twice reads and makes is one"
    masked = keras.models.clone_model(model)
    masked.set_weights(model.get_weights())
    for name, index in kept.items():  # relu(0) = 0, and behind the sigmoid of the gate the gated channel is 0
        stay = np.isin(np.arange(model.get_layer(name).output.shape[-1]), index)
        *kernels, bias = masked.get_layer(name).get_weights()
        kernels[-1] = kernels[-1] * (stay[:, None] if name == "transposed" else stay)
        masked.get_layer(name).set_weights([*kernels, bias * stay])
    assert np.asarray(smaller(x)) == pytest.approx(np.asarray(masked(x)), abs=1e-5)


def test_the_channels_with_the_smallest_filters_go_first(keras):
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(8, 3, use_bias=False, name="conv")(image)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    model = keras.Model(image, keras.layers.Dense(2, name="logits")(x))
    size = np.array([5, 1, 7, 2, 8, 3, 4, 6], np.float32)
    model.get_layer("conv").set_weights([np.ones((3, 3, 1, 8), np.float32) * size])
    assert channels.keep(model, 0.5)["conv"].tolist() == [0, 2, 4, 7]
    assert channels.keep(model, 0.6)["conv"].tolist() == [0, 2, 4, 7], "3.2 channels: the nearest multiple of 4"
    assert channels.keep(model, 0.6, multiple=1)["conv"].tolist() == [2, 4, 7]
    assert channels.keep(model, 0.99)["conv"].tolist() == [0, 2, 4, 7], "one block of four stays"
    assert channels.keep(model, 0.5)["logits"].tolist() == [0, 1]


def test_rankings(keras, shipped):
    model = lively(students.build("students", "microresnet", keras, (28, 28, 1), 10, "xs"))
    found = channel_graph.trace(model)
    # a channel without scale and shift is worth nothing
    weights = model.get_layer("stem_bn").get_weights()
    weights[0][3] = weights[1][3] = 0
    model.get_layer("stem_bn").set_weights(weights)
    data = take(shipped.train, np.arange(300))
    for ranking in channel_scores.RANKINGS:
        scores = channel_scores.importance(model, found, ranking, data, 0)
        stem = scores[found.label[found.outputs["stem_conv"]]]
        assert stem[3] == 0 and stem.max() > 0, ranking
    with pytest.raises(ExportError, match="needs data"):
        channels.keep(model, 0.5, ranking="taylor")
    with pytest.raises(ExportError, match="known: l1"):
        channels.keep(model, 0.5, ranking="size")


def test_taylor_is_the_squared_change_of_the_loss_to_first_order(keras):
    """One dense layer y = w2 * relu(w1 x), loss -log softmax: by hand for one sample."""
    x = keras.Input((1, 1, 1))
    hidden = keras.layers.Conv2D(2, 1, use_bias=False, name="conv")(x)
    out = keras.layers.Dense(2, use_bias=False, name="logits")(keras.layers.Flatten()(hidden))
    model = keras.Model(x, keras.layers.Softmax()(out))
    w1, w2 = np.array([[[[0.5, -1.0]]]], np.float32), np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)
    model.get_layer("conv").set_weights([w1])
    model.get_layer("logits").set_weights([w2])
    split = type("One", (), {"x": np.full((1, 1, 1, 1), 255, np.uint8), "y": np.array([0]), "__len__": lambda s: 1})()
    z = np.array([0.5, -2.0])
    p = np.exp(z) / np.exp(z).sum()
    change = np.array([0.5, -1.0]) * (w2 @ (p - [1, 0]))  # activation * dL/d activation
    found = channel_graph.trace(model)
    scores = channel_scores.importance(model, found, "taylor", split, 0)
    assert scores[found.label[found.outputs["conv"]]] == pytest.approx(change**2, rel=1e-4)


def test_what_cannot_be_cut_is_said(keras):
    model = students.build("students", "conv8", keras, (28, 28, 1), 10)
    with pytest.raises(ExportError, match="cannot be cut"):
        channels.without(keras, model, {"logits": np.arange(5)})

    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ExportError, match="neither"):
        channels.keep(Own(name="own"), 0.5)


def test_the_stage_leaves_a_smaller_network_that_was_tuned(keras, trained, shipped, tmp_path):
    trained.save(tmp_path / "model.keras")
    settings = ["pruning.channels=0.5", "pruning.epochs=2", "pruning.learning_rate=0.004", "training.batch_size=128"]
    loaded = recipe.load(settings=settings)
    train = take(shipped.train, np.arange(2000))
    channels_stage.run(
        loaded, train, shipped.val, None, tmp_path / "model.keras", tmp_path, Silent(), spec=shipped.input
    )
    facts = json.loads((tmp_path / "pruning.json").read_text())
    smaller = keras.models.load_model(tmp_path / "student_pruned.keras", compile=False)
    assert facts["sparsity"] == 0
    assert facts["channels"]["stem_conv"] == {"before": 12, "kept": 8}, "6 is half: the nearest multiple of 4, upwards"
    assert facts["params"] == {"before": trained.count_params(), "after": smaller.count_params()}
    assert facts["macs"] == {"before": flops.macs(trained), "after": flops.macs(smaller)}
    right = np.asarray(smaller(shipped.val.x[:].astype(np.float32) / 255)).argmax(1) == shipped.val.y
    assert right.mean() > 0.6
    assert right.mean() == pytest.approx(facts["history"]["val_accuracy"][-1], abs=0.005)
