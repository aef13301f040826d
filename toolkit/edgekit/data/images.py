"""Encoded images as arrays: decoded into memory while they are small, on demand when they are large.

A set is read once, in parallel: every image is decoded (which reveals those that cannot be), its bytes are hashed, and the pixels
are kept as long as they fit into `IN_MEMORY_BYTES`. Above that, `LazyImages` decodes what is indexed.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.cores import available
from edgekit.data.decode import RULES, Undecodable, decode
from edgekit.errors import DataError
from edgekit.types import Images, Skipped

IN_MEMORY_BYTES = 256 * 1024**2
_MOST_NAMED = 5
_ALONE = 4  # so few images are decoded faster than threads start


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Encoded:
    """Images as their sources store them: `read(i)` returns the bytes of the i-th, `name(i)` its name in messages.

    digests: (N, 32) uint8, the SHA-256 of each image's bytes; rows of unreadable images are zero.
    """

    read: Callable[[int], bytes]
    name: Callable[[int], str]
    digests: NDArray[np.uint8]


class LazyImages:
    """(N, H, W, C) uint8, like an array: indexing decodes on all cores, `take` only selects."""

    def __init__(self, encoded: Encoded, rows: NDArray[np.int64], shape: tuple[int, int, int]) -> None:
        self.encoded, self.rows, self._shape = encoded, rows, shape

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self._shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    @property
    def ndim(self) -> int:
        return 4

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        """Decode: an int returns (H, W, C), a slice, index array or mask returns (n, H, W, C)."""
        if isinstance(index, (int, np.integer)):
            return self._decode(int(self.rows[index]))
        rows = self.rows[_positions(index)]
        x = np.empty((len(rows), *self._shape), np.uint8)

        def fill(where: int) -> None:
            x[where] = self._decode(int(rows[where]))

        if len(rows) <= _ALONE:
            for where in range(len(rows)):
                fill(where)
        else:
            with ThreadPoolExecutor(available()) as pool:
                for _ in pool.map(fill, range(len(rows))):
                    pass
        return x

    def take(self, index: Any) -> LazyImages:
        """The images at `index` (as for an array), without decoding any."""
        return self.at(self.rows[_positions(index)])

    def at(self, rows: NDArray[np.int64]) -> LazyImages:
        """The images with these numbers in the set that they all were read from."""
        return LazyImages(self.encoded, rows, self._shape)

    def read_rows(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        """`self[index]` in this thread alone, for callers that use threads of their own."""
        rows = self.rows[index]
        x = np.empty((len(rows), *self._shape), np.uint8)
        for where, row in enumerate(rows.tolist()):
            x[where] = self._decode(row)
        return x

    def digest(self) -> bytes:
        """SHA-256 over the encoded images, in order, and the rules and size of decoding."""
        digest = hashlib.sha256(f"lazy {RULES} {self._shape}".encode())
        digest.update(np.ascontiguousarray(self.encoded.digests[self.rows]).data)
        return digest.digest()

    def _decode(self, row: int) -> NDArray[np.uint8]:
        try:
            return decode(self.encoded.read(row), self._shape[:2], self._shape[2])
        except OSError as error:
            reason = error.strerror or str(error)
        except Undecodable as error:
            reason = str(error)
        # It was decoded without error when the data was loaded.
        raise DataError(f"{self.encoded.name(row)} changed while it was in use: {reason}.")


def _positions(index: Any) -> Any:
    """An empty list would become a float array, which cannot be an index."""
    return index if isinstance(index, slice) or len(index) else np.zeros(0, np.int64)


def read_images(
    read: Callable[[int], bytes],
    name: Callable[[int], str],
    count: int,
    *,
    size: tuple[int, int] | None,
    channels: int | None = None,
    skip_bad: bool,
) -> tuple[Images, NDArray[np.int64], tuple[Skipped, ...]]:
    """Decode `count` images once and hold them as an array, or as LazyImages if they are too many.

    Args:
        read: the bytes of an image by number; may raise OSError; called from several threads.
        name: what to call an image in an error.
        size: (H, W) of all; None = the size they share.
        channels: 1 or 3; None = 1 if every image is gray, else 3.
        skip_bad: leave undecodable images out, instead of an error that lists them.

    Returns:
        The images, the numbers of those that were decoded (ascending), and the others with the reasons.

    Raises:
        DataError: images that cannot be read, or sizes that differ without `size`.
    """
    seen = _decode_all(read, count, size, channels)
    bad = tuple(Skipped(path=name(i), reason=reason) for i, reason in seen.reasons.items())
    if bad and not skip_bad:
        raise DataError(
            f"{len(bad):,} of {count:,} images cannot be read: {named(bad)}. Fix or remove them; --skip-bad leaves them out."
        )
    good = np.setdiff1d(np.arange(count), np.array(sorted(seen.reasons), np.int64))
    if not len(good):
        raise DataError(
            f"None of the {count:,} images can be read, the first because: {next(iter(seen.reasons.values()))}."
        )
    height, width = size or _common_size(seen.shapes[good], good, name)
    wide = int(seen.shapes[good, 2].max())
    if seen.images is not None and len(good) * height * width * wide <= IN_MEMORY_BYTES:
        x = np.empty((len(good), height, width, wide), np.uint8)
        for where in range(len(good)):
            x[where] = seen.images[where]  # a gray image among color ones is broadcast to three equal channels
        return x, good, bad
    encoded = Encoded(read=read, name=name, digests=seen.digests)
    return LazyImages(encoded, good, (height, width, wide)), good, bad


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Decoded:
    """N images, each decoded once. images: those that can be decoded, in order; None = too many to hold.

    digests: (N, 32) uint8, the SHA-256 of each image's bytes. shapes: (N, 3), H, W and C. Rows of unreadable images are zero.
    reasons: number of an image -> why it cannot be decoded.
    """

    images: list[NDArray[np.uint8]] | None
    digests: NDArray[np.uint8]
    shapes: NDArray[np.int64]
    reasons: dict[int, str]


def _decode_all(
    read: Callable[[int], bytes], count: int, size: tuple[int, int] | None, channels: int | None
) -> _Decoded:
    """Decode every image in parallel, and hold them as long as they fit into `IN_MEMORY_BYTES`."""
    digests = np.zeros((count, 32), np.uint8)
    shapes = np.zeros((count, 3), np.int64)
    reasons: dict[int, str] = {}
    kept: list[NDArray[np.uint8]] | None = []
    kept_bytes = 0

    def look(i: int) -> NDArray[np.uint8] | str:
        try:
            content = read(i)
            x = decode(content, size, channels)
        except OSError as error:
            return error.strerror or str(error)
        except Undecodable as error:
            return str(error)
        digests[i] = np.frombuffer(hashlib.sha256(content).digest(), np.uint8)
        shapes[i] = x.shape
        return x

    # Pillow warns about odd metadata, which does not matter here; anything that matters is raised.
    with warnings.catch_warnings(), ThreadPoolExecutor(available()) as pool:
        warnings.simplefilter("ignore")
        for i, image_or_reason in enumerate(_ahead(pool, look, range(count))):
            if isinstance(image_or_reason, str):
                reasons[i] = image_or_reason
            elif kept is not None:
                kept.append(image_or_reason)
                kept_bytes += image_or_reason.nbytes
                # All must have one size in the end, so the first one shows early that a set is far too large.
                if kept_bytes > IN_MEMORY_BYTES or count * image_or_reason[..., 0].size > IN_MEMORY_BYTES:
                    kept = None
    return _Decoded(images=kept, digests=digests, shapes=shapes, reasons=reasons)


def join(parts: Sequence[Images]) -> Images:
    """The parts one after the other; lazy ones must come from one `read_images`, as those of a source do."""
    lazy = [part for part in parts if isinstance(part, LazyImages)]
    if not lazy:
        return np.concatenate([np.asarray(part) for part in parts])
    assert len(lazy) == len(parts) and all(part.encoded is lazy[0].encoded for part in lazy)
    return lazy[0].at(np.concatenate([part.rows for part in lazy]))


def skipped_message(skipped: Sequence[Skipped]) -> str:
    """The warning about files that were left out: the first five by name, and how many there are."""
    return f"{len(skipped):,} files cannot be read and are left out: {named(skipped)}."


def named(bad: Sequence[Skipped]) -> str:
    """Unreadable files with their reasons, the first five by name."""
    more = f" and {len(bad) - _MOST_NAMED:,} more" if len(bad) > _MOST_NAMED else ""
    return ", ".join(f"{each.path} ({each.reason})" for each in bad[:_MOST_NAMED]) + more


def _common_size(shapes: NDArray[np.int64], numbers: NDArray[np.int64], name: Callable[[int], str]) -> tuple[int, int]:
    sizes, first, counts = np.unique(shapes[:, :2], axis=0, return_index=True, return_counts=True)
    if len(sizes) == 1:
        return int(sizes[0][0]), int(sizes[0][1])
    order = np.argsort(-counts, kind="stable")
    examples = ", ".join(
        f"{sizes[k][0]}x{sizes[k][1]} ({counts[k]:,} images, {name(int(numbers[first[k]]))})" for k in order[:3]
    )
    more = f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""
    raise DataError(f"The images differ in size: {examples}{more}. Set one size for all, e.g. --image-size 96x96.")


def _ahead(pool: ThreadPoolExecutor, work: Callable[[int], Any], numbers: Iterable[int]) -> Iterator[Any]:
    """work(i) of each number in order, running blocks ahead in the pool, so that not all futures or results exist at once."""
    waiting = iter(numbers)
    blocks = iter(lambda: list(islice(waiting, 64)), [])

    def block(chosen: list[int]) -> list[Any]:
        return [work(i) for i in chosen]

    queue = [pool.submit(block, chosen) for chosen in islice(blocks, 2 * available())]
    while queue:
        done = queue.pop(0).result()
        if chosen := next(blocks, None):
            queue.append(pool.submit(block, chosen))
        yield from done
