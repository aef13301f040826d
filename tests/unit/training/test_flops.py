"""The ledger against sums worked out by hand, the IQR study's two networks, and TensorFlow's own profiler."""

import pytest

from edgekit import students
from edgekit.errors import DataError
from edgekit.frameworks import backend
from edgekit.training import flops

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def rows(model):
    return {row.name: (row.macs, row.params) for row in flops.ledger(model)}


def test_rows_of_the_iqr_studys_student(keras):
    model = students.build("students", "conv8", keras, (28, 28, 1), 10)
    assert [(r.name, r.kind, r.macs, r.params) for r in flops.ledger(model) if r.params] == [
        ("conv", "Conv2D", 26 * 26 * 9 * 8, 80),
        ("dense", "Dense", 1352 * 16, 1352 * 16 + 16),
        ("logits", "Dense", 160, 170),
    ]
    assert flops.macs(model) == 70_464
    assert sum(r.params for r in flops.ledger(model)) == 21_898


def test_rows_of_the_iqr_studys_teacher(keras):
    model = students.build("teachers", "cnn32-64", keras, (28, 28, 1), 10)
    assert flops.macs(model) == 11_992_448
    assert flops.train_flops(model, 3) == 6 * (3 * 11_992_448 - 26 * 26 * 9 * 32)


def test_every_kind_of_convolution(keras):
    layers = keras.layers
    image = keras.Input((12, 10, 4))
    x = layers.Conv2D(8, (3, 2), groups=2, name="grouped")(image)  # 10x9, 2 input channels for each filter
    x = layers.Conv2D(6, 3, strides=2, dilation_rate=1, padding="same", name="strided")(x)  # 5x5
    x = layers.Conv2D(6, 2, dilation_rate=2, name="dilated")(x)  # 3x3
    x = layers.DepthwiseConv2D(2, depth_multiplier=2, name="depthwise")(x)  # 2x2x12
    x = layers.SeparableConv2D(5, 2, padding="same", name="separable")(x)  # 2x2x5
    x = layers.Conv2DTranspose(3, 3, strides=2, name="transposed")(x)  # 4 positions in
    x = layers.Reshape((-1, 3))(x)
    x = layers.Conv1D(7, 5, padding="same", name="line")(x)
    model = keras.Model(image, x)
    found = rows(model)
    assert found["grouped"][0] == 10 * 9 * 3 * 2 * 2 * 8
    assert found["strided"][0] == 5 * 5 * 9 * 8 * 6
    assert found["dilated"][0] == 3 * 3 * 4 * 6 * 6
    assert found["depthwise"][0] == 2 * 2 * 4 * 12
    assert found["separable"][0] == 2 * 2 * (4 * 12 + 12 * 5)
    assert found["transposed"][0] == 2 * 2 * 9 * 5 * 3
    assert found["line"][0] == 5 * 5 * 5 * 3 * 7  # 2x2 at stride 2 with a kernel of 3 gives 5x5
    assert flops.uncounted(model) == []


def test_a_transformer_layer(keras):
    """N = 16 tokens of d = 32: attention 4Nd^2 + 2N^2d, two dense layers of 4d over every token, 8Nd^2."""
    n, d = 16, 32
    tokens = keras.Input((n, d))
    attended = keras.layers.MultiHeadAttention(4, d // 4, name="attention")(tokens, tokens)
    x = keras.layers.LayerNormalization(name="norm")(keras.layers.Add()([tokens, attended]))
    hidden = keras.layers.Dense(4 * d, activation="gelu", name="wide")(x)
    model = keras.Model(tokens, keras.layers.EinsumDense("bnh,hd->bnd", (n, d), name="narrow")(hidden))
    found = rows(model)
    assert found["attention"] == (4 * n * d * d + 2 * n * n * d, 4 * (d * d + d))
    assert found["wide"][0] == found["narrow"][0] == 4 * n * d * d
    assert found["norm"][0] == 0
    assert flops.macs(model) == 12 * n * d * d + 2 * n * n * d
    assert flops.uncounted(model) == []


def test_cross_attention_to_longer_values(keras):
    query, value = keras.Input((3, 8)), keras.Input((5, 6))
    model = keras.Model([query, value], keras.layers.MultiHeadAttention(2, 4, value_dim=3, name="a")(query, value))
    projections = 3 * 8 * 8 + 5 * 6 * 8 + 5 * 6 * 6 + 3 * 6 * 8
    assert rows(model)["a"][0] == projections + 2 * 3 * 5 * (4 + 3)


def test_recurrent_layers_and_products_of_two_tensors(keras):
    steps = keras.Input((7, 4))
    lstm = keras.layers.LSTM(5, return_sequences=True, name="lstm")(steps)
    model = keras.Model(steps, keras.ops.matmul(lstm, keras.ops.transpose(lstm, (0, 2, 1))))
    assert flops.macs(model) == 7 * (4 * 20 + 5 * 20) + 7 * 7 * 5
    # the LSTM reads the input: no input gradient; the product has one for each of its two tensors
    assert flops.train_flops(model, 1) == 2 * (2 * 7 * 180 + 3 * 245)


def test_nested_models_of_open_size_and_frozen_parts(keras):
    inner_image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", strides=2, name="a")(inner_image)
    inner = keras.Model(inner_image, keras.layers.Conv2D(2, 1, name="b")(x), name="inner")
    image = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(inner(keras.layers.Rescaling(2.0)(image)))
    model = keras.Model(image, keras.layers.Dense(5, name="head")(x))
    a, b, head = 16 * 27 * 4, 16 * 4 * 2, 10
    assert rows(model)["inner/a"] == (a, 27 * 4 + 4)
    assert flops.macs(model) == a + b + head
    assert flops.train_flops(model, 1) == 2 * (2 * a + 3 * b + 3 * head)
    inner.trainable = False
    assert flops.train_flops(model, 1) == 2 * (a + b + 2 * head)
    with pytest.raises(DataError, match="undefined shape"):
        flops.macs(inner)


def test_a_layer_that_is_used_twice_counts_twice(keras):
    shared = keras.layers.Dense(3, name="shared")
    x = keras.Input((3,))
    model = keras.Model(x, shared(shared(x)))
    assert [(r.macs, r.params) for r in flops.ledger(model) if r.name == "shared"] == [(9, 12), (9, 0)]


def test_sequential_models_count_and_unknown_layers_are_named(keras):
    class Own(keras.layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 2), name="kernel")

        def call(self, x):
            return keras.ops.matmul(x, self.kernel)

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), Own(name="own")])
    assert flops.macs(model) == 12
    assert flops.uncounted(model) == ["own"]


@pytest.mark.parametrize(("name", "shape"), [("conv8", (28, 28, 1)), ("microresnet", (28, 28, 1))])
def test_tensorflows_profiler_counts_the_same_products(keras, name, shape):
    """docs/methods.md, "FLOPs": 2 FLOP for each MAC, of the graph at a batch of one."""
    import tensorflow as tf
    from tensorflow.python.profiler import model_analyzer
    from tensorflow.python.profiler.option_builder import ProfileOptionBuilder

    model = students.build("students", name, keras, shape, 10)
    graph = tf.function(model, [tf.TensorSpec((1, *shape))]).get_concrete_function().graph
    options = ProfileOptionBuilder(ProfileOptionBuilder.float_operation()).with_empty_output().build()
    node, counted = model_analyzer.profile(graph, cmd="op", options=options), 0
    while node.children:
        node = node.children[0]
        counted += node.float_ops if node.name in ("Conv2D", "MatMul", "DepthwiseConv2dNative") else 0
    assert counted == 2 * flops.macs(model)
