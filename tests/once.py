"""What is made or fetched once: folders that all processes of a run share, and folders that outlive it."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

_SHARED = "EDGEKIT_TESTS_SHARED"
_KEPT = Path.home() / ".cache" / "edgekit-tests"


def begin() -> tempfile.TemporaryDirectory[str]:
    """Before any fixture: the folder of this run and in it the stage cache; the other processes inherit both."""
    folder = tempfile.TemporaryDirectory(prefix="edgekit-tests-", ignore_cleanup_errors=True)
    os.environ[_SHARED] = folder.name
    os.environ["XDG_CACHE_HOME"] = str(Path(folder.name) / "cache")
    # The index of sources is kept where there is a folder for it.
    (Path(folder.name) / "cache/edgekit").mkdir(parents=True)
    # JAX compiles for seconds, and networks of one shape need it once.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(folder.name) / "jax")
    os.environ["JAX_PERSISTENT_COMPILATION_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_COMPILATION_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"
    return folder


def shared(name: str, fill: Callable[[Path], None]) -> Path:
    """The folder of that name, filled once in this run; a process that comes meanwhile waits for it."""
    return _once(Path(os.environ[_SHARED]), name, fill)


def kept(name: str, fill: Callable[[Path], None]) -> Path:
    """The same for what is fetched, below ~/.cache/edgekit-tests: later runs find it."""
    return _once(_KEPT, name, fill)


def _once(root: Path, name: str, fill: Callable[[Path], None]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    folder = root / name
    with open(root / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=root, prefix="filling-") as filling:
                made = Path(filling) / "made"
                made.mkdir()
                fill(made)
                made.rename(folder)
    return folder
