"""The cost of each student, from facts.json: known without building it, so that listing and choosing import no framework.

`make facts` (benchmarks/student_facts.py) makes the file and a test holds it against the code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgekit import registry

PATH = Path(__file__).with_name("facts.json")
CLASSES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One student at one width, for images of `input` (H, W, C) and 10 classes.

    macs: per image. params: those of the Keras model. int8_bytes: size of the int8 .tflite that a build ships.
    bytes_per_class, bytes_per_channel: what one more class and one more input channel add to that file.
    """

    input: tuple[int, int, int]
    macs: int
    params: int
    int8_bytes: int
    bytes_per_class: float
    bytes_per_channel: int

    def estimate(self, channels: int, classes: int) -> int:
        """Bytes of the int8 file for other numbers of input channels and classes."""
        more = (classes - CLASSES) * self.bytes_per_class + (channels - self.input[2]) * self.bytes_per_channel
        return round(self.int8_bytes + more)


@cache
def facts() -> Mapping[str, Mapping[str, tuple[Fact, ...]]]:
    """Student -> width ("" if it has none) -> its facts, with the input it was designed for first."""
    read = json.loads(PATH.read_text())["students"]
    return {
        name: {
            width: tuple(Fact(**{**row, "input": tuple(row["input"])}) for row in rows)
            for width, rows in widths.items()
        }
        for name, widths in read.items()
    }


def missing() -> list[str]:
    """The students, as "name" or "name width", that facts.json does not tell of."""
    known = facts()
    return [
        f"{name} {width}".strip()
        for name, entry in registry.STUDENTS.items()
        for width in (entry.widths or ("",))
        if not entry.from_file and width not in known.get(name, {})
    ]
