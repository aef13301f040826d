"""Each odd file has pixels that can be worked out by hand."""

import io

import numpy as np
import pytest
from PIL import Image

from edgekit.data.decode import Undecodable, decode, resize


def encoded(picture, kind="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient():
    return np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})])
def test_lossless_formats_give_back_what_was_written(kind, options):
    color = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(decode(encoded(Image.fromarray(color), kind, **options)), color)


def test_gray_stays_gray_unless_color_is_asked_for():
    content = encoded(Image.fromarray(gradient()))
    assert np.array_equal(decode(content)[..., 0], gradient())
    assert decode(content, channels=3).shape == (3, 4, 3)
    red = encoded(Image.new("RGB", (2, 2), (255, 0, 0)))
    assert decode(red, channels=1).tolist() == [[[76], [76]], [[76], [76]]]  # .299 * 255


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, [[1, 2], [3, 4], [5, 6]]),
        (3, [[6, 5], [4, 3], [2, 1]]),
        (6, [[5, 3, 1], [6, 4, 2]]),
        (8, [[2, 4, 6], [1, 3, 5]]),
    ],
)
def test_exif_orientation_is_applied(orientation, expected):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.array([[1, 2], [3, 4], [5, 6]], np.uint8)
    assert decode(encoded(Image.fromarray(stored), exif=exif))[..., 0].tolist() == expected


def test_a_rotated_photo_is_resized_to_the_shape_as_it_is_seen():
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.zeros((40, 80, 3), np.uint8)
    stored[:, :40] = 255  # the left half becomes the upper half
    x = decode(encoded(Image.fromarray(stored), "JPEG", exif=exif, quality=95), size=(8, 4))
    assert x.shape == (8, 4, 3)
    assert x[:3].min() > 240
    assert x[5:].max() < 15


def test_palettes():
    colored = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8)).convert("P")
    colored.putpalette([255, 0, 0, 0, 0, 255])
    assert decode(encoded(colored)).tolist() == [[[255, 0, 0], [0, 0, 255]], [[0, 0, 255], [255, 0, 0]]]
    gray = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    gray.putpalette([10, 10, 10, 200, 200, 200])
    assert decode(encoded(gray)).tolist() == [[[10], [200]]]


def test_a_transparent_palette_color_is_white():
    picture = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    picture.putpalette([255, 0, 0, 0, 0, 255])
    assert decode(encoded(picture, transparency=1)).tolist() == [[[255, 0, 0], [255, 255, 255]]]


def test_alpha_is_composited_on_white():
    rgba = np.array([[[255, 0, 0, 255], [0, 0, 0, 0], [0, 0, 0, 51]]], np.uint8)
    # 51 / 255 = 0.2 of black on white is 204
    assert decode(encoded(Image.fromarray(rgba))).tolist() == [[[255, 0, 0], [255, 255, 255], [204, 204, 204]]]
    gray = Image.merge("LA", [Image.new("L", (1, 1), 0), Image.new("L", (1, 1), 51)])
    assert decode(encoded(gray)).tolist() == [[[204]]]


def test_sixteen_bits_are_scaled_not_cut():
    deep = np.array([[0, 257, 32896, 65535]], np.uint16)
    assert decode(encoded(Image.fromarray(deep))).ravel().tolist() == [0, 1, 128, 255]


def test_one_bit_is_black_and_white():
    assert decode(encoded(Image.fromarray(np.array([[True, False]])))).ravel().tolist() == [255, 0]


def test_cmyk_jpeg_becomes_rgb():
    x = decode(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
    assert np.abs(x[8, 8].astype(int) - [255, 0, 0]).max() <= 3


def test_a_phones_jpeg_with_a_second_picture_is_its_first():
    first, second = (Image.new("RGB", (16, 16), color) for color in ("red", "blue"))
    x = decode(encoded(first, "MPO", save_all=True, append_images=[second], quality=95))
    assert x.shape == (16, 16, 3)
    assert x[8, 8, 0] > 250 > 5 > x[8, 8, 2]


def test_a_large_jpeg_is_the_same_picture_at_a_fraction_of_the_work():
    wide = np.zeros((800, 800, 3), np.uint8)
    wide[:, 400:] = 255
    x = decode(encoded(Image.fromarray(wide), "JPEG", quality=95), size=(10, 10))
    assert x[:, :4].max() < 10
    assert x[:, 6:].min() > 245


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"hello, I am a text", "not a PNG"),
        (encoded(Image.fromarray(gradient()), "GIF"), "not a PNG"),
        (encoded(Image.effect_noise((64, 64), 50), "JPEG")[:600], "truncated"),
        (encoded(Image.effect_noise((64, 64), 50))[:600], "truncated|damaged"),
        (encoded(Image.effect_noise((64, 64), 50), "BMP")[:600], "truncated"),
        (encoded(Image.effect_noise((64, 64), 50).convert("RGB"), "WEBP")[:600], "damaged|not a PNG|truncated"),
    ],
)
def test_what_cannot_be_decoded_says_why(content, reason):
    with pytest.raises(Undecodable, match=reason):
        decode(content)


def test_damaged_bytes_are_decoded_or_refused_and_nothing_else():
    rng = np.random.default_rng(0)
    noise = Image.effect_noise((24, 24), 80)
    refused = 0
    for kind in ("PNG", "JPEG", "BMP", "WEBP"):
        whole = np.frombuffer(encoded(noise.convert("RGB"), kind), np.uint8)
        for _ in range(60):
            broken = whole[: rng.integers(1, len(whole))].copy()
            broken[rng.integers(0, len(broken), 4)] = rng.integers(0, 256, 4)
            try:
                image = decode(broken.tobytes())
            except Undecodable:
                refused += 1
            else:
                assert image.dtype == np.uint8
                assert image.ndim == 3
    assert refused > 120, "most files that are cut short cannot be read"


def test_a_decompression_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert decode(encoded(Image.new("L", (20, 50)))).shape == (50, 20, 1)
    with pytest.raises(Undecodable, match="more than 1,000 pixels"):
        decode(encoded(Image.new("L", (50, 50))))


def test_resizing_arrays_agrees_with_resizing_files():
    color = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    assert np.array_equal(resize(color[None], (6, 8))[0], decode(encoded(Image.fromarray(color)), size=(6, 8)))
    half = resize(np.full((1, 4, 4, 1), 0.5, np.float32), (2, 2))
    assert half.dtype == np.float32
    assert half.ravel().tolist() == [0.5] * 4
