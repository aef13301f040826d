"""Pictures in a page: lossless where they fit, and never more bytes than they may take."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from edgekit.report import thumbnails


def noise(n, side, channels=3):
    return np.random.default_rng(0).integers(0, 256, (n, side, side, channels), np.uint8)


def opened(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_that_fit_keep_every_pixel(channels):
    images = noise(3, 28, channels)
    for uri, image in zip(thumbnails.uris(images, 10**6), images, strict=True):
        assert np.array_equal(np.asarray(opened(uri)), image[..., 0] if channels == 1 else image[..., :3])


@pytest.mark.parametrize("budget", [1_000_000, 400_000])
def test_noise_takes_no_more_than_it_may(budget):
    found = thumbnails.uris(noise(240, 96), budget)
    assert len(found) == 240 and sum(map(len, found)) <= budget
    assert max(opened(found[0]).size) <= 64


def test_small_takes_every_so_many_pixels_and_makes_bytes_of_floats():
    x = np.zeros((4, 300, 200, 1), np.float32)
    x[2, ::3, ::3] = 1
    found = thumbnails.small(x, np.array([2, 0]))
    assert found.shape == (2, 100, 67, 1) and found.dtype == np.uint8
    assert (found[0] == 255).all() and (found[1] == 0).all()
    assert thumbnails.small(x, np.array([], np.int64)).shape[0] == 0


def test_sound_is_turned_time_to_the_right_and_high_bands_on_top():
    x = np.zeros((1, 5, 3, 1), np.uint8)  # 5 frames, 3 bands
    x[0, 1, 2] = 255
    found = thumbnails.small(x, np.array([0]), sound=True)
    assert found.shape == (1, 3, 5, 1) and found[0, 0, 1, 0] == 255
