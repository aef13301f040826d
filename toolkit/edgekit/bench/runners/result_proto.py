"""The file that benchmark_model writes at --result_file_path: tflite's benchmark_result.proto, read without protobuf."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from edgekit.bench.runners.benchmark_output import Statistics

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LATENCY, _MEMORY, _MISC = 2, 3, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What edgekit uses of a BenchmarkResult: the counted runs in milliseconds, and the peak memory. None = not set."""

    count: int
    average_ms: float
    minimum_ms: float
    maximum_ms: float
    median_ms: float | None
    init_ms: float
    peak_rss_bytes: int | None

    def agrees(self, printed: Statistics) -> bool:
        """Whether the printed line agrees, up to its rounding to six digits and this file's rounding to 32-bit floats."""
        pairs = [
            (self.average_ms, printed.average_us),
            (self.minimum_ms, printed.minimum_us),
            (self.maximum_ms, printed.maximum_us),
        ]
        if self.median_ms is not None and printed.median_us is not None:
            pairs.append((self.median_ms, printed.median_us))
        close = all(abs(1000 * ms - us) <= 1e-5 * us + 0.01 for ms, us in pairs)
        return close and self.count == printed.count


def decode(content: bytes) -> Result:
    """Read the file.

    Raises:
        ValueError: it is incomplete, or not such a message.
    """
    parts = _fields(content)
    latency, memory, misc = (_fields(_bytes(parts, number)) for number in (_LATENCY, _MEMORY, _MISC))
    peak = _float(memory, 3, optional=True)
    count = misc.get(2)
    if not isinstance(count, int):
        raise ValueError("the number of runs is missing")
    return Result(
        count=count,
        average_ms=_float(latency, 1) or 0.0,
        minimum_ms=_float(latency, 2) or 0.0,
        maximum_ms=_float(latency, 3) or 0.0,
        median_ms=_float(latency, 5, optional=True),
        init_ms=_float(latency, 8) or 0.0,
        peak_rss_bytes=int(peak * 1024**2) if peak and peak > 0 else None,
    )


def _fields(content: bytes) -> dict[int, int | bytes]:
    """The fields of a message; if one occurs twice, the last counts, as in proto2."""
    fields: dict[int, int | bytes] = {}
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(content, at)
            fields[number] = value
            continue
        size = {_FIXED32: 4, _FIXED64: 8}.get(kind)
        if kind == _BYTES:
            size, at = _varint(content, at)
        if size is None or number == 0:
            raise ValueError(f"field {number} of kind {kind} at byte {at}")
        if at + size > len(content):
            raise ValueError(f"it is cut off in field {number}")
        fields[number] = content[at : at + size]
        at += size
    return fields


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            raise ValueError("it is cut off in a number")
        value |= (content[at] & 0x7F) << shift
        at += 1
        if content[at - 1] < 0x80:
            return value, at
    raise ValueError(f"a number of more than 64 bits at byte {at}")


def _bytes(fields: dict[int, int | bytes], number: int) -> bytes:
    value = fields.get(number, b"")
    if not isinstance(value, bytes):
        raise ValueError(f"field {number} is not a message")
    return value


def _float(fields: dict[int, int | bytes], number: int, *, optional: bool = False) -> float | None:
    content = fields.get(number)
    if content is None and optional:
        return None
    if not isinstance(content, bytes) or len(content) != 4:
        raise ValueError(f"field {number} is missing, or not a 32-bit float")
    (value,) = struct.unpack("<f", content)
    if not math.isfinite(value):
        raise ValueError(f"field {number} is {value}")
    return float(value)
