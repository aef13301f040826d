"""Which image or audio files a folder contains, at any depth. Hidden files are ignored; other files are counted, never read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.data.decode import SUFFIXES
from edgekit.errors import DataError

# What operating systems leave in folders unasked.
_LITTER = ("thumbs.db", "desktop.ini", "__macosx", "icon\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """files: sorted paths of the requested files, relative to the folder, with "/"; others: suffix -> how many other files."""

    files: tuple[str, ...]
    others: Counter[str] = field(default_factory=Counter)


def subfolders(folder: Path) -> list[str]:
    """The names of the folders directly in `folder`, hidden ones left out, sorted. Raises DataError if it is unreadable."""
    return sorted(entry.name for entry in _entries(folder) if _is_folder(entry))


def loose_files(folder: Path, ignored: Collection[str] = ()) -> Counter[str]:
    """Suffix -> how many files are directly in `folder`, except for the names in `ignored`."""
    files = [entry.name for entry in _entries(folder) if not _is_folder(entry) and entry.name not in ignored]
    return Counter(_suffix(name) or "no suffix" for name in files)


def images_in(folder: Path) -> Listing:
    """All images in `folder` and below; as `files_in`."""
    return files_in(folder, SUFFIXES)


def files_in(folder: Path, suffixes: Collection[str]) -> Listing:
    """All files with one of the `suffixes` in `folder` and below; symbolic links are followed.

    Raises:
        DataError: a folder cannot be read, or a link leads back to a folder above it.
    """
    files: list[str] = []
    others: Counter[str] = Counter()

    def walk(inner: Path, prefix: str, above: frozenset[tuple[int, int]]) -> None:
        facts = inner.stat()
        identity = (facts.st_dev, facts.st_ino)
        if identity in above:
            raise DataError(
                f"{inner} is a link to a folder above it; expected a folder without cycles. Remove the link."
            )
        for entry in _entries(inner):
            if _is_folder(entry):
                walk(Path(entry.path), f"{prefix}{entry.name}/", above | {identity})
            elif (suffix := _suffix(entry.name)) in suffixes:
                files.append(prefix + entry.name)
            else:
                others[suffix or "no suffix"] += 1

    walk(folder, "", frozenset())
    return Listing(files=tuple(sorted(files)), others=others)


def unused_files_notes(
    others: Counter[str], where: str, wanted: str = "images of a class (PNG, JPEG, BMP, WebP)"
) -> tuple[str, ...]:
    """A note about files that are not used, if there are any; wanted: what the files would have to be."""
    if not others:
        return ()
    kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in others.most_common(4))
    return (f"{others.total():,} files in {where} are not {wanted}: not used ({kinds}).",)


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [e for e in entries if not e.name.startswith(".") and e.name.lower() not in _LITTER]
    except OSError as error:
        raise DataError(f"Cannot read the folder {folder}: {error.strerror}.") from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:  # a link to itself
        raise DataError(f"{entry.path} cannot be followed: {error.strerror}.") from None
