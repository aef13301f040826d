"""An audio spectrogram transformer of edge size: four blocks of 64 or 96 wide tokens (Gong et al. 2021, arXiv 2104.01778).

One position is learned for each patch. For spectrograms and images of at least 8x8; it needs more data, or more
augmentation, than a convolutional network. `passt` learns times and frequencies separately and trains on part of the patches.
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
    plan = transformer.edge_plan(input_shape, WIDTHS[width], separate=False)
    return transformer.build(keras, input_shape, classes, plan, f"ast_tiny_{width}")
