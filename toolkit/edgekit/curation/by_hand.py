"""Manual edits, `--apply edits.jsonl`: they veto, change or add to the method's choice.

One JSON object per line: {"id": "train/7", "action": "keep" | "drop" | "relabel" | "weight", "new": label or weight}. Other keys
are ignored, so that lines of a selection.jsonl can be edited and passed back.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError
from edgekit.types import Edit, Signals

_ACTIONS = ("keep", "drop", "relabel", "weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """A manual edit of one sample; `new` is the label or the weight for actions that need one."""

    id: str
    action: str
    new: float | None = None


def read(path: Path) -> list[Instruction]:
    """Read an edits file.

    Raises:
        DataError: it cannot be read, a line is not such an object, or an id occurs twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Cannot read the edits {path}: {getattr(error, 'strerror', None) or error}.") from None
    instructions: dict[str, Instruction] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        instruction = _parse(line, f"{path}, line {number}")
        if instruction.id in instructions:
            raise DataError(f"{path}, line {number}: {instruction.id!r} already has an edit; expected one per sample.")
        instructions[instruction.id] = instruction
    return list(instructions.values())


def _parse(line: str, where: str) -> Instruction:
    try:
        row = json.loads(line)
    except ValueError:
        raise DataError(f"{where} is not JSON: {line[:60]!r}.") from None
    if not isinstance(row, dict) or not isinstance(row.get("id"), str) or row.get("action") not in _ACTIONS:
        raise DataError(f'{where}: expected {{"id": ..., "action": "{"|".join(_ACTIONS)}"}}, found {line[:80]}.')
    new, action = row.get("new"), str(row["action"])
    if action in ("keep", "drop"):
        return Instruction(id=row["id"], action=action)
    if (
        isinstance(new, bool)
        or not isinstance(new, (int, float))
        or not math.isfinite(new)
        or (action == "relabel" and new != int(new))
        or new < 0
    ):
        raise DataError(f'{where}: action {action!r} needs "new": a label number, or a weight; found {new!r}.')
    return Instruction(id=row["id"], action=action, new=float(new))


def override(
    edits: Mapping[int, Edit], by_hand: Sequence[Instruction], signals: Signals, values: NDArray[Any]
) -> dict[int, Edit]:
    """The edits, with manual ones instead of the method's where there are both.

    Raises:
        DataError: an id is not a training sample, or a new label is out of range.
    """
    if not by_hand:
        return dict(edits)
    index = {str(name): i for i, name in enumerate(signals.ids)}
    combined = dict(edits)
    for wish in by_hand:
        if wish.id not in index:
            raise DataError(f"The edits name {wish.id!r}, which is not a training sample.")
        i = index[wish.id]
        combined.pop(i, None)
        if wish.action == "keep":
            continue
        if wish.action == "relabel" and not 0 <= int(wish.new or 0) < signals.classes:
            raise DataError(
                f"The edits relabel {wish.id!r} to {wish.new:g}; labels run from 0 to {signals.classes - 1}."
            )
        old = 1.0 if wish.action == "weight" else int(signals.labels[i])
        combined[i] = Edit(
            action=wish.action, old=old, new=wish.new, reason="by hand", score=float(np.float32(values[i]))
        )
    return dict(sorted(combined.items()))
