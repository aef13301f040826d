"""Is a run still what its build left, and does each file compute the same everywhere? One check a line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit import recorded
from edgekit.errors import IntegrityError
from edgekit.store import MANIFEST, sha256_file

_MADE_AGAIN = ("report.html", "card.md")  # by `edgekit report`, from the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check by its name. problem: what is wrong, None = nothing. damage: a file is not what it was."""

    name: str
    problem: str | None = None
    damage: bool = False


def checks(path: Path, document: Mapping[str, Any]) -> list[Check]:
    """Check the run in folder `path`, whose report.json holds `document`. Reads every file of it once; writes nothing.

    The digests are those of manifest.json and of report.json; what the files computed on the targets, and whether these could
    be measured, is as the report says.

    Raises:
        IntegrityError: report.json names a file outside of the run.
    """
    found = [_recorded(path)]
    for row in document["artifacts"]:
        file = recorded.inside(path, row["path"], path / "report.json")
        same = file.is_file() and sha256_file(file) == row["sha256"]
        problem = None if same else f"{row['path']} is not the file that the report tells of"
        found.append(Check(name=f"{row['name']} is the file that was judged", problem=problem, damage=not same))
    return found + on_targets(document["measurements"], document.get("bench_failures", {}))


def on_targets(rows: Iterable[Mapping[str, Any]], failures: Mapping[str, object]) -> list[Check]:
    """Whether the files compute on each target what they compute here, and whether it could be measured at all.

    Args:
        rows: measurements as report.json and bench/*.json have them. failures: target -> why it could not be measured.
    """
    found = []
    for row in rows:
        if (parity := row.get("parity")) and "holds" in parity:
            told = f"{row['artifact']} with {row['threads']} thread(s) computes something else on {row['target']} than here"
            name = f"{row['artifact']} with {row['threads']} thread(s) computes the same on {row['target']}"
            found.append(Check(name=name, problem=None if parity["holds"] else told))
    for target, error in failures.items():
        problem = str(error) if target in str(error) else f"{target}: {error}"
        found.append(Check(name=f"{target} was measured", problem=problem))
    return found


def _recorded(path: Path) -> Check:
    name = f"the files of the run are as {MANIFEST} recorded them"
    try:
        files = recorded.digests(recorded.manifest(path / MANIFEST), path / MANIFEST)
    except IntegrityError as error:
        return Check(name=name, problem=str(error).rstrip("."), damage=True)
    for each, digest in files.items():
        file = path / each
        if each in _MADE_AGAIN and not file.exists():
            continue
        if not file.is_file() or sha256_file(file) != digest:
            what = "was changed" if file.exists() else "is missing"
            return Check(name=name, problem=f"{file} {what} since the run wrote it", damage=True)
    return Check(name=name)
