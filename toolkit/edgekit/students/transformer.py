"""Audio spectrogram transformers: overlapping patches, class and distillation token, pre-LN blocks.

After AST (Gong et al. 2021, arXiv 2104.01778) and PaSST (Koutini et al. 2022, arXiv 2110.05069), for any size of spectrogram and
network; both read their result from the mean of the two tokens. Every product is a Conv2D or Dense layer with a name:
"patch_embed", and for each block "block0_q", "_k", "_v", "_proj", "_fc1", "_fc2" beside its LayerNorms "block0_norm1", "_norm2".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.errors import RecipeError
from edgekit.frameworks import layers as own_layers
from edgekit.students.blocks import softmax_head


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The size of a transformer.

    width: D of a token. hidden: units of a block's MLP. patch, stride: (time, frequency). separate: positions of time and
    frequency are learned separately (PaSST), not one per place (AST). patchout: shares of times, frequencies and tokens that a
    training step drops. epsilon, head_epsilon: those of the LayerNorms of the blocks and of the head.
    """

    width: int
    depth: int
    heads: int
    hidden: int
    patch: tuple[int, int]
    stride: tuple[int, int]
    separate: bool
    patchout: tuple[float, float, float] = (0.0, 0.0, 0.0)
    epsilon: float = 1e-6
    head_epsilon: float = 1e-5

    def grid(self, input_shape: tuple[int, ...]) -> tuple[int, int]:
        """(times, frequencies) of the patches of a (T, F, C) input.

        Raises:
            ValueError: the input is smaller than a patch.
        """
        sides = [
            (size - patch) // stride + 1
            for size, patch, stride in zip(input_shape, self.patch, self.stride, strict=False)
        ]
        if min(sides) < 1:
            raise ValueError(f"it needs at least {self.patch[0]}x{self.patch[1]}")
        return sides[0], sides[1]


SMALL_SIDE = 64
# PaSST's: 40 of 99 times and 4 of 12 frequencies, or 400 of their 1188 patches.
PATCHOUTS: Mapping[str, tuple[float, float, float]] = {
    "none": (0.0, 0.0, 0.0),
    "structured": (40 / 99, 4 / 12, 0.0),
    "unstructured": (0.0, 0.0, 400 / 1188),
}


def edge_plan(input_shape: tuple[int, ...], width: int, *, separate: bool) -> Plan:
    """A Plan of depth 4 for small devices: patches of 16 every 10 as in the papers, of 8 every 5 below 64 frequencies or frames.

    `separate` (PaSST) includes its structured patchout.
    """
    patch, stride = (16, 10) if min(input_shape[:2]) >= SMALL_SIDE else (8, 5)
    return Plan(
        width=width,
        depth=4,
        heads=4,
        hidden=4 * width,
        patch=(patch, patch),
        stride=(stride, stride),
        separate=separate,
        patchout=PATCHOUTS["structured" if separate else "none"],
    )


def set_patchout(model: Any, name: str) -> None:
    """Set what a training step of `model` drops from now on: a key of PATCHOUTS, or "auto" = unchanged.

    Raises:
        RecipeError: the model has no patches to drop.
    """
    if name == "auto":
        return
    layer = next((layer for layer in model.layers if type(layer).__name__ == "Patchout"), None)
    if layer is None:
        raise RecipeError(f"{model.name!r} has no patches to drop; training.patchout is for spectrogram transformers.")
    layer.time, layer.frequency, layer.tokens = PATCHOUTS[name]


def build(keras: Any, input_shape: tuple[int, int, int], classes: int, plan: Plan, name: str) -> Any:
    """(N, T, F, C) -> (N, K).

    Raises:
        ValueError: the input is smaller than a patch.
    """
    plan.grid(input_shape)
    layers, own = keras.layers, own_layers.of(keras)
    image = keras.Input(input_shape, name="image")
    x = layers.Conv2D(plan.width, plan.patch, strides=plan.stride, name="patch_embed")(image)
    x = own.Positions(plan.separate, name="positions")(x)
    time, frequency, tokens = plan.patchout
    x = own.Patchout(time, frequency, tokens, name="patchout")(x)
    x = own.ClassTokens(name="class_tokens")(x)
    for number in range(plan.depth):
        x = _block(keras, x, plan, f"block{number}", last=number == plan.depth - 1)
    x = own.LayerNorm(plan.epsilon, name="norm")(x)
    x = layers.GlobalAveragePooling1D(name="average")(x)
    x = own.LayerNorm(plan.head_epsilon, name="head_norm")(x)
    return keras.Model(image, softmax_head(keras, x, classes), name=name)


def _block(keras: Any, x: Any, plan: Plan, name: str, *, last: bool) -> Any:
    """x + attention(norm(x)), then x + MLP(norm(x)); (N, L, D) -> (N, L, D), or (N, 2, D) for the last block.

    Only the class and distillation token of the last block are read, so only they are computed: the result is the same.
    """
    layers, own = keras.layers, own_layers.of(keras)

    def dense(units: int, part: str) -> Any:
        return own.Dense(units, name=f"{name}_{part}")

    y = own.LayerNorm(plan.epsilon, name=f"{name}_norm1")(x)
    asking = y
    if last:
        asking = own.FirstTokens(name=f"{name}_asking")(y)
        x = own.FirstTokens(name=f"{name}_first")(x)
    query, key, value = dense(plan.width, "q")(asking), dense(plan.width, "k")(y), dense(plan.width, "v")(y)
    y = own.TokenAttention(plan.heads, name=f"{name}_attention")(query, key, value)
    x = layers.Add(name=f"{name}_add1")([x, dense(plan.width, "proj")(y)])
    y = own.LayerNorm(plan.epsilon, name=f"{name}_norm2")(x)
    y = layers.Activation("gelu", name=f"{name}_gelu")(dense(plan.hidden, "fc1")(y))
    return layers.Add(name=f"{name}_add2")([x, dense(plan.width, "fc2")(y)])
