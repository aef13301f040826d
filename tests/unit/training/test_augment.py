import numpy as np
import pytest

from edgekit.training import augment


def test_auto_mirrors_only_where_labels_survive_it():
    assert augment.resolve("auto", mirrored=True) == "shift-flip"
    assert augment.resolve("auto", mirrored=False) == "shift"
    assert augment.resolve("none", mirrored=True) == "none"


@pytest.mark.parametrize("name", ["none", "shift", "shift-flip"])
def test_shape_and_dtype_stay(name):
    x = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), dtype=np.uint8)
    out = augment.augmentation(name)(x, np.random.default_rng(1))
    assert out.shape == x.shape
    assert out.dtype == x.dtype


def test_every_result_is_a_shift_or_mirrored_shift_of_the_image():
    x = np.random.default_rng(0).integers(0, 256, (200, 28, 28, 1), dtype=np.uint8)
    out = augment.augmentation("shift-flip")(x, np.random.default_rng(1))
    seen = set()
    for image, result in zip(x[..., 0], out[..., 0], strict=True):
        inner = result[2:-2, 2:-2]
        found = [
            (dy, dx, flip)
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
            for flip in (False, True)
            if np.array_equal(np.roll((image[:, ::-1] if flip else image), (dy, dx), (0, 1))[2:-2, 2:-2], inner)
        ]
        assert len(found) == 1
        seen |= set(found)
    assert len(seen) == 18


def test_the_same_seed_gives_the_same_images():
    x = np.random.default_rng(0).integers(0, 256, (9, 28, 28, 3), dtype=np.uint8)
    function = augment.augmentation("shift-flip")
    assert np.array_equal(function(x, np.random.default_rng(4)), function(x, np.random.default_rng(4)))
