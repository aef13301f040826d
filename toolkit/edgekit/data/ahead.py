"""Batches of images, decoded ahead of the training loop, in an order that does not depend on threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.cores import available
from edgekit.data.images import LazyImages
from edgekit.errors import DataError
from edgekit.types import Images


class Ahead:
    """`x[index]` for each of `indices`, in order.

    An array is simply indexed. For LazyImages, one batch per core is being decoded and two more are ready; each batch is one
    thread's work. Close it (or use `with`) when training ends, for whatever reason, so that no thread stays behind.
    """

    def __init__(self, x: Images, indices: Iterable[NDArray[np.int64]]) -> None:
        self._x, self._indices = x, iter(indices)
        self._pool = ThreadPoolExecutor(available(), "decode") if isinstance(x, LazyImages) else None
        self._queue: deque[Future[NDArray[np.uint8]]] = deque()
        # The consumer is a thread of tf.data, which may still be asking while the trainer closes.
        self._lock, self._closed = threading.Lock(), False
        self._failure: DataError | None = None

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if self._failure is not None and error is not None:
            # TensorFlow has wrapped the error in one of its own; the user needs ours.
            raise self._failure from None

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return self

    def __next__(self) -> NDArray[Any]:
        if self._pool is None:
            x: NDArray[Any] = self._x[next(self._indices)]
            return x
        with self._lock:
            if self._closed:
                raise StopIteration
            self._refill()
            if not self._queue:
                raise StopIteration
            batch = self._queue.popleft()
            self._refill()
        if batch.cancelled():
            raise StopIteration
        try:
            return batch.result()
        except DataError as error:
            self.fail(error)
            raise

    def fail(self, error: DataError) -> None:
        """Remember why the data ended: `with` raises this error, however the framework wraps it."""
        self._failure = error

    def close(self) -> None:
        """Stop decoding and wait until the threads are gone."""
        with self._lock:
            self._closed = True
            for batch in self._queue:
                batch.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    def _refill(self) -> None:
        assert self._pool is not None and isinstance(self._x, LazyImages)
        while len(self._queue) < available() + 2:
            index = next(self._indices, None)
            if index is None:
                return
            self._queue.append(self._pool.submit(self._x.read_rows, np.asarray(index)))
