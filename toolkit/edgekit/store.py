"""Files that survive a crash: atomic writes, digests, the run folder and the stage cache."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from edgekit import recorded
from edgekit.errors import DiskFull, IntegrityError, OutputInUse, UsageError

MANIFEST = "manifest.json"
_LOCK = ".lock"
_PARTIAL = ".edgekit-partial-"
_STALE_S = 2 * 24 * 3600
# What a build or a study writes into. A link out of it in such a place is found before hours of work, not after them.
_FOLDERS = ("artifacts", "bench", "control", "controls", "curation", "evaluation", "jobs", "models", "runs")


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def canonical_json(value: Any) -> str:
    """One spelling for one value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=str)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn "no space left" under `path` into DiskFull."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"No space left on the disk of {path}: free some (`edgekit cache size`), then --resume."
            ) from None
        raise


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write `content` so that `path` holds either its old content or all of the new one, whatever happens."""
    data = content.encode() if isinstance(content, str) else content
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_PARTIAL)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise


def copy_atomic(source: Path, path: Path) -> None:
    """Copy a file with the guarantee of `write_atomic`."""
    write_atomic(path, source.read_bytes())


class RunFolder:
    """A run folder that one process writes to; manifest.json records the digest of every file in it as it is written."""

    def __init__(self, path: Path, lock: int, manifest: dict[str, Any]) -> None:
        self.path = path
        self._lock = lock
        self.manifest = manifest

    @classmethod
    def open(cls, path: Path, *, resume: bool = False, force: bool = False, **facts: Any) -> RunFolder:
        """Take `path` for a run; manifest.json, with `facts`, is written before anything else.

        Raises:
            OutputInUse: another process writes to it, or it holds files and neither `resume` nor `force` is given, or
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
            # The holder before us removes the file when it ends; a lock on a removed file would keep nobody out.
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
        present = [entry for entry in path.iterdir() if entry.name != _LOCK and not entry.name.startswith(_PARTIAL)]
        manifest = recorded.manifest(recorded.inside(path, MANIFEST, path))
        if present and (not isinstance(manifest, dict) or "files" not in manifest):
            raise OutputInUse(f"{path} holds files that are not a run of edgekit; choose another --out.")
        if present and not (resume or force):
            raise OutputInUse(
                f"{path} holds a run already: continue it with --resume, replace it with --force, or choose another --out."
            )
        # All names of all manifests first: where one is bad, nothing at all is removed. Runs inside: of a control, and of folds.
        inner = [path / "control" / MANIFEST, *sorted(path.glob(f"cv/*/{MANIFEST}"))]
        for name in (
            *(f"{folder}/{MANIFEST}" for folder in _FOLDERS),
            *(p.relative_to(path).as_posix() for p in inner),
        ):
            recorded.inside(path, name, path)
        found = {path / MANIFEST: manifest} | {where: recorded.manifest(where) for where in inner}
        files = {where: recorded.digests(made, where) for where, made in found.items() if made is not None}
        for left in path.rglob(f"{_PARTIAL}*"):  # of a write that was killed; rglob follows no link to a folder
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
        """Give the folder back; the manifest stays."""
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
        """Put the digest of an existing file of the run into the manifest."""
        self.manifest["files"][name] = sha256_file(self._path(name))
        self.save_manifest()

    def verify(self, ignoring: tuple[str, ...] = ()) -> None:
        """Check every recorded file but those in `ignoring`. Raises IntegrityError naming the first that differs."""
        for name, digest in self.manifest["files"].items():
            path = self._path(name)
            if name not in ignoring and (not path.exists() or sha256_file(path) != digest):
                what = "was changed" if path.exists() else "is missing"
                raise IntegrityError(f"{path} {what} since the run wrote it; restore it, or build again with --force.")

    def _path(self, name: str) -> Path:
        return recorded.inside(self.path, name, self.path / MANIFEST)

    def save_manifest(self, **facts: Any) -> None:
        """Write manifest.json with `facts` added."""
        self.manifest.update(facts)
        write_atomic(self.path / MANIFEST, json.dumps(self.manifest, indent=2, allow_nan=False, default=str) + "\n")


def _remove_recorded(path: Path, files: Mapping[str, str]) -> None:
    """Remove the files of `recorded.digests` that a run wrote to `path`; one changed since is the user's and steps aside."""
    for name, digest in files.items():
        file = path / name
        if not file.exists():
            continue
        if sha256_file(file) == digest:
            file.unlink()
        else:
            file.rename(file.with_name(f"{file.name}.kept"))


class StageCache:
    """Results of stages under `root`, found by the digest of everything they depend on."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or cache_root() / "stages"

    def folder(self, stage: str, key: Mapping[str, Any]) -> Path:
        """Where the result of `stage` under `key` is or would be."""
        return self.root / stage / hashlib.sha256(canonical_json(key).encode()).hexdigest()[:32]

    def has(self, stage: str, key: Mapping[str, Any]) -> bool:
        """Whether a complete, undamaged result is there."""
        folder = self.folder(stage, key)
        try:
            files = recorded.digests(json.loads((folder / "stage.json").read_text()), folder / "stage.json")
            return all(sha256_file(folder / name) == digest for name, digest in files.items())
        except (OSError, ValueError, RecursionError, IntegrityError):
            return False

    def run(self, stage: str, key: Mapping[str, Any], work: Callable[[Path], None]) -> Path:
        """Return the folder with the stage's files.

        `work(folder)` is called only when no complete result exists; it fills a private folder that takes its final name
        in one step, so a build killed here leaves nothing that a later one could mistake for a result.
        """
        folder = self.folder(stage, key)
        if self.has(stage, key):
            return folder
        with disk_errors(self.root):
            folder.parent.mkdir(parents=True, exist_ok=True)
            for left in folder.parent.glob(f"{_PARTIAL}*"):  # of builds that were killed
                if time.time() - left.stat().st_mtime > _STALE_S:
                    shutil.rmtree(left, ignore_errors=True)
            private = Path(tempfile.mkdtemp(dir=folder.parent, prefix=_PARTIAL))
            try:
                start = time.perf_counter()
                work(private)
                seconds = time.perf_counter() - start
                files = {
                    p.relative_to(private).as_posix(): sha256_file(p) for p in sorted(private.rglob("*")) if p.is_file()
                }
                write_atomic(private / "stage.json", canonical_json({"key": key, "files": files, "seconds": seconds}))
                if folder.exists() and not self.has(stage, key):  # damaged
                    shutil.rmtree(folder, ignore_errors=True)
                try:
                    private.rename(folder)
                except OSError:
                    if not self.has(stage, key):
                        raise
                    shutil.rmtree(private)  # another build was as quick, and its result may be in use
            except BaseException:
                shutil.rmtree(private, ignore_errors=True)
                raise
            shutil.rmtree(self.progress(stage, key), ignore_errors=True)
        return folder

    def progress(self, stage: str, key: Mapping[str, Any]) -> Path:
        """Where the stage may leave what an interrupted run of it goes on from; removed when the result is there."""
        folder = self.folder(stage, key)
        return folder.with_name(f"{_PARTIAL}{folder.name}")

    def size_bytes(self) -> int:
        """Bytes that the cached results take."""
        return sum(p.stat().st_size for p in self.root.rglob("*") if p.is_file()) if self.root.exists() else 0

    def clear(self) -> int:
        """Remove all cached results; returns the bytes freed."""
        freed = self.size_bytes()
        shutil.rmtree(self.root, ignore_errors=True)
        return freed


def cache_root() -> Path:
    """`$XDG_CACHE_HOME/edgekit` (platformdirs elsewhere): stage cache and downloaded data."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("edgekit", appauthor=False))


@lru_cache
def code_digest(*parts: str) -> str:
    """Digest of the source files of `parts` ("training", "backend.py"), so that changed code never meets old results."""
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for part in parts:
        path = package / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def swap(made: Path, target: Path, prefix: str) -> None:
    """Put the folder `made` at `target`; what was there stays aside until then, and comes back if that fails."""
    if not target.exists():
        made.rename(target)
        return
    aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=prefix)) / "old"
    target.rename(aside)
    try:
        made.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    finally:
        shutil.rmtree(aside.parent, ignore_errors=True)
