"""A flatbuffer builder that writes every value once: equal vectors, strings and tables are shared.

A flatbuffer refers to vectors, strings and tables by offset, so several fields may point to the same one. The shapes, the
all-zero zero points (which LiteRT requires to be as long as the scales) and the operator options of a network repeat a lot.
Readers see no difference.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from flatbuffers import number_types
from numpy.typing import NDArray

# Required by schema.fbs for the data of buffers; custom options get it too, as in the TFLite converter.
BYTES_ALIGNMENT = 16


class SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]  # flatbuffers has no types
    """Used by the generated `Pack` functions; fields are ordered by size within a table, which minimizes padding."""

    def __init__(self, initial_size: int) -> None:
        super().__init__(initial_size)
        self._known: dict[Any, int] = {}
        self._fields: int | None = None
        self._slots: list[tuple[int, int, Any, Any]] = []

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:
        alignment = BYTES_ALIGNMENT if x.dtype.itemsize == 1 and x.size else x.dtype.itemsize
        key = (x.dtype.str, x.tobytes())
        if key not in self._known:
            self.StartVector(x.itemsize, x.size, alignment)
            payload = x.astype(x.dtype.newbyteorder("<")).tobytes()
            self.head -= len(payload)
            self.Bytes[self.head : self.head + len(payload)] = payload
            self.vectorNumElems = x.size
            self._known[key] = self.EndVector()
        return self._known[key]

    def CreateString(self, s: str | bytes, encoding: str = "utf-8", errors: str = "strict") -> int:
        key = ("string", s.encode(encoding, errors) if isinstance(s, str) else bytes(s))
        if key not in self._known:
            self._known[key] = super().CreateString(key[1])
        return self._known[key]

    def StartObject(self, numfields: int) -> None:
        self.assertNotNested()
        self._fields, self._slots = numfields, []

    def PrependSlot(self, flags: Any, o: int, x: Any, d: Any) -> None:
        if x is not None and x != d:
            # Numbers of equal value and different types would be equal as keys, so the width is part of the key.
            self._slots.append((flags.bytewidth, o, flags, x))

    def PrependUOffsetTRelativeSlot(self, o: int, x: Any, d: Any) -> None:
        if x != d:
            self._slots.append((number_types.UOffsetTFlags.bytewidth, o, None, x))

    def EndObject(self) -> int:
        fields, slots = self._fields, sorted(self._slots, key=lambda slot: (-slot[0], slot[1]))
        key = ("table", fields, tuple((o, flags and flags.__name__, x) for _, o, flags, x in slots))
        if key not in self._known:
            super().StartObject(fields)
            for _, o, flags, x in slots:
                if flags is None:
                    self.PrependUOffsetTRelative(x)
                else:
                    self.Prepend(flags, x)
                self.Slot(o)
            self._known[key] = super().EndObject()
        return self._known[key]


def plain(value: Any) -> Any:
    """A table of the object API as nested tuples, for comparison; arrays by type and content."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.tobytes())
    if isinstance(value, list):
        return tuple(plain(each) for each in value)
    if hasattr(value, "__dict__"):
        return (type(value).__name__, *((name, plain(inner)) for name, inner in sorted(vars(value).items())))
    return value
