"""A bundle as one folder: all files and a manifest with the SHA-256 of each; it appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgekit import registry
from edgekit.bundle import golden, subject
from edgekit.bundle.golden import Golden
from edgekit.bundle.subject import Subject
from edgekit.errors import OutputInUse, UsageError
from edgekit.store import MANIFEST, disk_errors, swap
from edgekit.types import Reporter

_PARTIAL = ".edgekit-partial-"


def export(
    path: Path,
    kind: str,
    out: Path | None = None,
    *,
    data: str | None = None,
    input_range: str = "0-1",
    license: str | None = None,
    force: bool = False,
    reporter: Reporter,
) -> tuple[Path, Mapping[str, Any]]:
    """Write the bundle `kind` of a run folder, a product or a file.

    Args:
        out: the folder; None = bundles/<name>-<kind>.
        data: what golden vectors are taken from, as --data says; None = the data of the recipe beside the file.
        input_range: the values that a file of the user's own takes pixels as.
        license: of the model, for metadata.json and the file.
        force: replace a bundle that is there.

    Returns:
        The folder and the content of its manifest.json.

    Raises:
        OutputInUse: something is there already. See `subject.read`, `subject.dataset_of` and `golden.computed` for the rest.
    """
    found = subject.read(path, kind, input_range)
    target = out or Path("bundles") / f"{found.name}-{found.kind}"
    _check_free(target, force)
    dataset, same = subject.dataset_of(found, data, reporter)
    vectors = golden.computed(found, dataset, same)
    files_of: Callable[[Subject, Golden, str | None], Mapping[str, bytes]] = registry.load("bundles", found.kind)
    files = dict(files_of(found, vectors, license))
    manifest = {
        "bundle": found.kind,
        "edgekit": version("edgekit"),
        "model": found.artifact.name,
        "made_of": {"name": found.name, "sha256": found.artifact.sha256},
        "files": {
            name: {"sha256": hashlib.sha256(files[name]).hexdigest(), "bytes": len(files[name])}
            for name in sorted(files)
        },
    }
    files[MANIFEST] = (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()
    _write(files, target)
    return target, manifest


def _check_free(target: Path, force: bool) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise UsageError(f"--out {target} is not a folder.")
    if not any(target.iterdir()):
        return
    try:
        ours = "bundle" in dict(json.loads((target / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError, RecursionError):
        ours = False
    if not ours:
        raise OutputInUse(f"{target} holds files that are no bundle of edgekit; choose another --out.")
    if not force:
        raise OutputInUse(f"{target} holds a bundle already: replace it with --force, or choose another --out.")


def _write(files: Mapping[str, bytes], target: Path) -> None:
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=target.parent, prefix=_PARTIAL))
        try:
            for name, content in files.items():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                (made / name).write_bytes(content)
            made.chmod(0o755)
            swap(made, target, _PARTIAL)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
