"""What a person decided, kept in a file that `edgekit curate --apply` takes: written whole and atomically at each decision."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from edgekit import recorded
from edgekit.curation import by_hand
from edgekit.curation.by_hand import Instruction
from edgekit.errors import OutputInUse, UsageError
from edgekit.store import MANIFEST, canonical_json, write_atomic

ACTIONS = ("keep", "drop", "relabel")
_EDITS, _FURTHER = "edits.jsonl", "edits-reviewed.jsonl"


class Decisions:
    """The decisions on a run's samples, by id, in the order in which the samples were first decided on.

    Safe for several threads. Undo goes back to the beginning of this sitting, not further.
    """

    def __init__(self, path: Path, earlier: Mapping[str, Instruction]) -> None:
        self.path = path
        self._found = dict(earlier)
        self._before: list[tuple[str, Instruction | None]] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._found)

    def get(self, name: str) -> Instruction | None:
        """The decision on a sample, if there is one."""
        return self._found.get(name)

    def decide(self, wish: Instruction) -> None:
        """Take a decision and write the file; a later one on the same sample replaces it.

        Raises:
            OSError, DiskFull: it could not be written; then it is not taken.
        """
        with self._lock:
            before = self._found.get(wish.id)
            self._write({**self._found, wish.id: wish})
            self._before.append((wish.id, before))

    def undo(self) -> str | None:
        """Take the last decision of this sitting back; the id of its sample, None if there is none left."""
        with self._lock:
            if not self._before:
                return None
            name, before = self._before[-1]
            left = {key: wish for key, wish in self._found.items() if key != name}
            self._write(left if before is None else {**self._found, name: before})
            self._before.pop()
            return name

    def _write(self, found: dict[str, Instruction]) -> None:
        write_atomic(self.path, "".join(_line(wish) + "\n" for wish in found.values()))
        self._found = found


@contextlib.contextmanager
def opened(run: Path) -> Iterator[Decisions]:
    """The decisions of `run`, those of earlier sittings included; no other review may write them meanwhile.

    They are in curation/edits.jsonl. A run that was made with edits by hand has recorded its own there, which must stay as they
    are: its review goes on from them in curation/edits-reviewed.jsonl.

    Raises:
        OutputInUse: another review of the run is open. UsageError: the folder cannot be written to.
        DataError: the file of an earlier sitting is damaged. IntegrityError: a link leads out of the run.
    """
    folder = run / "curation"
    if not os.access(folder, os.W_OK):
        raise UsageError(
            f"{folder} cannot be written to, so that no decision could be kept; copy the run, or become its owner."
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
    """The files whose digests the run's manifest holds."""
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
