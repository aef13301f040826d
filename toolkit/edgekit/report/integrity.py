"""Is a run unchanged since its build, and does each file compute the same everywhere? One check per line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import IntegrityError
from edgekit.runs import recorded
from edgekit.runs.files import sha256_file
from edgekit.runs.folder import MANIFEST

_REBUILT = ("report.html", "card.md")  # by `edgekit report`, from the other files


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check with its name. problem: what is wrong, None = nothing. damage: a file changed."""

    name: str
    problem: str | None = None
    damage: bool = False


def checks(path: Path, document: Mapping[str, Any]) -> list[Check]:
    """Check the run in folder `path`, with report.json `document`. Reads every file of it once; writes nothing.

    The digests are those in manifest.json and report.json; the results of the files on the targets, and whether these could be
    measured, come from the report.

    Raises:
        IntegrityError: report.json names a file outside the run.
    """
    result = [_recorded(path)]
    for row in document["artifacts"]:
        file = recorded.inside(path, row["path"], path / "report.json")
        same = file.is_file() and sha256_file(file) == row["sha256"]
        problem = None if same else f"{row['path']} is not the file that the report describes"
        result.append(Check(name=f"{row['name']} is the file that was judged", problem=problem, damage=not same))
    return result + on_targets(document["measurements"], document.get("bench_failures", {}))


def on_targets(rows: Iterable[Mapping[str, Any]], failures: Mapping[str, object]) -> list[Check]:
    """Whether the files compute the same on each target as here, and whether it could be measured at all.

    Args:
        rows: measurements as in report.json and bench/*.json. failures: target -> why it could not be measured.
    """
    result = []
    for row in rows:
        if (parity := row.get("parity")) and "holds" in parity:
            difference = f"{row['artifact']} with {row['threads']} thread(s) does not compute the same on {row['target']} as here"
            name = f"{row['artifact']} with {row['threads']} thread(s) computes the same on {row['target']}"
            result.append(Check(name=name, problem=None if parity["holds"] else difference))
    for target, error in failures.items():
        problem = str(error) if target in str(error) else f"{target}: {error}"
        result.append(Check(name=f"{target} was measured", problem=problem))
    return result


def _recorded(path: Path) -> Check:
    name = f"the files of the run are as {MANIFEST} recorded them"
    try:
        files = recorded.digests(recorded.manifest(path / MANIFEST), path / MANIFEST)
    except IntegrityError as error:
        return Check(name=name, problem=str(error).rstrip("."), damage=True)
    for each, digest in files.items():
        file = path / each
        if each in _REBUILT and not file.exists():
            continue
        if not file.is_file() or sha256_file(file) != digest:
            what = "changed" if file.exists() else "is missing"
            return Check(name=name, problem=f"{file} {what} since the run wrote it", damage=True)
    return Check(name=name)
