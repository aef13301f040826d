"""The requests of a review, independent of HTTP: a page of samples, a decision, an undo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.curation.by_hand import Instruction
from edgekit.review.decisions import ACTIONS, Decisions
from edgekit.review.pictures import Pictures
from edgekit.review.samples import Samples

PAGE = 60
_MOST_ID = 1000


class Refused(Exception):
    """A rejected request; status: HTTP status code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ReviewSession:
    """The samples of a run, their pictures, and the decisions on them. Safe for several threads."""

    def __init__(self, name: str, samples: Samples, pictures: Pictures, decisions: Decisions) -> None:
        self.name, self.samples, self.pictures, self.decisions = name, samples, pictures, decisions

    def row_of(self, name: Any) -> int:
        """The row of an id in a request. Raises Refused if there is no such sample."""
        row = self.samples.find(name) if isinstance(name, str) and len(name) <= _MOST_ID else None
        if row is None:
            raise Refused(404, "no such sample in this run")
        return row

    def samples_of(self, query: Mapping[str, str]) -> dict[str, Any]:
        """A page of samples, worst first.

        Args:
            query: class (a label), reason (a kind of it), decided ("yes" or "no"), offset; each may be left out.

        Returns:
            total: how many samples pass the filter. rows: the next ones from offset on.

        Raises:
            Refused: an invalid value.
        """
        label = _number(query.get("class", ""), len(self.samples.classes), "class")
        rows = self.samples.chosen(label=label, reason=query.get("reason") or None)
        if wanted := query.get("decided"):
            if wanted not in ("yes", "no"):
                raise Refused(400, "decided must be yes or no")
            known = [
                (self.decisions.get(str(name)) is not None) == (wanted == "yes") for name in self.samples.ids[rows]
            ]
            rows = rows[np.array(known, dtype=bool)]
        offset = _number(query.get("offset", ""), 2**31, "offset") or 0
        return {"total": len(rows), "rows": [self._shown(int(row)) for row in rows[offset : offset + PAGE]]}

    def decide(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Record the decision {"id", "action": keep, drop or relabel, "new": label}; returns the new state.

        Raises:
            Refused: no such sample, action or label. OSError, DiskFull: it could not be written.
        """
        name, action, new = body.get("id"), body.get("action"), body.get("new")
        row = self.row_of(name)
        if action not in ACTIONS:
            raise Refused(400, f"action must be one of {', '.join(ACTIONS)}")
        if action == "relabel":
            if isinstance(new, bool) or not isinstance(new, int) or not 0 <= new < len(self.samples.classes):
                raise Refused(400, f"new must be a label from 0 to {len(self.samples.classes) - 1}")
        elif new is not None:
            raise Refused(400, "only relabel has a new label")
        self.decisions.decide(Instruction(id=str(name), action=action, new=None if new is None else float(new)))
        return self._state(row)

    def undo(self) -> dict[str, Any]:
        """Undo the last decision of this session. Raises Refused if there is none."""
        name = self.decisions.undo()
        if name is None:
            raise Refused(409, "nothing to undo in this session")
        return self._state(self.row_of(name))

    def _state(self, row: int) -> dict[str, Any]:
        return {"sample": self._shown(row), "count": len(self.decisions)}

    def _shown(self, index: int) -> dict[str, Any]:
        row = self.samples.row(index)
        wish = self.decisions.get(row.id)
        return {
            "id": row.id,
            "label": row.label,
            "score": row.score,
            "action": row.action,
            "reason": row.reason,
            "new": row.new,
            "sound": self.pictures.sound(index) is not None,
            "decision": None if wish is None else {"action": wish.action, "new": wish.new},
        }


def _number(text: str, below: int, what: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) >= below:
        raise Refused(400, f"{what} must be a number below {below}")
    return int(text)
