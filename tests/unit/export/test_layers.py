import numpy as np
import pytest

from edgekit.errors import DataError
from edgekit.export import layers, tflite
from edgekit.export.layers import LayerError
from edgekit.frameworks import backend
from edgekit.inference import litert

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def one_layer(tmp_path_factory):
    """A Dense layer on two values, as float32 and int8, with the samples that it was calibrated on."""
    keras = backend.load("tensorflow")
    image = keras.Input((1, 2, 1), name="image")
    model = keras.Model(image, keras.layers.Dense(3, name="only")(keras.layers.Flatten()(image)))
    kernel = np.array([[1.0, -2.0, 0.5], [0.25, 1.5, -1.0]], np.float32)
    model.get_layer("only").set_weights([kernel, np.array([0.1, 0.0, -0.2], np.float32)])
    x = np.random.default_rng(0).random((40, 1, 2, 1), dtype=np.float32)
    folder = tmp_path_factory.mktemp("one")
    paths = []
    for precision in ("float32", "int8"):
        paths.append(folder / f"{precision}.tflite")
        paths[-1].write_bytes(tflite.convert(model, precision, calibration=x))
    return (*paths, x, x.reshape(40, 2) @ kernel + [0.1, 0.0, -0.2])


def test_the_error_of_one_layer_is_that_of_its_outputs(one_layer):
    exact, quantized, x, real = one_layer
    found = litert.probabilities(quantized, x)  # real values of the outputs
    error = ((real - found) ** 2).sum()
    rows = layers.errors_by_layer(exact, quantized, x)
    dense = next(row for row in rows if row.operator == "FULLY_CONNECTED")
    assert dense.snr_db == pytest.approx(10 * np.log10((real**2).sum() / error), abs=0.05)
    expected = (real * found).sum() / np.sqrt((real**2).sum() * (found**2).sum())
    assert dense.cosine == pytest.approx(expected, abs=1e-6)
    (output,) = litert.describe(quantized)[1]
    assert (dense.scale, dense.zero_point) == (pytest.approx(output.scale), output.zero_point)
    assert dense.row().keys() == {"operator", "name", "snr_db", "cosine", "scale", "zero_point", "added_noise"}


def test_few_samples_and_other_networks_are_refused(one_layer, files):
    exact, quantized, x, _ = one_layer
    with pytest.raises(DataError, match="32 samples or more; found 31"):
        layers.errors_by_layer(exact, quantized, x[:31])


def test_every_operator_is_in_the_report_worst_first(files, shipped):
    rows = layers.errors_by_layer(files["float32"], files["int8"], shipped.val.x[:32])
    assert [row.snr_db for row in rows] == sorted(row.snr_db for row in rows)
    assert sum(row.operator == "CONV_2D" for row in rows) >= 5
    assert all(row.cosine > 0.9 for row in rows)


def row(name, operator, noise, added, scale=0.1):
    return LayerError(operator=operator, name=name, snr_db=0.0, cosine=1.0, scale=scale, zero_point=0, noise=noise,
                      added=added)  # fmt: skip


def test_the_worst_layers_are_those_that_add_most():
    rows = [
        row("late", "CONV_2D", 0.5, 0.01),
        row("early", "CONV_2D", 0.3, 0.3),
        row("pool", "MAX_POOL_2D", 0.3, 0.0),
        row("shape", "RESHAPE", 0.4, 0.4),
        row("in float", "CONV_2D", 0.4, 0.2, scale=0.0),
    ]
    assert layers.worst_layers(rows) == ["early", "late"]
