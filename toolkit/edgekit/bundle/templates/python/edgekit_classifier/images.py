"""Images as in training: decoded, converted to the model's channels, resized by the same filter, bit for bit.

The filter is Pillow's BILINEAR: a triangle, widened when shrinking (antialiased), in fixed point with 22 bits, first along the
rows, then along the columns, each rounded to uint8; since Pillow 13 the other way round for images whose height shrinks by more
than twice as much as their width (metadata.json says which). The image is stretched to the size; nothing is cut off.
"""

from __future__ import annotations

import importlib
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from .errors import Refused

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_BITS = 22


def read(path: Path, shape: tuple[int, int, int], tall_first: bool) -> Any:
    """(H, W, C) uint8 of an image file; raises Refused if it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}.") from None
    try:
        pillow = importlib.import_module("PIL.Image")
    except ImportError:
        return fitted(_png(content, path), shape, tall_first)
    return fitted(_by_pillow(pillow, path, shape), shape, tall_first)


def fitted(x: Any, shape: tuple[int, int, int], tall_first: bool) -> Any:
    """(h, w, 1 or 3) uint8 of a camera or file -> (H, W, C): color becomes gray by ITU-R 601, or gray is repeated."""
    height, width, channels = shape
    if x.shape[2] == 3 and channels == 1:
        weighted = x.astype(np.int64) @ np.array([19595, 38470, 7471]) + 0x8000
        x = (weighted >> 16).astype(np.uint8)[..., None]
    elif x.shape[2] == 1 and channels == 3:
        x = np.repeat(x, 3, axis=2)
    return resized(x, (height, width), tall_first)


def resized(x: Any, size: tuple[int, int], tall_first: bool) -> Any:
    """(h, w, C) uint8 -> (H, W, C) uint8; a side that already has its length is unchanged.

    tall_first: images whose height shrinks much more are resized along the columns first (Pillow 13).
    """
    less_height, less_width = x.shape[0] - size[0], x.shape[1] - size[1]
    if tall_first and less_height > max(0, 2 * less_width):
        return _along(_along(x, 0, size[0]), 1, size[1])
    x = _along(x, 1, size[1])
    return _along(x, 0, size[0])


def _along(x: Any, axis: int, wanted: int) -> Any:
    length = x.shape[axis]
    if length == wanted:
        return x
    scale = length / wanted
    reach = max(scale, 1.0)
    moved = np.moveaxis(x, axis, 0).astype(np.int64)
    out = np.empty((wanted, *moved.shape[1:]), np.uint8)
    for place in range(wanted):
        center = (place + 0.5) * scale
        first = max(int(center - reach + 0.5), 0)
        last = min(int(center + reach + 0.5), length)
        weights = [max(0.0, 1.0 - abs((i - center + 0.5) * (1.0 / reach))) for i in range(first, last)]
        total = 0.0
        for weight in weights:  # `sum` compensates rounding since Python 3.12, which Pillow does not
            total += weight
        fixed = np.array([int(0.5 + weight / total * (1 << _BITS)) for weight in weights])
        value = np.tensordot(fixed, moved[first:last], 1) + (1 << (_BITS - 1))
        out[place] = np.clip(value >> _BITS, 0, 255)
    return np.moveaxis(out, 0, axis)


def _by_pillow(pillow: Any, path: Path, shape: tuple[int, int, int]) -> Any:
    operations = importlib.import_module("PIL.ImageOps")
    try:
        with pillow.open(path) as picture:
            if picture.format == "JPEG" and picture.mode in ("L", "RGB"):
                picture.draft(None, (2 * max(shape[:2]), 2 * max(shape[:2])))
            picture.load()
            upright = operations.exif_transpose(picture)
            if upright.mode.startswith("I"):
                x = np.clip((np.asarray(upright).astype(np.int64) + 128) // 257, 0, 255).astype(np.uint8)
                return x[..., None]
            if upright.mode in ("P", "LA", "PA", "RGBA") or "transparency" in upright.info:
                white = pillow.new("RGBA", upright.size, (255, 255, 255, 255))
                upright = pillow.alpha_composite(white, upright.convert("RGBA"))
            x = np.asarray(upright.convert("L" if upright.mode in ("1", "L") else "RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise Refused(f"{path} cannot be read as an image: {error}.") from None
    return x[..., None] if x.ndim == 2 else x


def _png(content: bytes, path: Path) -> Any:
    """(h, w, 1 or 3) from a PNG with 8 bits per channel, not interlaced, like the golden vectors. Anything else needs Pillow."""
    more = "Pillow reads more kinds: python3 -m pip install pillow, or the package python3-pil"
    if content[:8] != b"\x89PNG\r\n\x1a\n":
        raise Refused(f"{path} is not a PNG, and without Pillow nothing else can be read. {more}.")
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", content[16:29])
    if depth != 8 or color not in (0, 2) or interlaced or b"tRNS" in content:
        raise Refused(f"{path} is neither plain gray nor plain RGB. {more}.")
    packed, place = b"", 8
    while place + 8 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        if content[place + 4 : place + 8] == b"IDAT":
            packed += content[place + 8 : place + 8 + length]
        place += 12 + length
    step = 1 if color == 0 else 3
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + width * step)
    out = np.zeros((height, width * step), np.uint8)
    above = [0] * (width * step)
    for number in range(height):
        above = _unfiltered(int(rows[number, 0]), rows[number, 1:].tolist(), above, step)
        out[number] = above
    return out.reshape(height, width, step)


def _unfiltered(kind: int, row: list[int], above: list[int], step: int) -> list[int]:
    """One row of a PNG without its filter (PNG specification, section 9)."""
    for i in range(len(row)):
        left = row[i - step] if i >= step else 0
        corner = above[i - step] if i >= step else 0
        if kind == 4:
            guess = left + above[i] - corner
            distances = (abs(guess - left), abs(guess - above[i]), abs(guess - corner))
            added = (left, above[i], corner)[distances.index(min(distances))]
        else:
            added = (0, left, above[i], (left + above[i]) // 2)[kind]
        row[i] = (row[i] + added) & 255
    return row
