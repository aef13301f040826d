"""Files named in the JSON files of a bundle: they must be in the bundle, whatever the name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .errors import Refused


def below(folder: Path, name: Any) -> Path:
    """folder / name; raises Refused if that is not a file below the folder, or not even a name."""
    try:
        path: Path = folder / name
        if "\\" not in name and ".." not in path.parts and folder.resolve() in path.resolve().parents:
            return path
    except (TypeError, ValueError, OSError, RuntimeError):
        pass
    raise Refused(f"the bundle names {name!r}, which is not a file below {folder}; copy the bundle again.")
