"""Networks: `build(table, name, keras, input_shape, classes, width)`; one file each under architectures/, listed in the registry.

`facts` holds the cost of each, `choose` picks one for `--student auto`; neither imports a framework.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit import registry
from edgekit.errors import DataError, RecipeError


def build(
    table: str,
    name: str,
    keras: Any,
    input_shape: tuple[int, int, int],
    classes: int,
    width: str = "",
    backbone: str | None = None,
) -> Any:
    """Build the network `name` of registry table "students" or "teachers".

    Args:
        keras: the Keras 3 module of the chosen backend.
        input_shape: (H, W, C).
        classes: K.
        width: one of the network's widths, "" = its first; only "" if it has none.
        backbone: the file that determines the size of a network with `Entry.from_file`; not used by others.

    Returns:
        An untrained functional model, (N, H, W, C) float32 in [0, 1] -> (N, K) probabilities (a Softmax layer is last).

    Raises:
        DataError: the images are too small for the network.
        RecipeError: the network has no such width, or needs a file that is not given or does not fit.
        IntegrityError, MissingExtra: the file is damaged, or needs a package that is not installed.
    """
    builder, entry = registry.load(table, name), registry.TABLES[table][1][name]
    widths = entry.widths
    if width and width not in widths:
        known = f"known: {', '.join(widths)}" if widths else "it has none"
        raise RecipeError(f"{name!r} has no width {width!r} ({known})")
    if entry.from_file and not backbone:
        raise RecipeError(f"{name!r} takes its size from a public checkpoint: set student.backbone to its file.")
    try:
        if entry.from_file:
            return builder(keras, input_shape, classes, Path(backbone or ""))
        if widths:
            return builder(keras, input_shape, classes, width=width or widths[0])
        return builder(keras, input_shape, classes)
    except ValueError as error:
        height, across, _ = input_shape
        raise DataError(f"Images of {height}x{across} do not fit {name!r}: {str(error).splitlines()[0]}") from None
