"""Files that survive a crash: atomic writes, digests, one spelling of JSON."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgekit.errors import DiskFull

PARTIAL = ".edgekit-partial-"


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def canonical_json(value: Any) -> str:
    """One representation for one value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=str)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn "no space left" under `path` into DiskFull."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"No space left on the disk of {path}: free some space (`edgekit cache size`), then --resume."
            ) from None
        raise


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write `content` so that `path` has either its old content or all of the new one, whatever happens."""
    data = content.encode() if isinstance(content, str) else content
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=PARTIAL)
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


def swap(source: Path, target: Path, prefix: str) -> None:
    """Put the folder `source` at `target`; the old one is kept aside until then, and restored if that fails."""
    if not target.exists():
        source.rename(target)
        return
    aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=prefix)) / "old"
    target.rename(aside)
    try:
        source.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    finally:
        shutil.rmtree(aside.parent, ignore_errors=True)
