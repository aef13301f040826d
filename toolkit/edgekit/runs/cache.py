"""The stage cache: results of stages, found by the digest of everything they depend on."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import IntegrityError
from edgekit.runs import recorded
from edgekit.runs.files import PARTIAL, canonical_json, disk_errors, sha256_file, write_atomic

_STALE_S = 2 * 24 * 3600


class StageCache:
    """Results of stages under `root`, found by the digest of everything they depend on."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or cache_root() / "stages"

    def folder(self, stage: str, key: Mapping[str, Any]) -> Path:
        """Where the result of `stage` under `key` is or would be."""
        return self.root / stage / hashlib.sha256(canonical_json(key).encode()).hexdigest()[:32]

    def has(self, stage: str, key: Mapping[str, Any]) -> bool:
        """Whether a complete, undamaged result exists."""
        folder = self.folder(stage, key)
        try:
            files = recorded.digests(json.loads((folder / "stage.json").read_text()), folder / "stage.json")
            return all(sha256_file(folder / name) == digest for name, digest in files.items())
        except (OSError, ValueError, RecursionError, IntegrityError):
            return False

    def run(self, stage: str, key: Mapping[str, Any], work: Callable[[Path], None]) -> Path:
        """Return the folder with the stage's files.

        `work(folder)` is called only if no complete result exists; it fills a private folder that gets its final name
        in one step, so a build killed here leaves nothing that a later one could mistake for a result.
        """
        folder = self.folder(stage, key)
        if self.has(stage, key):
            return folder
        with disk_errors(self.root):
            folder.parent.mkdir(parents=True, exist_ok=True)
            for left in folder.parent.glob(f"{PARTIAL}*"):  # of builds that were killed
                if time.time() - left.stat().st_mtime > _STALE_S:
                    shutil.rmtree(left, ignore_errors=True)
            private = Path(tempfile.mkdtemp(dir=folder.parent, prefix=PARTIAL))
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
                    shutil.rmtree(private)  # another build was faster, and its result may be in use
            except BaseException:
                shutil.rmtree(private, ignore_errors=True)
                raise
            shutil.rmtree(self.progress(stage, key), ignore_errors=True)
        return folder

    def progress(self, stage: str, key: Mapping[str, Any]) -> Path:
        """Where the stage may store what an interrupted run of it resumes from; removed when the result is complete."""
        folder = self.folder(stage, key)
        return folder.with_name(f"{PARTIAL}{folder.name}")

    def size_bytes(self) -> int:
        """Bytes used by the cached results."""
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
