"""`ast` with PaSST's two ideas: separate positions of time and frequency, and patchout (Koutini et al. 2022, arXiv 2110.05069).

A training step leaves out 40 % of the times and a third of the frequencies, which makes it cheaper and regularizes; inference
sees all patches. For spectrograms and images of at least 8x8.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.students import transformer

INPUTS = ((98, 40, 1), (28, 28, 1))  # a second of sound: 98 frames of 25 ms, one each 10 ms, 40 bands
# width -> D of a token
WIDTHS: Mapping[str, int] = {"s": 64, "m": 96}


def build(keras: Any, input_shape: tuple[int, int, int], classes: int, width: str = "s") -> Any:
    """(N, T, F, C) -> (N, K); spectrograms of at least 8x8. width: a key of WIDTHS."""
    plan = transformer.edge_plan(input_shape, WIDTHS[width], separate=True)
    return transformer.build(keras, input_shape, classes, plan, f"passt_tiny_{width}")
