"""A public checkpoint of AST or PaSST as the trunk of a student, and how its authors' input differs from the data.

The difference between the ranges of the features is folded into the patch embedding; all other differences are reported.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import RecipeError
from edgekit.peft.insertion import HEAD
from edgekit.students.pretrained import checkpoints
from edgekit.types import FrontEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A backbone in a student.

    layers: how many were loaded. fresh: layers of the trunk missing from the file. notes: one sentence each, for the user.
    """

    layers: int
    fresh: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


# (x - mean) / divisor of the authors' log-mel features, and the rate of their audio: AST on AudioSet, and PaSST.
_TRAINED_ON: Mapping[str, tuple[float, float, int]] = {
    "ast": (-4.2677393, 2 * 4.5689974, 16_000),
    "ast-hf": (-4.2677393, 2 * 4.5689974, 16_000),
    "passt": (-4.5, 5.0, 32_000),
}


def load(model: Any, path: Path, front_end: FrontEnd | None) -> Loaded:
    """Copy the checkpoint at `path` into every layer of `model` but its head.

    Args:
        front_end: the front end of the features; None = the data are not audio, and their range is used unchanged.

    Raises:
        RecipeError: the model is not a spectrogram transformer, the file does not match its size, or the features are MFCC.
        IntegrityError, MissingExtra: as `students.tensor_files.arrays`.
    """
    attention, patches = (_first(model, kind) for kind in ("TokenAttention", "Conv2D"))
    if attention is None or patches is None or _first(model, "Positions") is None:
        raise RecipeError(
            f"{path} looks like a public spectrogram transformer, but {model.name!r} is not one; choose such a student "
            "(edgekit list students), or a backbone in a .keras file."
        )
    heads, stride = attention.heads, tuple(patches.strides)
    checkpoint = checkpoints.read(path, heads=heads, stride=stride)
    scale, offset, difference = 1.0, 0.0, "the data are not audio: their range is used unchanged"
    if front_end is not None:
        scale, offset = _range(path, checkpoint.layout, front_end)
        difference = _differs(checkpoint.layout, front_end)
    assigned = checkpoints.assign(model, checkpoint, scale=scale, offset=offset)
    notes = [
        f"assumed {heads} heads and patches every {stride[0]}x{stride[1]}, which the file does not specify",
        *assigned.notes,
    ]
    notes += [difference] if difference else []
    notes += [f"not in the file, trained with the head: {', '.join(assigned.fresh)}"] if assigned.fresh else []
    notes += [f"not used: {', '.join(assigned.unused)}"] if assigned.unused else []
    trunk = [layer.name for layer in model.layers if layer.weights and layer.name not in (HEAD, *assigned.fresh)]
    return Loaded(layers=len(trunk), fresh=assigned.fresh, notes=tuple(notes))


def _first(model: Any, kind: str) -> Any:
    return next((layer for layer in model.layers if type(layer).__name__ == kind), None)


def _range(path: Path, layout: str, front_end: FrontEnd) -> tuple[float, float]:
    """(scale, offset): the checkpoint was trained on scale * x + offset, where x are the features of `front_end`.

    x = (ln P - ln floor) / (ln top - ln floor) with powers P of a spectrum that is divided by half the window's sum; theirs are
    not, and are then shifted and divided by constants of their training data.
    """
    if front_end.kind != "logmel":
        raise RecipeError(
            f"{path.name} was trained on log-mel features; the data are {front_end.summary}. Set data.audio.front_end=logmel."
        )
    mean, divisor, _ = _TRAINED_ON[layout]
    scale = math.log(front_end.top) - math.log(front_end.floor)
    undone = 2 * math.log(front_end.window_samples / 4)  # a Hann window sums to half its length
    return scale / divisor, (math.log(front_end.floor) + undone - mean) / divisor


def _differs(layout: str, front_end: FrontEnd) -> str:
    """How the data's front end differs from the checkpoint's; "" if it does not."""

    def described(sample_rate: int, bands: int, window_ms: float, hop_ms: float) -> str:
        return f"{sample_rate:,} Hz, {bands} bands, {window_ms:g} ms windows every {hop_ms:g} ms"

    theirs = described(_TRAINED_ON[layout][2], 128, 25.0, 10.0)
    ours = described(front_end.sample_rate, front_end.n_mels, front_end.window_ms, front_end.hop_ms)
    return "" if ours == theirs else f"it was trained on {theirs}; the data are {ours}"
