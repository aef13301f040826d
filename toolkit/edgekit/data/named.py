"""Named IDX data sets: looked up in $EDGEKIT_DATA, then in the user cache, else downloaded and checked against pinned digests.

A download must match its digest. That is the SHA-256 of the decompressed content, so that a mirror's re-gzipped file
passes. A local copy is used as it is, and labeled "official content" or "local copy, differs" by the same digests.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.data import idx
from edgekit.data.splits import split_of
from edgekit.errors import DataError, DiskFull, IntegrityError
from edgekit.runs.cache import cache_root
from edgekit.runs.files import write_atomic
from edgekit.types import RawData


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A named set: where its four files are, and the digest of each file's decompressed content."""

    name: str
    urls: tuple[str, ...]
    digests: Mapping[str, str]
    classes: tuple[str, ...]
    mirrored: bool


def read(named: Named) -> RawData:
    """Read a named set; downloads it only if this machine has no copy.

    Raises:
        DataError: it is missing and cannot be downloaded, or a local copy is damaged.
        IntegrityError: a download does not match its digest.
    """
    folder, origin = _locate(named)
    parts = idx.read_folder(folder)
    official = all(_content_digest(folder, stem) == digest for stem, digest in named.digests.items())
    label = "official content" if official else "local copy, differs from the official content"
    return RawData(
        name=named.name,
        source=f"{named.name} from {origin} ({label})",
        classes=named.classes,
        train=split_of("train", *parts["train"]),
        test=split_of("test", *parts["test"]),
        mirrored=named.mirrored,
    )


def _path(folder: Path, stem: str) -> Path | None:
    return next((path for path in (folder / f"{stem}.gz", folder / stem) if path.is_file()), None)


def _content_digest(folder: Path, stem: str) -> str:
    path = _path(folder, stem)
    return hashlib.sha256(idx.read_bytes(path)).hexdigest() if path else ""


def _locate(named: Named) -> tuple[Path, str]:
    if root := os.environ.get("EDGEKIT_DATA"):
        for folder in (Path(root) / named.name, Path(root)):
            # $EDGEKIT_DATA may itself be the set's folder, but only if it has the set's name: any IDX folder has these files.
            if (folder == Path(root) and folder.name != named.name) or not all(_path(folder, s) for s in named.digests):
                continue
            return folder, "$EDGEKIT_DATA"
    cached = cache_root() / "data" / named.name
    if not all(_path(cached, stem) for stem in named.digests):
        _download(named, cached)
        return cached, "download"
    return cached, "the user cache"


def _download(named: Named, folder: Path) -> None:
    import pooch

    for stem, digest in named.digests.items():
        if _path(folder, stem):
            continue
        failures = []
        for base in named.urls:
            target = folder / f".download-{stem}.gz"
            folder.mkdir(parents=True, exist_ok=True)
            try:
                pooch.HTTPDownloader(timeout=30, progressbar=False)(f"{base}/{stem}.gz", str(target), None)
                content = idx.read_bytes(target)
            except (OSError, DataError, ValueError) as error:
                if getattr(error, "errno", None) == errno.ENOSPC:
                    raise DiskFull(f"No space left for {named.name} in {folder}.") from None
                failures.append(f"{base}: {type(error).__name__}")
                continue
            finally:
                packed = target.read_bytes() if target.exists() else b""
                target.unlink(missing_ok=True)
            if hashlib.sha256(content).hexdigest() != digest:
                raise IntegrityError(
                    f"{base}/{stem}.gz is not the official file (content SHA-256 differs); nothing was kept. "
                    f"Put a copy you trust into $EDGEKIT_DATA/{named.name}."
                )
            write_atomic(folder / f"{stem}.gz", packed)
            break
        else:
            raise DataError(
                f"{named.name} is not on this machine and could not be downloaded ({'; '.join(failures)}). Put its four "
                f"IDX files into a folder {named.name}/ and set EDGEKIT_DATA to the folder that holds it."
            )
