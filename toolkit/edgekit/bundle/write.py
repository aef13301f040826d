"""A bundle as one folder: all files and a manifest with the SHA-256 of each; it appears complete or not at all."""

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
from edgekit.data.pixels import InputRange
from edgekit.errors import OutputInUse, UsageError
from edgekit.runs.files import PARTIAL, disk_errors, swap
from edgekit.runs.folder import MANIFEST
from edgekit.types import Reporter


def export(
    path: Path,
    kind: str,
    out: Path | None = None,
    *,
    data: str | None = None,
    input_range: InputRange = "0-1",
    license: str | None = None,
    force: bool = False,
    reporter: Reporter,
) -> tuple[Path, Mapping[str, Any]]:
    """Write the bundle `kind` of a run folder, a product or a file.

    Args:
        out: the folder; None = bundles/<name>-<kind>.
        data: source of the golden vectors, as in --data; None = the data of the recipe next to the file.
        input_range: the pixel range that a file of the user's own expects.
        license: license of the model, for metadata.json and the file.
        force: replace an existing bundle.

    Returns:
        The folder and the content of its manifest.json.

    Raises:
        OutputInUse: something is already there. See `subject.read`, `subject.dataset_of` and `golden.computed` for the rest.
    """
    model = subject.read(path, kind, input_range)
    target = out or Path("bundles") / f"{model.name}-{model.kind}"
    _check_free(target, force)
    dataset, same = subject.dataset_of(model, data, reporter)
    vectors = golden.computed(model, dataset, same)
    files_of: Callable[[Subject, Golden, str | None], Mapping[str, bytes]] = registry.load("bundles", model.kind)
    files = dict(files_of(model, vectors, license))
    manifest = {
        "bundle": model.kind,
        "edgekit": version("edgekit"),
        "model": model.artifact.name,
        "made_of": {"name": model.name, "sha256": model.artifact.sha256},
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
        raise OutputInUse(f"{target} contains files that are not an edgekit bundle; choose another --out.")
    if not force:
        raise OutputInUse(f"{target} already contains a bundle: replace it with --force, or choose another --out.")


def _write(files: Mapping[str, bytes], target: Path) -> None:
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=PARTIAL))
        try:
            for name, content in files.items():
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                (partial / name).write_bytes(content)
            partial.chmod(0o755)
            swap(partial, target, PARTIAL)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
