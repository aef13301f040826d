"""File names read from files: a manifest, a report or a metadata file may have been written by anyone.

Code that reads, writes or removes a file by such a name gets its path from `inside`: it never leads out of the folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from edgekit.errors import IntegrityError
from edgekit.runs.files import sha256_file

MANIFEST = "manifest.json"
_MOST_SHOWN = 120
_MOST_LEVELS = 6  # of folders in a bundle


def inside(folder: Path, name: object, where: Path) -> Path:
    """`folder / name`, which is a file below the folder, or may become one.

    Args:
        name: relative, with "/", as edgekit writes names. where: the file with the name, for the error.

    Raises:
        IntegrityError: the name is invalid, a link leads out of the folder, or something other than a file is there.
    """
    if fault := _fault(folder, name):
        shown = repr(name) if len(repr(name)) <= _MOST_SHOWN else f"{repr(name)[:_MOST_SHOWN]}..."
        raise IntegrityError(
            f"{where} names {shown}, which {fault}; expected a file below {folder}. It was not touched: restore {where}, or "
            "use a folder written by edgekit."
        )
    return folder / str(name)


def manifest(where: Path) -> Any:
    """The content of the JSON file `where`, for `digests`; None = there is no such file. Raises IntegrityError if damaged."""
    try:
        return json.loads(where.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise IntegrityError(
            f"{where} cannot be read as JSON ({type(error).__name__}); restore it, or use another folder."
        ) from None


def digests(held: Any, where: Path) -> dict[str, str]:
    """name -> SHA-256 of the files that a manifest records; all names are `inside` the folder of `where`, which contains it.

    Raises:
        IntegrityError: a name is invalid, or "files" is not a mapping of names to digests.
    """
    files = held.get("files") if isinstance(held, Mapping) else None
    if not isinstance(files, Mapping) or not all(isinstance(digest, str) for digest in files.values()):
        raise IntegrityError(
            f'{where} is not a valid edgekit manifest: expected "files" to map names to digests. Restore it, or use '
            "another folder."
        )
    for name in files:
        inside(where.parent, name, where)
    return dict(files)


def unchanged(path: Path) -> Path:
    """`path` itself, unless the manifest of the run, product or bundle around it records another digest.

    Raises:
        IntegrityError: the file changed after it was recorded.
    """
    for folder in path.absolute().parents[:_MOST_LEVELS]:
        try:
            held = json.loads((folder / MANIFEST).read_text())["files"]
            entry = held[path.absolute().relative_to(folder).as_posix()]
            digest = entry["sha256"] if isinstance(entry, Mapping) else entry
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue  # no manifest, one of another program, or one that does not record it
        if path.is_file() and sha256_file(path) != digest:
            raise IntegrityError(
                f"{path} changed since {folder / MANIFEST} recorded it, so its content cannot be trusted; restore it, or copy "
                f"what you want to use out of {folder}."
            )
        return path
    return path


def _fault(folder: Path, name: object) -> str | None:
    if not isinstance(name, str) or not name:
        return "is not a name"
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        return "leads out of the folder"
    if "\\" in name or "\0" in name or PureWindowsPath(name).drive or not pure.parts or pure.as_posix() != name:
        return "is not a plain relative name"
    path = folder / name
    try:
        root, resolved = folder.resolve(), path.resolve()
        if not resolved.is_relative_to(root) or resolved == root:
            return "leads out of the folder by a link"
        return "is not a file" if path.exists() and not path.is_file() else None
    except PermissionError:
        raise  # with a better message
    except (OSError, ValueError, RuntimeError) as error:  # too long, half a character, links in a ring
        return f"cannot be a file name ({type(error).__name__})"
