"""What the metadata.json beside a file says of it: by itself a file does not tell probabilities from logits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.data.audio.frontend import from_described
from edgekit.errors import IntegrityError
from edgekit.types import Artifact, FrontEnd, Output

_KINDS: Mapping[str | None, Output | None] = {None: None, "softmax": "probabilities", "logits": "logits"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """An entry of the metadata.json at `path`. sha256: of the file that it describes, which need not be the one there.

    output: what that ends in, None = not told. calibration: its temperature, None = not told. front_end: what clips become its
    inputs by, None = it takes images.
    """

    path: Path
    sha256: str
    classes: tuple[str, ...]
    contract: str
    output: Output | None
    calibration: Mapping[str, Any] | None
    front_end: FrontEnd | None


def beside(artifact: Artifact) -> Described | None:
    """The entry under the artifact's name in the metadata.json beside it, if there is one.

    Raises:
        IntegrityError: that is no metadata file of edgekit.
        DataError: its front end was made by rules that this edgekit does not know.
    """
    path = artifact.path.parent / "metadata.json"
    if not path.is_file():
        return None
    try:
        metadata = json.loads(path.read_text())
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
    """What the file ends in, by the metadata.json beside it; None where that is of another file, or there is none."""
    found = beside(artifact)
    return found.output if found is not None and found.sha256 == artifact.sha256 else None


def damaged(path: Path, error: Exception) -> IntegrityError:
    """The error of a metadata.json that cannot be read as one."""
    return IntegrityError(f"{path} is not a metadata file of edgekit ({type(error).__name__}: {error}).")
