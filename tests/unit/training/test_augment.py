import numpy as np
import pytest

from edgekit.training.augment import Augmentation, resolve

NAMES = ["none", "shift", "shift-flip", "affine", "photo"]


def pixels(count=5, side=28, channels=1):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, channels), dtype=np.uint8)


def applied(x, name, *, cutout=0.0, seed=1):
    augmentation = Augmentation(name=name, cutout=cutout)
    return augmentation.apply(x, augmentation.draw(len(x), x.shape[1:], np.random.default_rng(seed)))


def test_auto_mirrors_only_where_labels_survive_it():
    assert resolve("auto", mirrored=True) == "shift-flip"
    assert resolve("auto", mirrored=False) == "shift"
    assert resolve("none", mirrored=True) == "none"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_shape_dtype_and_seed(name, channels):
    x = pixels(channels=channels)
    for images in (x, (x / 255).astype(np.float32)):
        out = applied(images, name, cutout=0.3)
        assert out.shape == images.shape
        assert out.dtype == images.dtype
        assert np.array_equal(out, applied(images, name, cutout=0.3))
        assert not np.array_equal(out, applied(images, name, cutout=0.3, seed=2))


@pytest.mark.parametrize(("name", "reach", "views"), [("shift-flip", 1, 18), ("photo", 3, 98)])
def test_every_result_is_a_shift_or_mirrored_shift_of_the_image(name, reach, views):
    x = pixels(800)
    seen = set()
    for image, result in zip(x[..., 0], applied(x, name)[..., 0], strict=True):
        edge = 2 * reach
        inner = result[edge:-edge, edge:-edge]
        moves = range(-reach, reach + 1)
        found = [
            (down, right, flip)
            for down in moves
            for right in moves
            for flip in (False, True)
            if np.array_equal(
                np.roll((image[:, ::-1] if flip else image), (down, right), (0, 1))[edge:-edge, edge:-edge], inner
            )
        ]
        assert len(found) == 1
        seen |= set(found)
    assert len(seen) == views


def test_affine_without_a_draw_changes_nothing_and_a_quarter_of_the_reach_moves_as_computed():
    x = pixels()
    augmentation = Augmentation(name="affine")
    draws = np.zeros((len(x), 6), np.float32)
    assert np.array_equal(augmentation.apply(x, {"affine": draws}), x)
    draws[:, 4] = 0.4  # of 2.5 pixels in 28: one column
    moved = augmentation.apply(x, {"affine": draws})
    assert np.array_equal(moved[:, :, :-1], x[:, :, 1:])
    assert not moved[:, :, -1].any(), "black comes in"


def test_affine_turns_about_the_center():
    x = np.zeros((1, 29, 29, 1), np.uint8)
    x[0, 14, 14] = x[0, 13, 14] = x[0, 15, 14] = x[0, 14, 13] = x[0, 14, 15] = 255
    turned = applied(np.repeat(x, 50, axis=0), "affine").astype(float)[..., 0]
    rows = (turned.sum(axis=2) @ np.arange(29)) / turned.sum(axis=(1, 2))
    assert np.abs(rows - 14).max() < 2.5 * 29 / 28 + 0.5
    assert np.abs(rows.mean() - 14) < 0.6


def test_cutout_hides_one_gray_square():
    x = np.zeros((200, 28, 28, 3), np.uint8)
    hidden = (applied(x, "none", cutout=0.25) == 128).all(axis=3)
    assert hidden.sum(axis=(1, 2)).max() == 49, "a quarter of 28 is 7"
    assert (hidden.sum(axis=(1, 2)) >= 16).all(), "at a corner at least a quarter stays inside"
    assert hidden.any(axis=0).all()
