"""One encoded image -> uint8 pixels, always by the same rules, so that a file gives the same pixels in every stage.

EXIF orientation is applied; transparency is composited on white; palettes become gray if every color in them is gray; 16-bit
gray is divided by 257; CMYK becomes RGB; color becomes gray by ITU-R 601 luma. Resizing stretches to the requested size with
an antialiased bilinear filter; a JPEG much larger than that is first decoded at a half, quarter or eighth of its size.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

# Changes whenever the rules above do: it is part of the fingerprint of data that is decoded on demand.
RULES = "1"
FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".webp")
_GRAY_MODES = ("1", "L", "LA")
# What Pillow's decoders raise on damaged files; the list was determined by truncating files and flipping bytes.
_DAMAGE = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    OverflowError,
    MemoryError,
    AssertionError,
    struct.error,
    zlib.error,
)


class Undecodable(Exception):
    """The content cannot be decoded as an image; the message is the reason in a few words."""


def decode(content: bytes, size: tuple[int, int] | None = None, channels: int | None = None) -> NDArray[np.uint8]:
    """Decode an image.

    Args:
        content: the bytes of a PNG, JPEG, BMP or WebP file.
        size: (H, W) to resize to; None = unchanged.
        channels: 1 or 3; None = 1 for a gray image, else 3.

    Returns:
        (H, W, C) uint8.

    Raises:
        Undecodable: empty, of another format, damaged, truncated or too large.
    """
    if not content:
        raise Undecodable("empty file")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            return _pixels(picture, size, channels)
    except UnidentifiedImageError:
        raise Undecodable("not a PNG, JPEG, BMP or WebP image") from None
    except Image.DecompressionBombError:
        raise Undecodable(f"more than {_most_pixels():,} pixels") from None
    except _DAMAGE as error:
        raise Undecodable(_reason(error)) from None


def _pixels(picture: Image.Image, size: tuple[int, int] | None, channels: int | None) -> NDArray[np.uint8]:
    # Up to twice its limit, Pillow itself only warns.
    if picture.width * picture.height > _most_pixels():
        raise Image.DecompressionBombError
    if size and picture.format == "JPEG" and picture.mode in ("L", "RGB"):
        most = 2 * max(size)
        picture.draft(None, (most, most))
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    plain = _without_palette_and_alpha(upright)
    wanted = {1: "L", 3: "RGB", None: plain.mode}[channels]
    if plain.mode != wanted:
        plain = plain.convert(wanted)
    if size and plain.size != (size[1], size[0]):
        plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    x = np.array(plain, dtype=np.uint8)
    return x[..., None] if x.ndim == 2 else x


def _without_palette_and_alpha(picture: Image.Image) -> Image.Image:
    """Mode L or RGB."""
    mode = picture.mode
    if mode.startswith("I"):
        deep = np.asarray(picture).astype(np.int64)
        return Image.fromarray(np.clip((deep + 128) // 257, 0, 255).astype(np.uint8))
    if mode == "P":
        gray = _is_gray(picture.getpalette() or [])
        if "transparency" in picture.info:
            picture = _on_white(picture.convert("RGBA"))
        return picture.convert("L" if gray else "RGB")
    gray = mode in _GRAY_MODES
    if mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
        picture = _on_white(picture.convert("RGBA"))
    return picture if picture.mode == ("L" if gray else "RGB") else picture.convert("L" if gray else "RGB")


def _on_white(picture: Image.Image) -> Image.Image:
    white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, picture).convert("RGB")


def _is_gray(palette: list[int]) -> bool:
    return palette[0::3] == palette[1::3] == palette[2::3]


def _most_pixels() -> int:
    return Image.MAX_IMAGE_PIXELS or 2**31


def _reason(error: BaseException) -> str:
    text = str(error).split("\n")[0]
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return "truncated image"
    return f"damaged image ({text or type(error).__name__})"


def resize(x: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """(N, H, W, C) uint8 or float32 -> the same at `size` (H, W), by the filter of `decode`."""
    height, width = size
    resized = np.empty((len(x), height, width, x.shape[3]), x.dtype)
    for i, image in enumerate(x):
        for channel in range(x.shape[3]):
            plane = Image.fromarray(np.ascontiguousarray(image[..., channel]))
            resized[i, ..., channel] = plane.resize((width, height), Image.Resampling.BILINEAR)
    return resized
