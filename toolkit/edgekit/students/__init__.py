"""Networks: `build(name, keras, input_shape, classes)`; one file each under architectures/, listed in registry.STUDENTS."""

from __future__ import annotations

from typing import Any

from edgekit import registry
from edgekit.errors import DataError


def build(table: str, name: str, keras: Any, input_shape: tuple[int, int, int], classes: int) -> Any:
    """Build the network `name` of registry table "students" or "teachers".

    Args:
        keras: the Keras 3 module of the chosen backend.
        input_shape: (H, W, C).
        classes: K.

    Returns:
        An untrained functional model, (N, H, W, C) float32 in [0, 1] -> (N, K) probabilities (a Softmax layer is last).

    Raises:
        DataError: the images are too small for the network.
    """
    builder = registry.load(table, name)
    try:
        return builder(keras, input_shape, classes)
    except ValueError as error:
        height, width, _ = input_shape
        raise DataError(f"Images of {height}x{width} do not fit {name!r}: {str(error).splitlines()[0]}") from None
