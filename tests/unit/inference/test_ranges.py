"""Which range of pixel values a file is fed: what its input tensor shows, never a guess."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.commands import edgekit

from edgekit.errors import DataError, UnknownName
from edgekit.inference.standalone import range_of
from edgekit.types import TensorSpec


def takes(dtype, low=0.0, high=0.0):
    """A file whose input holds real values from `low` to `high`; of no scale if both are 0."""
    limits = np.iinfo(dtype) if np.issubdtype(dtype, np.integer) else None
    scale = (high - low) / (limits.max - limits.min) if limits else 0.0
    zero = round(limits.min - low / scale) if scale else 0
    spec = TensorSpec(name="x", dtype=np.dtype(dtype).name, shape=(1, 8, 8, 3), scale=scale, zero_point=zero)
    return SimpleNamespace(path=Path("m.tflite"), inputs=(spec,))


@pytest.mark.parametrize(
    ("low", "high", "right"),
    [
        (0, 1, "0-1"),
        (0, 0.6, "0-1"),  # calibrated on dark images
        (0, 0.2, "0-1"),  # and on very dark ones
        (0, 2.5, "0-1"),  # with room beyond
        (0, 255, "0-255"),
        (0, 150, "0-255"),
        (0, 20, "0-255"),
        (-1, 1, "signed"),
        (-1, 0.5, "signed"),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_both_ends_of_a_quantized_input_tell_its_range(dtype, low, high, right):
    file = takes(dtype, low, high)
    assert range_of(file, right) == right
    for wrong in {"0-1", "0-255", "signed"} - {right}:
        with pytest.raises(DataError, match=rf"from .* passed as {wrong}: use --input-range {right}\."):
            range_of(file, wrong)


@pytest.mark.parametrize("asked", ["0-1", "0-255", "signed"])
def test_pixels_normalized_by_mean_and_deviation_are_refused(asked):
    with pytest.raises(DataError, match=r"quantized for inputs from -2\.13 to 2\.63.*no range that edgekit can feed"):
        range_of(takes(np.int8, -2.12, 2.64), asked)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_integers_without_a_scale_take_the_pixels_themselves(dtype):
    assert range_of(takes(dtype), "0-1") == range_of(takes(dtype), "0-255") == "0-255"
    with pytest.raises(DataError, match="without a scale"):
        range_of(takes(dtype), "signed")


def test_what_cannot_be_told_is_refused():
    with pytest.raises(DataError, match="int8 values without a scale"):
        range_of(takes(np.int8), "0-1")
    with pytest.raises(UnknownName, match="Unknown input range '255'"):
        range_of(takes(np.float32), "255")
    assert range_of(takes(np.float32), "signed") == "signed"


@pytest.mark.tf
@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected")
def test_every_command_that_feeds_pixels_looks(tmp_path):
    """Files of other people: one calibrated on raw pixels, one whose uint8 input has no scale."""
    import tensorflow as tf

    rng, y = np.random.default_rng(0), np.arange(60) % 3
    x = np.clip((30 + 95 * y)[:, None, None, None] + rng.integers(-15, 16, (60, 8, 8, 3)), 0, 255).astype(np.uint8)
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    np.savez(tmp_path / "p.npz", x=x)
    centers = tf.constant([30.0, 125.0, 220.0])

    def network(pixels):
        return tf.nn.softmax(-tf.abs(tf.reduce_mean(pixels, axis=[1, 2, 3])[:, None] - centers) / 10)

    def save(function, dtype, name, calibrated, side=8):
        spec = tf.TensorSpec([1, side, side, 3], dtype)
        concrete = tf.function(function, autograph=False).get_concrete_function(spec)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        if calibrated:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([image[None].astype(np.float32)] for image in x)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.uint8
        (tmp_path / name).write_bytes(converter.convert())
        return tmp_path / name

    raw = save(network, tf.float32, "raw.tflite", True)
    plain = save(lambda pixels: network(tf.cast(pixels, tf.float32)), tf.uint8, "plain.tflite", False)
    resized = save(lambda pixels: network(pixels * 255), tf.float32, "open.tflite", False, None)
    done = edgekit("evaluate", resized, "--data", tmp_path / "d.npz")
    assert "accuracy          1.0000" in done.stdout, "of any height and width: " + done.stderr
    for command in (
        ("predict", raw, tmp_path / "p.npz"),
        ("evaluate", raw, "--data", tmp_path / "d.npz"),
        ("bench", raw, "--data", tmp_path / "d.npz"),
        ("export", raw, "--bundle", "pi", "--data", tmp_path / "d.npz", "--out", tmp_path / "b"),
    ):
        refused = edgekit(*command)
        assert refused.returncode == 4 and "use --input-range 0-255" in refused.stderr, command
    for file, options in ((raw, ("--input-range", "0-255")), (plain, ())):
        done = edgekit("predict", file, tmp_path / "p.npz", *options)
        assert done.returncode == 0, done.stderr
        assert "pixels from 0 to 255" in done.stderr
        assert [int(line.split(",")[1]) for line in done.stdout.split()[1:]] == y.tolist()
        done = edgekit("evaluate", file, "--data", tmp_path / "d.npz", *options)
        assert "accuracy          1.0000" in done.stdout, done.stderr
