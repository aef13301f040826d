"""How the metadata.json next to a file describes it: the file itself does not distinguish probabilities from logits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.data.audio.frontend import from_described
from edgekit.errors import IntegrityError
from edgekit.runs.recorded import unchanged
from edgekit.types import Artifact, FrontEnd, Output

_KINDS: Mapping[str | None, Output | None] = {None: None, "softmax": "probabilities", "logits": "logits"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """The entry in the metadata.json at `path`. sha256: that of the file it describes, which may differ from the file there.

    output: the kind of output, None = not specified. calibration: its temperature, None = not specified. front_end: converts
    clips to its inputs, None = it takes images.
    """

    path: Path
    sha256: str
    classes: tuple[str, ...]
    contract: str
    output: Output | None
    calibration: Mapping[str, Any] | None
    front_end: FrontEnd | None


def beside(artifact: Artifact) -> Described | None:
    """The entry under the artifact's name in the metadata.json next to it, if there is one.

    Raises:
        IntegrityError: the file is not a metadata file of edgekit, or changed after a run, product or bundle recorded it.
        DataError: its front end was made by a version that this edgekit does not know.
    """
    path = artifact.path.parent / "metadata.json"
    if not path.is_file():
        return None
    try:
        metadata = json.loads(unchanged(path).read_text())
        entry = metadata["artifacts"].get(artifact.name)
        classes, preprocessing = tuple(metadata["classes"]), metadata["preprocessing"]
        if entry is None:
            return None
        return Described(
            path=path,
            sha256=entry["sha256"],
            classes=classes,
            contract=preprocessing["contract"],
            output=_KINDS[metadata.get("output", {}).get("kind")],
            calibration=entry.get("calibration"),
            front_end=from_described(preprocessing) if preprocessing.get("kind") == "audio" else None,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(path, error) from None


def output_of(artifact: Artifact) -> Output | None:
    """The kind of the file's output, from the metadata.json next to it; None if that describes another file, or is missing."""
    description = beside(artifact)
    return description.output if description is not None and description.sha256 == artifact.sha256 else None


def damaged(path: Path, error: Exception) -> IntegrityError:
    """The error for a metadata.json that cannot be parsed as one."""
    return IntegrityError(f"{path} is not a metadata file of edgekit ({type(error).__name__}: {error}).")
