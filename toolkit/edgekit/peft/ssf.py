"""Scaling and shifting of features: y = gamma * x + beta after each layer (Lian et al. 2022, arXiv 2210.08823, eq. 5).

After each dense and convolutional layer, before its activation, and each normalization. A convolution without bias before a
batch normalization is left out, since that layer's scale and shift do the same; without bias elsewhere, it is only scaled.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from edgekit.peft.insertion import (
    CONVOLUTIONS,
    DENSE,
    DEPTHWISE,
    Insertion,
    before_batch_norm,
    has_bias,
    is_affine,
    kind,
    trunk,
)
from edgekit.recipe import PeftSection

PART = "ssf"
_SPREAD = 0.02  # standard deviation of both at the start, as in the authors' code


def places(keras: Any, model: Any, section: PeftSection) -> Mapping[str, Insertion]:
    """Layer name -> its scale and shift."""
    chosen = {}
    for layer in trunk(model):
        if is_affine(layer):
            chosen[layer.name] = scaled(keras, layer, shift=True)
        elif kind(layer) in (*DENSE, *CONVOLUTIONS, *DEPTHWISE) and (has_bias(layer) or not before_batch_norm(layer)):
            chosen[layer.name] = scaled(keras, layer, shift=has_bias(layer))
    return chosen


def scaled(keras: Any, layer: Any, *, scale: bool = True, shift: bool = True, spread: float = _SPREAD) -> Insertion:
    """`scale` and `shift` of each channel after `layer`; their initial values differ from 1 and 0 by noise of `spread`."""
    inserted = _scale_shift(keras)(scale, shift, spread, name=f"{layer.name}_{PART}")
    return Insertion({PART: inserted}, lambda _, y: inserted(y))


@cache
def _scale_shift(keras: Any) -> Any:
    class ScaleShift(keras.layers.Layer):  # type: ignore[misc]  # the base class is known at run time only
        """(..., C) -> (..., C): gamma * x + beta. Never in a file: `merge` folds it into the layer before."""

        def __init__(self, scale: bool, shift: bool, spread: float, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.scale, self.shift, self.spread = scale, shift, spread
            self.gamma: Any = None
            self.beta: Any = None

        def build(self, input_shape: tuple[int | None, ...]) -> None:
            # The names exclude them from weight decay, like those of a normalization.
            for name, wanted, mean in (("gamma", self.scale, 1.0), ("beta", self.shift, 0.0)):
                if wanted:
                    start = keras.initializers.RandomNormal(mean, self.spread)
                    setattr(self, name, self.add_weight(shape=input_shape[-1:], name=name, initializer=start))

        def call(self, inputs: Any) -> Any:
            x = inputs if self.gamma is None else inputs * self.gamma
            return x if self.beta is None else x + self.beta

        def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
            return tuple(input_shape)

    return ScaleShift
