"""report.json -> report.html and card.md; writes all three to the run folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import IntegrityError
from edgekit.report import card, changes, html
from edgekit.report.document import SCHEMA, reported_split
from edgekit.runs.folder import RunFolder
from edgekit.types import Dataset, Report


def write(folder: RunFolder, document: dict[str, Any]) -> Report:
    """Write report.json, report.html and card.md of a run."""
    folder.write_json("report.json", document)
    folder.write("report.html", html.render(document, folder.path))
    folder.write("card.md", card.render(document))
    return Report(path=folder.path, document=document)


def keep_pictures(folder: RunFolder, dataset: Dataset, document: Mapping[str, Any]) -> None:
    """Keep images of test samples whose prediction changed in quantization, so that the page can be rebuilt without the data."""
    if reported_split(document) != "test":
        return  # the folds' samples were never together as a part
    changed = changes.load(folder.path, document["run"]["shipped"])
    if changed.quantized:
        folder.write(changes.PICTURES, changes.collect(dataset, changed))


def rebuild(path: Path) -> Report:
    """Write report.html and card.md of a finished run again, from report.json and the run's files.

    Raises:
        IntegrityError: a file of the run is missing or is not what the manifest recorded.
    """
    document = read(path)
    folder = RunFolder.open(path, resume=True)
    try:
        folder.verify(ignoring=("report.html", "card.md"))
        return write(folder, document)
    finally:
        folder.close()


def read(path: Path) -> dict[str, Any]:
    """The report.json of a run folder. Raises IntegrityError if there is none, or one of another schema."""
    try:
        document: dict[str, Any] = json.loads((path / "report.json").read_text())
    except FileNotFoundError:
        raise IntegrityError(
            f"{path} has no report.json: it is not a finished run (finish it with `edgekit build --resume`)."
        ) from None
    except (OSError, ValueError) as error:
        raise IntegrityError(f"{path / 'report.json'} cannot be read: {error}.") from None
    if document.get("schema") != SCHEMA:
        raise IntegrityError(
            f"{path / 'report.json'} has schema {document.get('schema')!r}; this edgekit reads {SCHEMA}."
        )
    return document
