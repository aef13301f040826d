"""GELU, which tf2onnx does not know, in both of its forms."""

import numpy as np
import pytest

from edgekit.export import onnx, operators, tflite
from edgekit.frameworks import backend
from edgekit.inference import litert, onnxrt

pytestmark = pytest.mark.tf


@pytest.mark.parametrize("approximate", [True, False])
def test_gelu(tmp_path, approximate):
    keras = backend.load("tensorflow")
    image = keras.Input((8,), name="image")
    x = keras.layers.Dense(16)(image)
    x = keras.layers.Activation(lambda value: keras.ops.gelu(value, approximate=approximate))(x)
    model = keras.Model(image, keras.layers.Softmax(name="probabilities")(keras.layers.Dense(4, name="logits")(x)))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    source, target = tmp_path / "m.tflite", tmp_path / "m.onnx"
    source.write_bytes(tflite.convert(model, "float32"))
    assert operators.histogram(source.read_bytes())["GELU"] == 1
    onnx.convert(source, target)
    import onnx as library

    kinds = {node.op_type for node in library.load(target).graph.node}
    assert ("Tanh" in kinds, "Erf" in kinds) == (approximate, not approximate)
    x = rng.normal(0, 2, (64, 8)).astype(np.float32)
    found = onnxrt.probabilities(target, x)
    assert found == pytest.approx(litert.probabilities(source, x), abs=1e-5)
    assert found == pytest.approx(np.asarray(model(x)), abs=1e-5)
