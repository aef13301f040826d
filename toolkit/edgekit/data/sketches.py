"""One pass over the images: for each a digest, a small gray and color copy, and whether it shows anything at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.types import Images

SIDE, COLOR_SIDE = 32, 8
_BLANK = 2.0  # standard deviation in gray levels (0-255): the noise of a covered lens stays below it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sketches:
    """The results of one pass over N images.

    digests: (N,) S64, SHA-256 of the pixels. gray: (N, h * w) uint8, h, w <= 32. color: (N, 8 * 8 * C) uint8, width 0 for gray
    images. blank: (N,) bool, every pixel (nearly) the same. cut: (N,) bool, the lower part is the flat mid-gray that a
    lenient JPEG reader leaves where a file ends early.
    """

    digests: NDArray[np.bytes_]
    gray: NDArray[np.uint8]
    color: NDArray[np.uint8]
    blank: NDArray[np.bool_]
    cut: NDArray[np.bool_]


def chunks(x: Images, megabytes: int = 32) -> Iterator[NDArray[Any]]:
    """The images in order, as arrays of about `megabytes`: lazy images are never in memory as a whole."""
    size = max(1, megabytes * 2**20 // (int(np.prod(x.shape[1:])) * x.dtype.itemsize))
    for start in range(0, len(x), size):
        yield np.ascontiguousarray(x[start : start + size])


def sketch(x: NDArray[Any]) -> Sketches:
    """The sketches of (N, H, W, C) images, uint8 or float in [0, 1]."""
    pixels = x.astype(np.float32) * np.float32(1 if x.dtype == np.uint8 else 255)
    height, width = min(SIDE, x.shape[1]), min(SIDE, x.shape[2])
    gray = _shrink(pixels.mean(axis=3, keepdims=True), height, width)
    color = _shrink(pixels if x.shape[3] > 1 else pixels[..., :0], min(COLOR_SIDE, height), min(COLOR_SIDE, width))
    return Sketches(
        digests=np.array([hashlib.sha256(image.tobytes()).hexdigest().encode() for image in x], "S64"),
        gray=np.round(gray).astype(np.uint8),
        color=np.round(color).astype(np.uint8),
        blank=pixels.reshape(len(x), -1).std(axis=1) <= _BLANK,
        cut=_cut_short(np.round(pixels)),
    )


def _shrink(pixels: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    small: NDArray[np.float32] = pixels
    if pixels.shape[1:3] != (height, width):
        rows, columns = _box(pixels.shape[1], height), _box(pixels.shape[2], width)
        small = np.einsum("hH,nHWc,wW->nhwc", rows, pixels, columns, optimize=["einsum_path", (0, 1), (0, 1)])
    return small.reshape(len(pixels), height * width * pixels.shape[3])


def _box(size: int, target: int) -> NDArray[np.float32]:
    """(target, size): each row averages its share of a line; cells at the border count in part."""
    edges = np.linspace(0, size, target + 1)
    cells = np.arange(size)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    shares: NDArray[np.float32] = (np.maximum(overlap, 0) * target / size).astype(np.float32)
    return shares


def _cut_short(pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    flat = (pixels == 128).all(axis=(2, 3))
    tail = max(2, pixels.shape[1] // 8)
    cut: NDArray[np.bool_] = flat[:, -tail:].all(axis=1) & ~flat[:, : max(1, tail // 2)].any(axis=1)
    return cut
