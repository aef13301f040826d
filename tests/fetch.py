"""`python -m tests.fetch`: all that tests fetch or build once, ahead of them; what fails is told, and fails again in its test."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tests.devices import crossed, image
from tests.unit.bundle import kotlin
from tests.unit.report import axe

ALL: dict[str, Callable[[], object]] = {
    "the arm64 machine": image.cached,
    "LiteRT for 64-bit ARM": crossed.litert_library_arm64,
    "TensorFlow Lite's C library": lambda: crossed.tflite_library("amd64"),
    "the Kotlin compiler": kotlin.jars,
    "axe-core": axe.source,
}


def main() -> None:
    for name, fetch in ALL.items():
        try:
            fetch()
        except BaseException as error:  # pytest's own failures are no Exceptions
            print(f"{name}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
