"""Images for pages: one thumbnail as a PNG data URI, or hundreds in a few sheets, which is smaller and opens faster."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.types import Images

SIDE = 64
_COLUMNS, _ROWS = 20, 10
_STEPS = ((SIDE, "PNG"), *((side, "JPEG") for side in (SIDE, 48, 32, 24)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheets:
    """Images in rows of `columns`, `rows` rows per sheet, each `width` x `height` pixels. uris: data URIs, in order."""

    uris: tuple[str, ...]
    columns: int
    rows: int
    width: int
    height: int


def uris(images: NDArray[np.uint8], budget_bytes: int) -> list[str]:
    """A data URI of each of (N, H, W, C) uint8 images, at most 64 pixels wide and high.

    They are lossless (PNG) if all fit into `budget_bytes`, else JPEG, else smaller than 64 pixels as well.
    """
    result: list[str] = []
    for side, format in _STEPS:
        result = [_uri(_picture(image, *_size(image.shape, side)), format) for image in images]
        if sum(map(len, result)) <= budget_bytes:
            break
    return result


def sheets(images: NDArray[np.uint8], budget_bytes: int) -> Sheets:
    """(N, H, W, C) uint8 images in sheets that take at most `budget_bytes` together.

    They are lossless (PNG) if that fits, else JPEG, else smaller than 64 pixels as well.
    """
    for side, format in _STEPS:
        # The first sheet shows how much space all will take.
        sample = _sheets(images[: _COLUMNS * _ROWS], side, format)
        if sum(map(len, sample.uris)) * len(images) <= budget_bytes * min(len(images), _COLUMNS * _ROWS):
            break
    return _sheets(images, side, format)


def small(x: Images, rows: NDArray[np.int64], *, sound: bool = False) -> NDArray[np.uint8]:
    """(n, h, w, C) uint8 images of some rows: large images are subsampled, a few in memory at a time.

    Args:
        sound: audio features, (frames, bands), are rotated: time to the right, the highest band at the top.
    """
    step = max(1, -(-max(x.shape[1:3]) // (2 * SIDE)))
    parts = [np.asarray(x[rows[start : start + 64]])[:, ::step, ::step] for start in range(0, len(rows), 64)]
    images = np.concatenate(parts) if parts else np.zeros((0, *x.shape[1:]), np.uint8)
    images = np.rot90(images, axes=(1, 2)) if sound else images
    return images if images.dtype == np.uint8 else np.round(images * 255).astype(np.uint8)


def _sheets(images: NDArray[np.uint8], side: int, format: str) -> Sheets:
    from PIL import Image

    width, height = _size(images.shape[1:], side)
    count = len(images)
    uris = []
    for start in range(0, count, _COLUMNS * _ROWS):
        part = images[start : start + _COLUMNS * _ROWS]
        rows = math.ceil(len(part) / _COLUMNS)
        sheet = Image.new("L" if images.shape[3] in (1, 2) else "RGB", (_COLUMNS * width, rows * height))
        for place, image in enumerate(part):
            sheet.paste(_picture(image, width, height), (place % _COLUMNS * width, place // _COLUMNS * height))
        uris.append(_uri(sheet, format))
    return Sheets(uris=tuple(uris), columns=_COLUMNS, rows=_ROWS, width=width, height=height)


def _size(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """(width, height) at which an image of `shape` fits into a square of `side`; never larger than the original."""
    share = min(1.0, side / max(shape[0], shape[1]))
    return max(1, round(shape[1] * share)), max(1, round(shape[0] * share))


def _picture(image: NDArray[Any], width: int, height: int) -> Any:
    from PIL import Image

    if image.dtype != np.uint8:
        image = np.round(image * 255).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[2] < 3 else image[..., :3]))
    return picture if picture.size == (width, height) else picture.resize((width, height), Image.Resampling.BOX)


def _uri(picture: Any, format: str) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format, **({"optimize": True} if format == "PNG" else {"quality": 80}))
    return f"data:image/{format.lower()};base64," + base64.b64encode(buffer.getvalue()).decode()
