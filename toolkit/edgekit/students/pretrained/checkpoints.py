"""Weights of public checkpoints of AST and PaSST (`students.checkpoint_files` reads them) for networks of `students.transformer`.

The input may differ in size from what the checkpoint was trained on: positions are resampled to the new grid of patches.
Every tensor of the file is either used or listed as unused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.errors import RecipeError
from edgekit.students.pretrained.files import UNUSED, Checkpoint, read
from edgekit.students.pretrained.tensors import Array
from edgekit.students.transformer import Plan

__all__ = ["Assigned", "Checkpoint", "assign", "read", "resampled", "weights"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """How a file's tensors were used.

    used, unused: their names in the file. fresh: layers of the trunk that the file has no weights for. notes: the conversions
    made, one sentence each.
    """

    used: tuple[str, ...]
    unused: tuple[str, ...]
    fresh: tuple[str, ...]
    notes: tuple[str, ...]


def assign(model: Any, checkpoint: Checkpoint, *, scale: float = 1.0, offset: float = 0.0) -> Assigned:
    """Load a checkpoint's weights and epsilons into a network of `students.transformer`; its layer "logits" is unchanged.

    Args:
        scale, offset: the checkpoint was trained on inputs of scale * x + offset, where x is the input of `model`. Patches are
            not padded, so this is folded into the patch embedding without error.

    Raises:
        RecipeError: layers whose shape differs from the checkpoint's (the first ones are named), or positions of an unknown grid.
    """
    grid = tuple(model.get_layer("positions").output.shape[1:3])
    values, notes = weights(checkpoint, grid, scale=scale, offset=offset)
    _fit(model, values, checkpoint)
    for name, arrays in values.items():
        model.get_layer(name).set_weights(arrays)
    _set_epsilons(model, checkpoint.plan)
    tensors, names = checkpoint.tensors, checkpoint.names
    left = {name for name in tensors if UNUSED.fullmatch(name) or name.startswith("head.1.")}
    return Assigned(
        used=tuple(sorted({names[name] for name in tensors if name not in left})),
        unused=tuple(sorted({names[name] for name in left})),
        fresh=() if "head_norm" in values else ("head_norm",),
        notes=notes,
    )


def weights(
    checkpoint: Checkpoint, grid: tuple[int, int], *, scale: float = 1.0, offset: float = 0.0
) -> tuple[dict[str, list[Array]], tuple[str, ...]]:
    """A checkpoint's tensors as weights of layers of `students.transformer`, all but those of its last layer.

    Args:
        grid: (times, frequencies) of the patches they are for.
        scale, offset: see `assign`.

    Returns:
        Name of a layer -> its weights in Keras' order, and notes as in `Assigned`.
    """
    tensors = checkpoint.tensors

    def norm(name: str) -> list[Array]:
        return [tensors[f"{name}.weight"], tensors[f"{name}.bias"]]

    def dense(name: str) -> list[Array]:
        return [tensors[f"{name}.weight"].T, tensors[f"{name}.bias"]]

    values, notes = _embedding(checkpoint, grid, scale, offset)
    for number in range(checkpoint.plan.depth):
        ours, theirs = f"block{number}", f"blocks.{number}"
        values |= {f"{ours}_{part}": norm(f"{theirs}.{part}") for part in ("norm1", "norm2")}
        values |= {f"{ours}_{part}": dense(f"{theirs}.attn.{part}") for part in ("q", "k", "v", "proj")}
        values |= {f"{ours}_{part}": dense(f"{theirs}.mlp.{part}") for part in ("fc1", "fc2")}
    values["norm"] = norm("norm")
    if checkpoint.classes:
        values["head_norm"] = norm("head.0")
    return values, notes


def _embedding(
    checkpoint: Checkpoint, grid: tuple[int, int], scale: float, offset: float
) -> tuple[dict[str, list[Array]], tuple[str, ...]]:
    """Weights of the layers before the blocks, and notes."""
    tensors, plan, notes = checkpoint.tensors, checkpoint.plan, []
    kernel = tensors["patch_embed.proj.weight"]
    if kernel.shape[1] > 1:
        notes.append(f"the patch embedding's {kernel.shape[1]} colors are summed")
        kernel = kernel.sum(axis=1, keepdims=True)
    # (D, 1, frequency, time) -> (time, frequency, 1, D)
    kernel = kernel.transpose(3, 2, 1, 0)
    bias = tensors["patch_embed.proj.bias"] + np.float32(offset) * kernel.sum(axis=(0, 1, 2))
    values: dict[str, list[Array]] = {"patch_embed": [kernel * np.float32(scale), bias]}
    tokens = np.concatenate([tensors["cls_token"], tensors["dist_token"]], axis=1)
    if plan.separate:
        times = tensors["time_new_pos_embed"][0, :, 0].T  # (T, D)
        frequencies = tensors["freq_new_pos_embed"][0, :, :, 0].T
        was = len(times), len(frequencies)
        # Its authors read shorter clips from the start of the table.
        tables = [
            resampled(times, grid[0], start=0)[None, :, None],
            resampled(frequencies, grid[1])[None, None],
        ]
        tokens = tokens + tensors["new_pos_embed"]
    else:
        table = tensors["pos_embed"]
        was = _grid_of(checkpoint, table.shape[1] - 2, grid)
        places = table[0, 2:].reshape(was[1], was[0], -1).transpose(1, 0, 2)  # stored by frequency, then time
        places = resampled(resampled(places, grid[0]), grid[1], axis=1)
        tables, tokens = [places[None]], tokens + table[:, :2]
    if was != grid:
        notes.append(f"positions of {was[0]}x{was[1]} patches (times x frequencies) became {grid[0]}x{grid[1]}")
    values["positions"], values["class_tokens"] = tables, [tokens]
    return values, tuple(notes)


def _grid_of(checkpoint: Checkpoint, places: int, grid: tuple[int, int]) -> tuple[int, int]:
    """(times, frequencies) of the checkpoint's positions; the file only has their product: `grid` if the product matches,
    else the frequencies of 128 bands, as in every published network.
    """
    plan, bands = checkpoint.plan, 128
    if places == grid[0] * grid[1]:
        return grid
    rows = (bands - plan.patch[1]) // plan.stride[1] + 1
    if places < 1 or places % rows:
        raise RecipeError(
            f"{checkpoint.path.name} has {places} positions: neither a grid of {rows} frequencies, which {bands} bands have with "
            f"patches of {plan.patch[1]} every {plan.stride[1]}, nor the network's {grid[0]}x{grid[1]}. Choose "
            "data.audio.clip_s, hop_ms and n_mels that give the grid it was trained on, or a checkpoint of 128 bands."
        )
    return places // rows, rows


def _set_epsilons(model: Any, plan: Plan) -> None:
    for layer in model.layers:
        if type(layer).__name__ == "LayerNorm":
            layer.epsilon = plan.head_epsilon if layer.name == "head_norm" else plan.epsilon


def _fit(model: Any, values: Mapping[str, list[Array]], checkpoint: Checkpoint) -> None:
    known, plan = {layer.name: layer for layer in model.layers}, checkpoint.plan
    wrong = []
    for name, arrays in values.items():
        if name not in known:
            wrong.append(f"the network has no layer {name}")
            continue
        shapes, own = [array.shape for array in arrays], [tuple(weight.shape) for weight in known[name].weights]
        if shapes != own:
            wrong.append(f"{name} is {shapes}, the network's {own}")
    optional = ("logits", "head_norm")
    wrong += [f"no {name}" for name, layer in known.items() if layer.weights and name not in (*values, *optional)]
    if not wrong and known["block0_attention"].heads != plan.heads:
        wrong.append(f"{plan.heads} heads, the network has {known['block0_attention'].heads}")
    if not wrong and tuple(known["patch_embed"].strides) != plan.stride:
        wrong.append(f"patches every {plan.stride}, the network's every {tuple(known['patch_embed'].strides)}")
    if wrong:
        more = f"; and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        raise RecipeError(f"{checkpoint.path.name} does not fit {model.name!r}: {'; '.join(wrong[:4])}{more}.")


def resampled(table: Array, size: int, *, axis: int = 0, start: int | None = None) -> Array:
    """Positions for `size` places along `axis`, resampled from a table of a different size by AST's rule.

    Fewer: a piece of the table, from `start`, or its middle. More: linear interpolation between the centers of the places, like
    PyTorch's interpolate does (bilinear, align_corners False).
    """
    table = np.moveaxis(table, axis, 0)
    count = len(table)
    if size <= count:
        first = count // 2 - size // 2 if start is None else start
        rows = table[first : first + size]
    else:
        place = np.clip((np.arange(size) + 0.5) * count / size - 0.5, 0, count - 1)
        below = np.floor(place).astype(int)
        share = (place - below).astype(np.float32).reshape(-1, *(1,) * (table.ndim - 1))
        rows = (1 - share) * table[below] + share * table[np.minimum(below + 1, count - 1)]
    return np.ascontiguousarray(np.moveaxis(rows, 0, axis), np.float32)
