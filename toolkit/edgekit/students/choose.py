"""`--student auto`: the student for a given image size, within a number of bytes.

Up to 96 pixels per side this is `microresnet`, above it `mobilenetv2`, in the largest width whose int8 file fits; if no width of
`mobilenetv2` fits, `microresnet` again, whose stem strides on large images. More width means more accuracy at more latency, so
without a limit the largest is chosen. The sizes come from `facts`.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.errors import RecipeError
from edgekit.students.facts import CLASSES, Fact, facts

SMALL, LARGE = "microresnet", "mobilenetv2"
# Ascending. Width "fast" is left out: it is for teachers, of which there are many.
WIDTHS: Mapping[str, tuple[str, ...]] = {SMALL: ("xs", "s", "m", "l"), LARGE: ("025", "035", "050")}
LARGEST_SMALL_SIDE = 96
_LEAST_SIDE_OF_LARGE = 32
# Margin on the estimate for an input other than the measured one.
_MARGIN = 1.01


def choose(input_shape: tuple[int, int, int], classes: int, max_size: int | None) -> tuple[str, str, str]:
    """Pick a student.

    Args:
        input_shape: (H, W, C) of the images.
        classes: K.
        max_size: maximum size of the int8 file in bytes, None = no limit.

    Returns:
        name, width, and the reason in one sentence.

    Raises:
        RecipeError: no student is small enough.
    """
    height, across, _ = input_shape
    large = max(height, across) > LARGEST_SMALL_SIDE and min(height, across) >= _LEAST_SIDE_OF_LARGE
    for name in (LARGE, SMALL) if large else (SMALL,):
        sizes = expected_sizes(name, input_shape, classes)
        fitting = {width: size for width, size in sizes.items() if max_size is None or size <= max_size}
        if fitting:
            width = list(fitting)[-1]
            bound = f" within {max_size:,} bytes" if max_size is not None else ""
            return (
                name,
                width,
                f"the largest width of {name}{bound}: about {fitting[width]:,} bytes as int8 at {height}x{across}",
            )
    width = next(iter(sizes))
    raise RecipeError(
        f"No student fits in {max_size:,} bytes: the smallest for {classes} classes of {height}x{across} images is {name} "
        f"{width} with about {sizes[width]:,} bytes as int8. Raise student.max_size (--max-size)."
    )


def expected_sizes(name: str, input_shape: tuple[int, int, int], classes: int) -> dict[str, int]:
    """Width, ascending -> bytes of the int8 file at `input_shape`: exact for a measured input, else with 1 % to spare."""
    return {width: _expected(facts()[name][width], input_shape, classes) for width in WIDTHS[name]}


def _expected(rows: tuple[Fact, ...], input_shape: tuple[int, int, int], classes: int) -> int:
    measured = next((row for row in rows if row.input == input_shape), None)
    if measured and classes == CLASSES:
        return measured.int8_bytes
    nearest = measured or min(
        rows, key=lambda row: abs(row.input[0] - input_shape[0]) + abs(row.input[2] - input_shape[2])
    )
    return round(_MARGIN * nearest.estimate(input_shape[2], classes))
