"""Each network's convolutions against the MLPerf Tiny files', its size, its widths, and the smallest image it takes."""

import numpy as np
import pytest

from edgekit import registry, students
from edgekit.errors import DataError, RecipeError
from edgekit.frameworks import backend
from edgekit.training import flops

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def products(model):
    """(kind, kernel shape, output shape) of each layer with a kernel, in the order of computation."""
    return [
        (type(layer).__name__, tuple(layer.kernel.shape), tuple(layer.output.shape[1:]))
        for layer in model.layers
        if hasattr(layer, "kernel")
    ]


def folded(model):
    """Parameters of the converted file: kernels, and one bias for each output channel."""
    return sum(int(np.prod(kernel)) + output[-1] for _, kernel, output in products(model))


def test_resnet8_is_mlperf_tinys(keras):
    """Filters (out, h, w, in) and outputs of the operators of pretrainedResnet_quant.tflite, 98,496 bytes."""
    published = {
        ((16, 3, 3, 3), (32, 32, 16)): 1,
        ((16, 3, 3, 16), (32, 32, 16)): 2,
        ((32, 3, 3, 16), (16, 16, 32)): 1,
        ((32, 3, 3, 32), (16, 16, 32)): 1,
        ((32, 1, 1, 16), (16, 16, 32)): 1,
        ((64, 3, 3, 32), (8, 8, 64)): 1,
        ((64, 3, 3, 64), (8, 8, 64)): 1,
        ((64, 1, 1, 32), (8, 8, 64)): 1,
        ((10, 64), (10,)): 1,
    }
    model = students.build("students", "resnet8", keras, (32, 32, 3), 10)
    ours: dict = {}
    for _, kernel, output in products(model):
        key = ((kernel[-1], *kernel[:-1]), output)
        ours[key] = ours.get(key, 0) + 1
    assert ours == published
    assert flops.macs(model) == 12_501_632
    assert folded(model) == 77_706
    assert sum(type(layer).__name__ == "Add" for layer in model.layers) == 3


def test_ds_cnn_is_mlperf_tinys(keras):
    """Filters and outputs of kws_ref_model_float32.tflite: a 10x4 stem at stride 2, four depthwise blocks, 12 classes."""
    model = students.build("students", "ds_cnn", keras, (49, 10, 1), 12)
    block = [("DepthwiseConv2D", (3, 3, 64, 1), (25, 5, 64)), ("Conv2D", (1, 1, 64, 64), (25, 5, 64))]
    stem = ("Conv2D", (10, 4, 1, 64), (25, 5, 64))
    assert products(model) == [stem, *block * 4, ("Dense", (64, 12), (12,))]
    assert flops.macs(model) == 2_656_768
    assert folded(model) == 22_604


def test_ds_cnn_takes_images(keras):
    first = products(students.build("students", "ds_cnn", keras, (28, 28, 1), 10))[0]
    assert first == ("Conv2D", (5, 5, 1, 64), (14, 14, 64))
    assert products(students.build("students", "ds_cnn", keras, (224, 224, 3), 10))[0][2] == (32, 32, 64)


def test_rescnn_has_the_light_cnn_studys_size(keras):
    """25.08 MB as float32; most of a .tflite are its parameters."""
    model = students.build("students", "rescnn", keras, (28, 28, 1), 10)
    assert 25.0 < 4 * folded(model) / 1024**2 < 25.2
    assert flops.macs(model) < 40e6
    small = 0.2e6 * 784  # convolutions with more than 200,000 weights stay off the large images
    assert all(np.prod(kernel) * np.prod(output[:-1]) < small for _, kernel, output in products(model))
    assert flops.macs(students.build("students", "rescnn", keras, (96, 96, 3), 10)) < 2 * flops.macs(model)


@pytest.mark.parametrize(
    ("width", "filters", "last"),
    [("025", 8, 320), ("035", 16, 448), ("050", 16, 640), ("035-1280", 16, 1280), ("050-1280", 16, 1280)],
)
def test_mobilenetv2_scales_by_width(keras, width, filters, last):
    """32 and 1,280 times the width, to the nearest multiple of 8 that is not below nine tenths of it."""
    model = students.build("students", "mobilenetv2", keras, (96, 96, 3), 10, width)
    found = {layer.name: layer for layer in model.layers}
    assert found["stem_conv"].output.shape[1:] == (48, 48, filters)
    assert found["last_conv"].output.shape[1:] == (3, 3, last)
    assert sum(name.endswith("_dw_depthwise") for name in found) == 17, "1 + 2 + 3 + 4 + 3 + 3 + 1 blocks of table 2"
    assert sum(name.endswith("_add") for name in found) == 10
    limits = {layer.max_value for layer in model.layers if type(layer).__name__ == "ReLU"}
    assert limits == {6.0}


def test_one_inverted_residual_by_hand(keras):
    """Stage 1 at width 050: 8 channels at 48x48, expanded 6 times, 3x3 depthwise at stride 2, projected to 16."""
    model = students.build("students", "mobilenetv2", keras, (96, 96, 3), 10, "050")
    macs = {row.name: row.macs for row in flops.ledger(model)}
    assert macs["stage1_0_expand_conv"] == 48 * 48 * 8 * 48
    assert macs["stage1_0_dw_depthwise"] == 24 * 24 * 9 * 48
    assert macs["stage1_0_project_conv"] == 24 * 24 * 48 * 16
    assert "stage1_0_add" not in macs and "stage1_1_add" in macs


def test_widths_are_passed_where_there_are_some(keras):
    first, *others = registry.STUDENTS["microresnet"].widths
    sizes = {
        width: students.build("students", "microresnet", keras, (28, 28, 1), 10, width).count_params()
        for width in ("", first, *others)
    }
    assert sizes[""] == sizes[first]
    assert len(set(sizes.values())) == 1 + len(others)
    with pytest.raises(RecipeError, match="'microresnet' has no width 'xl'"):
        students.build("students", "microresnet", keras, (28, 28, 1), 10, "xl")
    with pytest.raises(RecipeError, match="it has none"):
        students.build("students", "conv8", keras, (28, 28, 1), 10, "s")


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("rescnn", 15),
        ("mobilenetv2", 31),
        ("resnet8", 3),
        ("ds_cnn", 3),
        ("conv8", 2),
        ("audio_cnn", 3),
        ("ast_tiny", 7),
        ("passt_tiny", 7),
    ],
)
def test_too_small_images_are_a_clear_error(keras, name, side):
    with pytest.raises(DataError, match=f"Images of {side}x40 do not fit '{name}'"):
        students.build("students", name, keras, (side, 40, 1), 10)


@pytest.mark.parametrize("name", sorted(name for name, entry in registry.STUDENTS.items() if not entry.from_file))
def test_every_student_ends_in_logits_and_softmax(keras, name):
    model = students.build("students", name, keras, (40, 33, 3), 7)
    assert [type(layer).__name__ for layer in model.layers[-2:]] == ["Dense", "Softmax"]
    assert model.layers[-2].name == "logits"
    rows = np.asarray(model(np.random.default_rng(0).random((2, 40, 33, 3), dtype=np.float32)))
    assert rows.shape == (2, 7)
    assert rows.sum(axis=1) == pytest.approx(1, abs=1e-5)
