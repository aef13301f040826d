"""A person's decisions, stored in a file for `edgekit curate --apply`: rewritten atomically at each decision."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from edgekit.curation import by_hand
from edgekit.curation.by_hand import Instruction
from edgekit.errors import OutputInUse, UsageError
from edgekit.runs import recorded
from edgekit.runs.files import canonical_json, write_atomic
from edgekit.runs.folder import MANIFEST

ACTIONS = ("keep", "drop", "relabel")
_EDITS, _FURTHER = "edits.jsonl", "edits-reviewed.jsonl"


class Decisions:
    """The decisions on a run's samples, by id, in the order in which the samples were first decided on.

    Safe for several threads. Undo goes back to the start of this session, not further.
    """

    def __init__(self, path: Path, earlier: Mapping[str, Instruction]) -> None:
        self.path = path
        self._decisions = dict(earlier)
        self._before: list[tuple[str, Instruction | None]] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._decisions)

    def get(self, name: str) -> Instruction | None:
        """The decision on a sample, if there is one."""
        return self._decisions.get(name)

    def decide(self, wish: Instruction) -> None:
        """Record a decision and write the file; a later one on the same sample replaces it.

        Raises:
            OSError, DiskFull: it could not be written; then it is not recorded.
        """
        with self._lock:
            before = self._decisions.get(wish.id)
            self._write({**self._decisions, wish.id: wish})
            self._before.append((wish.id, before))

    def undo(self) -> str | None:
        """Undo the last decision of this session; returns the id of its sample, None if there is none left."""
        with self._lock:
            if not self._before:
                return None
            name, before = self._before[-1]
            left = {key: wish for key, wish in self._decisions.items() if key != name}
            self._write(left if before is None else {**self._decisions, name: before})
            self._before.pop()
            return name

    def _write(self, decisions: dict[str, Instruction]) -> None:
        write_atomic(self.path, "".join(_line(wish) + "\n" for wish in decisions.values()))
        self._decisions = decisions


@contextlib.contextmanager
def opened(run: Path) -> Iterator[Decisions]:
    """The decisions of `run`, including those of earlier sessions; no other review may write them meanwhile.

    They are in curation/edits.jsonl. A run built with manual edits has its own edits recorded there, which must stay
    unchanged: its review continues from them in curation/edits-reviewed.jsonl.

    Raises:
        OutputInUse: another review of the run is open. UsageError: the folder cannot be written to.
        DataError: the file of an earlier session is damaged. IntegrityError: a link leads out of the run.
    """
    folder = run / "curation"
    if not os.access(folder, os.W_OK):
        raise UsageError(
            f"{folder} cannot be written to, so decisions cannot be saved; copy the run, or change its owner."
        )
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputInUse(f"Another review of {run} is open; end it first.") from None
        own, further = (recorded.inside(run, f"curation/{name}", run) for name in (_EDITS, _FURTHER))
        path = further if f"curation/{_EDITS}" in _recorded(run) else own
        earlier = next((each for each in (path, own) if each.exists()), None)
        yield Decisions(path, {wish.id: wish for wish in by_hand.read(earlier)} if earlier else {})
    finally:
        os.close(lock)


def _recorded(run: Path) -> Mapping[str, str]:
    """The files whose digests are in the run's manifest."""
    try:
        files = json.loads((run / MANIFEST).read_text())["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return files if isinstance(files, dict) else {}


def _line(wish: Instruction) -> str:
    row: dict[str, object] = {"id": wish.id, "action": wish.action}
    if wish.new is not None:
        row["new"] = int(wish.new) if wish.action == "relabel" else wish.new
    return canonical_json(row)
