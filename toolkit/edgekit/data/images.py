"""Encoded images as arrays: decoded into memory while they are small, on demand when they are not.

A set is read once, in parallel: every image is decoded to find those that cannot be, its bytes are hashed, and the pixels
are kept as long as they fit `IN_MEMORY_BYTES`. Above that, `LazyImages` decodes what is indexed.
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
_ALONE = 4  # images that are decoded faster than threads start


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Encoded:
    """Images as their sources hold them: `read(i)` gives the bytes of the i-th, `name(i)` what a user calls it.

    digests: (N, 32) uint8, the SHA-256 of each image's bytes; rows that cannot be read are zero.
    """

    read: Callable[[int], bytes]
    name: Callable[[int], str]
    digests: NDArray[np.uint8]


class LazyImages:
    """(N, H, W, C) uint8, like an array: indexing decodes on all cores, `take` only chooses."""

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
        """Decode: an int gives (H, W, C), a slice, index array or mask gives (n, H, W, C)."""
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
        """The images at `index` (as of an array), without decoding any."""
        return self.at(self.rows[_positions(index)])

    def at(self, rows: NDArray[np.int64]) -> LazyImages:
        """The images with these numbers of what they all were read from."""
        return LazyImages(self.encoded, rows, self._shape)

    def read_rows(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        """`self[index]` in this thread alone, for callers that bring threads of their own."""
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
        # It could be decoded when the data was loaded.
        raise DataError(f"{self.encoded.name(row)} changed while it was in use: {reason}.")


def _positions(index: Any) -> Any:
    """An empty list would be a float array, which indexes nothing."""
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
    """Decode `count` images once and hold them as an array, or as LazyImages where they are too many.

    Args:
        read: the bytes of an image by number; may raise OSError; called from several threads.
        name: what to call an image in an error.
        size: (H, W) of all; None = their common size.
        channels: 1 or 3; None = 1 if every image is gray, else 3.
        skip_bad: leave undecodable images out, instead of an error that lists them.

    Returns:
        The images, the numbers of those that could be decoded (ascending), and the others with the reasons.

    Raises:
        DataError: images that cannot be read, or sizes that differ without `size`.
    """
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

    # Pillow warns of odd metadata, which does not matter here; what does matter is raised.
    with warnings.catch_warnings(), ThreadPoolExecutor(available()) as pool:
        warnings.simplefilter("ignore")
        for i, found in enumerate(_ahead(pool, look, range(count))):
            if isinstance(found, str):
                reasons[i] = found
            elif kept is not None:
                kept.append(found)
                kept_bytes += found.nbytes
                # All must be of one size in the end, so the first one tells early of a set that is far too large.
                if kept_bytes > IN_MEMORY_BYTES or count * found[..., 0].size > IN_MEMORY_BYTES:
                    kept = None
    bad = tuple(Skipped(path=name(i), reason=reason) for i, reason in reasons.items())
    if bad and not skip_bad:
        raise DataError(
            f"{len(bad):,} of {count:,} images cannot be read: {named(bad)}. Mend or remove them; --skip-bad leaves them out."
        )
    good = np.setdiff1d(np.arange(count), np.array(sorted(reasons), np.int64))
    if not len(good):
        raise DataError(f"None of the {count:,} images can be read, the first because: {next(iter(reasons.values()))}.")
    height, width = size or _common_size(shapes[good], good, name)
    wide = int(shapes[good, 2].max())
    if kept is not None and len(good) * height * width * wide <= IN_MEMORY_BYTES:
        x = np.empty((len(good), height, width, wide), np.uint8)
        for where in range(len(good)):
            x[where] = kept[where]  # a gray image among colored ones is broadcast to three equal channels
        return x, good, bad
    encoded = Encoded(read=read, name=name, digests=digests)
    return LazyImages(encoded, good, (height, width, wide)), good, bad


def join(parts: Sequence[Images]) -> Images:
    """The parts one after the other; lazy ones must come from one `read_images`, as those of a source do."""
    lazy = [part for part in parts if isinstance(part, LazyImages)]
    if not lazy:
        return np.concatenate([np.asarray(part) for part in parts])
    assert len(lazy) == len(parts) and all(part.encoded is lazy[0].encoded for part in lazy)
    return lazy[0].at(np.concatenate([part.rows for part in lazy]))


def skipped_told(skipped: Sequence[Skipped]) -> str:
    """The warning for files that were left out: the first five by name, and how many there are."""
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
    found = ", ".join(
        f"{sizes[k][0]}x{sizes[k][1]} ({counts[k]:,} images, {name(int(numbers[first[k]]))})" for k in order[:3]
    )
    more = f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""
    raise DataError(f"The images differ in size: {found}{more}. Give one to resize all to, such as --image-size 96x96.")


def _ahead(pool: ThreadPoolExecutor, work: Callable[[int], Any], numbers: Iterable[int]) -> Iterator[Any]:
    """work(i) of each number in order, blocks ahead in the pool: neither all futures nor all results exist at once."""
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
