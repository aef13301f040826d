"""Cost of the networks above the size they were made for: parameters and MAC, worked out by hand."""

import pytest

from edgekit import students
from edgekit.frameworks import backend
from edgekit.training import flops

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def cost(keras, table, name, shape):
    model = students.build(table, name, keras, shape, 10)
    return model.count_params(), flops.macs(model)


def test_the_teacher_strides_above_32_pixels(keras):
    # 96: 3x3 at stride 3 gives 32x32; 30x30 after conv_b; 15x15x64 = 14,400 into 128 units.
    convolutions = 3 * 3 * 3 * 32 * 32 * 32 + 30 * 30 * 9 * 32 * 64
    weights = (27 * 32 + 32) + (288 * 64 + 64) + (14_400 * 128 + 128) + (128 * 10 + 10)
    assert cost(keras, "teachers", "cnn32-64", (96, 96, 3)) == (weights, convolutions + 14_400 * 128 + 1280)
    # 32: as before, every pixel of the first convolution
    assert cost(keras, "teachers", "cnn32-64", (32, 32, 3))[1] == (
        30 * 30 * 27 * 32 + 28 * 28 * 288 * 64 + 14 * 14 * 64 * 128 + 1280
    )


@pytest.mark.parametrize("side", [33, 48, 64, 96, 128, 224])
def test_the_teachers_cost_stays_near_that_of_small_images(keras, side):
    assert cost(keras, "teachers", "cnn32-64", (side, side, 3))[1] < 2.5 * 11_992_448


def test_the_default_student_strides_above_48_pixels(keras):
    small = cost(keras, "students", "microresnet", (48, 48, 3))
    assert cost(keras, "students", "microresnet", (96, 96, 3)) == small, "a 3x3 stem at stride 2 gives 48x48 again"
    assert cost(keras, "students", "microresnet", (224, 224, 3))[1] < 1.5 * small[1]
    stem = 28 * 28 * 9 * 12
    stage0 = 14 * 14 * (9 * 12 * 24 + 9 * 24 * 24 + 12 * 24)
    stage1 = 7 * 7 * (9 * 24 * 40 + 9 * 40 * 40 + 24 * 40)
    assert cost(keras, "students", "microresnet", (28, 28, 1))[1] == stem + stage0 + stage1 + 400
