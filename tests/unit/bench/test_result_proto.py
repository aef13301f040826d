"""benchmark_result.proto, on messages encoded by hand."""

from __future__ import annotations

import dataclasses
import struct

import pytest
from tests.unit.bench.test_benchmark_output import text

from edgekit.bench.runners import benchmark_output, result_proto


def varint(value: int) -> bytes:
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def number(field: int, value: float) -> bytes:
    return varint(field << 3 | 5) + struct.pack("<f", value)


def whole(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return varint(field << 3 | 2) + varint(len(content)) + content


# What the build of classic.txt would write; 1 ms = 1,000 of the text's microseconds.
LATENCY = {
    1: 13.5202,
    2: 13.105,
    3: 15.765,
    4: 0.470,
    5: 13.419,
    6: 13.111,
    7: 14.480,
    8: 12.75,
    9: 14.744,
    10: 13.7643,
}


def result(latency: dict[int, float] = LATENCY, *, count: int = 74) -> bytes:
    memory = message(3, whole(1, 2632), whole(2, 5816), number(3, 11.5))
    misc = message(4, number(1, 0.098496), whole(2, count), whole(3, 37), number(4, 227.2))
    return message(2, *(number(field, value) for field, value in latency.items())) + memory + misc


def test_what_is_used_of_it():
    found = result_proto.decode(result())
    assert found.count == 74 and found.peak_rss_bytes == int(11.5 * 1024**2)
    assert found.average_ms == pytest.approx(13.5202, rel=1e-6)
    assert found.median_ms == pytest.approx(13.419, rel=1e-6)
    assert found.init_ms == 12.75


def test_it_agrees_with_the_text():
    printed = benchmark_output.read(text("classic.txt")).counted
    assert result_proto.decode(result()).agrees(printed)
    for changed in ({1: 13.53}, {2: 13.106}, {3: 15.764}, {5: 13.42}):
        assert not result_proto.decode(result({**LATENCY, **changed})).agrees(printed)
    assert not result_proto.decode(result(count=75)).agrees(printed)
    # An older build's text has no percentiles.
    assert result_proto.decode(result()).agrees(dataclasses.replace(printed, median_us=None))


def test_order_and_unknown_fields_do_not_matter():
    extra = message(9, b"new") + varint(8 << 3 | 1) + b"12345678" + whole(1, 1 << 40)
    latency = message(2, *(number(field, value) for field, value in reversed(LATENCY.items())))
    assert result_proto.decode(extra + message(4, whole(2, 74)) + latency).count == 74


def test_what_is_not_set_is_none():
    found = result_proto.decode(
        message(2, *(number(field, LATENCY[field]) for field in (1, 2, 3, 8))) + message(4, whole(2, 5))
    )
    assert found.median_ms is None and found.peak_rss_bytes is None


def test_every_cut_is_refused():
    content = result()
    for length in range(len(content)):
        with pytest.raises(ValueError):
            result_proto.decode(content[:length])


@pytest.mark.parametrize(
    "content",
    [
        b"INFO: STARTING!",
        b"\xff" * 20,
        b"\x07",  # field 0 of kind 7
        whole(2, 5) + message(4, whole(2, 5)),  # latencies that are a number
        message(2, whole(1, 5), number(2, 1.0), number(3, 1.0), number(8, 1.0)) + message(4, whole(2, 5)),
        result({**LATENCY, 1: float("nan")}),
        result(LATENCY).partition(varint(4 << 3 | 2))[0],
    ],
)
def test_what_is_no_result_is_refused(content):
    with pytest.raises(ValueError):
        result_proto.decode(content)
