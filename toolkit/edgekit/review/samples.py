"""The samples of a run's curation, worst first: the method's scores and reasons, and the samples that pass a filter."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import IntegrityError, UsageError

# Reasons may contain a number or another sample's name: the part before it is the kind of reason.
_PARTICULAR = re.compile(r"\s*(?:[;:('\"=]|\d).*", re.DOTALL)
UNTOUCHED = "untouched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One training sample. score: higher = more worth keeping, NaN = none. action, reason: the method's, "keep" and "" for most.

    new: the label or weight that the method assigned.
    """

    id: str
    label: int
    score: float
    action: str
    reason: str
    new: float | None


class Samples:
    """The N samples of a curation in data-set order; a row is built on request."""

    def __init__(
        self,
        method: str,
        classes: tuple[str, ...],
        ids: NDArray[np.str_],
        labels: NDArray[np.int64],
        scores: NDArray[np.float32],
        edits: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.method, self.classes, self.ids, self.labels, self.scores = method, classes, ids, labels, scores
        self._edits = edits

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Rows by score, lowest first; equal scores in data-set order, NaN last."""
        return np.argsort(self.scores, kind="stable")

    @cached_property
    def _rows(self) -> Mapping[str, int]:
        return {str(name): row for row, name in enumerate(self.ids)}

    def find(self, name: str) -> int | None:
        """The row of an id."""
        return self._rows.get(name)

    def row(self, index: int) -> Row:
        """The sample in a row."""
        name = str(self.ids[index])
        edit = self._edits.get(name, {"action": "keep", "reason": "", "new": None})
        return Row(
            id=name,
            label=int(self.labels[index]),
            score=float(self.scores[index]),
            action=str(edit["action"]),
            reason=str(edit["reason"]),
            new=None if edit["new"] is None else float(edit["new"]),
        )

    @cached_property
    def reasons(self) -> Mapping[str, int]:
        """How many samples there are of each kind of reason, most frequent first; "untouched" is one."""
        counts: dict[str, int] = {}
        for name in self._edits:
            kind = self._kind(name)
            counts[kind] = counts.get(kind, 0) + 1
        if untouched := len(self) - len(self._edits):
            counts[UNTOUCHED] = untouched
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def _kind(self, name: str) -> str:
        edit = self._edits.get(name)
        return UNTOUCHED if edit is None else kind_of(str(edit["action"]), str(edit["reason"]))

    def chosen(self, *, label: int | None = None, reason: str | None = None) -> NDArray[np.int64]:
        """The rows of a class and of a kind of reason (None = all), worst first."""
        rows = self.order
        if label is not None:
            rows = rows[self.labels[rows] == label]
        if reason is not None:
            rows = rows[[self._kind(str(self.ids[row])) == reason for row in rows.tolist()]]
        return rows


def kind_of(action: str, reason: str) -> str:
    """ "relabel: low margin score" of ("relabel", "low margin score; p = 0.93")."""
    return f"{action}: {_PARTICULAR.sub('', reason)}".rstrip(": ")


def read(run: Path) -> Samples:
    """The samples of the curation in the run folder `run`.

    Raises:
        UsageError: the folder contains no curation. IntegrityError: its files are damaged.
    """
    import pyarrow.parquet as pq

    folder = run / "curation"
    if not (folder / "scores.parquet").is_file():
        raise UsageError(
            f"{run} contains no curation to review; create one with `edgekit curate --data ... --out DIR`."
        )
    try:
        table = pq.read_table(folder / "scores.parquet")
        method = next(name for name in table.column_names if name not in ("id", "label"))
        classes = tuple(json.loads((folder / "summary.json").read_text())["per_class"])
        lines = (folder / "selection.jsonl").read_text(encoding="utf-8").splitlines()
        edits = {row["id"]: {key: row[key] for key in ("action", "reason", "new")} for row in map(json.loads, lines)}
        ids = np.array(table["id"].to_pylist(), dtype=str)
        labels = table["label"].to_numpy().astype(np.int64)
        scores = table[method].to_numpy().astype(np.float32)
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:  # ArrowInvalid is a ValueError
        raise IntegrityError(f"The curation in {run} is damaged ({error}); run it again.") from None
    return Samples(method, classes, ids, labels, scores, edits)
