"""The run folder: one process writes to it, and manifest.json records the digest of every file in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import IntegrityError, OutputInUse, UsageError
from edgekit.runs import recorded
from edgekit.runs.files import PARTIAL, copy_atomic, sha256_file, write_atomic

MANIFEST = recorded.MANIFEST
_LOCK = ".lock"
# Where a build or a study writes. A link out of the folder in such a place is detected before hours of work, not after them.
_FOLDERS = ("artifacts", "bench", "control", "controls", "curation", "evaluation", "jobs", "models", "runs")


class RunFolder:
    """A run folder that one process writes to; manifest.json records the digest of every file in it as it is written."""

    def __init__(self, path: Path, lock: int, manifest: dict[str, Any]) -> None:
        self.path = path
        self._lock = lock
        self.manifest = manifest

    @classmethod
    def open(cls, path: Path, *, resume: bool = False, force: bool = False, **facts: Any) -> RunFolder:
        """Open `path` for a run; manifest.json, with `facts`, is written before anything else.

        Raises:
            OutputInUse: another process writes to it, or it contains files and neither `resume` nor `force` is given, or
                `force` is given for a folder that is not a run of edgekit (whose files must not be touched).
            IntegrityError: a manifest there is damaged, or it or a link leads out of the folder; then nothing is removed.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = os.open(recorded.inside(path, _LOCK, path), os.O_RDWR | os.O_CREAT, 0o644)
        except (FileExistsError, NotADirectoryError):
            raise UsageError(f"--out {path} is not a folder, nor can one be made there.") from None
        except PermissionError:
            raise UsageError(f"--out {path} cannot be written to: permission denied.") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The previous owner removes the file when it ends; a lock on a removed file would exclude nobody.
            held = os.fstat(lock).st_ino == (path / _LOCK).stat().st_ino
        except (BlockingIOError, FileNotFoundError):
            held = False
        if not held:
            os.close(lock)
            raise OutputInUse(f"Another edgekit build is writing to {path}; wait for it or choose another --out.")
        try:
            manifest = cls._prepare(path, resume=resume, force=force)
        except BaseException:
            cls._release(path, lock)
            raise
        folder = cls(path, lock, manifest)
        folder.save_manifest(**facts)
        return folder

    @staticmethod
    def _prepare(path: Path, *, resume: bool, force: bool) -> dict[str, Any]:
        present = [entry for entry in path.iterdir() if entry.name != _LOCK and not entry.name.startswith(PARTIAL)]
        manifest = recorded.manifest(recorded.inside(path, MANIFEST, path))
        if present and (not isinstance(manifest, dict) or "files" not in manifest):
            raise OutputInUse(f"{path} contains files that are not an edgekit run; choose another --out.")
        if present and not (resume or force):
            raise OutputInUse(
                f"{path} already contains a run: continue it with --resume, replace it with --force, or choose another --out."
            )
        # All names of all manifests first: if one is bad, nothing at all is removed. Inner runs: of a control, and of folds.
        inner = [path / "control" / MANIFEST, *sorted(path.glob(f"cv/*/{MANIFEST}"))]
        for name in (
            *(f"{folder}/{MANIFEST}" for folder in _FOLDERS),
            *(p.relative_to(path).as_posix() for p in inner),
        ):
            recorded.inside(path, name, path)
        manifests = {path / MANIFEST: manifest} | {where: recorded.manifest(where) for where in inner}
        files = {
            where: recorded.digests(document, where) for where, document in manifests.items() if document is not None
        }
        for left in path.rglob(f"{PARTIAL}*"):  # of a write that was killed; rglob follows no link to a folder
            if left.is_file():
                left.unlink()
        if resume and isinstance(manifest, dict):
            return manifest
        for where, digests in files.items():
            _remove_recorded(where.parent, digests)
        for where in inner:
            where.unlink(missing_ok=True)
        return {"files": {}}

    @staticmethod
    def _release(path: Path, lock: int) -> None:
        with contextlib.suppress(OSError):
            (path / _LOCK).unlink()
        os.close(lock)

    def close(self) -> None:
        """Release the folder; the manifest stays."""
        self._release(self.path, self._lock)

    def write(self, name: str, content: bytes | str) -> Path:
        """Write a file of the run and record its digest."""
        path = self._path(name)
        write_atomic(path, content)
        self.record(name)
        return path

    def write_json(self, name: str, value: Any) -> Path:
        """Write `value` as indented JSON."""
        return self.write(name, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n")

    def adopt(self, source: Path, name: str) -> Path:
        """Copy a file (of the stage cache) into the run."""
        path = self._path(name)
        copy_atomic(source, path)
        self.record(name)
        return path

    def record(self, name: str) -> None:
        """Add the digest of an existing file of the run to the manifest."""
        self.manifest["files"][name] = sha256_file(self._path(name))
        self.save_manifest()

    def verify(self, ignoring: tuple[str, ...] = ()) -> None:
        """Check every recorded file except those in `ignoring`. Raises IntegrityError naming the first that differs."""
        for name, digest in self.manifest["files"].items():
            path = self._path(name)
            if name not in ignoring and (not path.exists() or sha256_file(path) != digest):
                what = "changed" if path.exists() else "is missing"
                raise IntegrityError(f"{path} {what} since the run wrote it; restore it, or build again with --force.")

    def _path(self, name: str) -> Path:
        return recorded.inside(self.path, name, self.path / MANIFEST)

    def save_manifest(self, **facts: Any) -> None:
        """Write manifest.json with `facts` added."""
        self.manifest.update(facts)
        write_atomic(self.path / MANIFEST, json.dumps(self.manifest, indent=2, allow_nan=False, default=str) + "\n")


def _remove_recorded(path: Path, files: Mapping[str, str]) -> None:
    """Remove the files of `recorded.digests` that a run wrote to `path`; one changed since is the user's and is moved aside."""
    for name, digest in files.items():
        file = path / name
        if not file.exists():
            continue
        if sha256_file(file) == digest:
            file.unlink()
        else:
            file.rename(file.with_name(f"{file.name}.kept"))
