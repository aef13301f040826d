"""Which products exist: the folders of models/ that have a manifest."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import IntegrityError, UsageError
from edgekit.runs import recorded
from edgekit.runs.folder import MANIFEST

VARIABLE = "EDGEKIT_ZOO"
# Keys of a product's manifest; `publish` writes all of them.
KEYS = (
    "artifact",
    "precision",
    "size_bytes",
    "accuracy",
    "accuracy_interval",
    "n",
    "val_accuracy",
    "seed",
    "seeds",
    "accuracies",
    "mean_accuracy",
    "dataset",
    "dataset_fingerprint",
    "command",
    "measured",
    "files",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A folder of the zoo. manifest: the content of its manifest.json, which has at least `KEYS`."""

    name: str
    path: Path
    manifest: Mapping[str, Any]

    @property
    def artifact(self) -> Path:
        """The file to use."""
        return self.path / str(self.manifest["artifact"])

    @property
    def summary(self) -> str:
        """What it is, in one line."""
        m = self.manifest
        low, high = (100 * each for each in m["accuracy_interval"])
        seeds = f", mean of {len(m['seeds'])} seeds {m['mean_accuracy']:.2%}" if len(m["seeds"]) > 1 else ""
        return (
            f"{m['dataset']}, {m['precision']}, {m['size_bytes']:,} bytes, test accuracy {m['accuracy']:.2%} "
            f"({low:.2f} to {high:.2f}, n = {m['n']:,}){seeds}"
        )


def root(given: Path | None = None) -> Path:
    """The folder of the zoo: `given`, else $EDGEKIT_ZOO, else models/ of the source checkout that edgekit runs from.

    Raises:
        UsageError: there is none.
    """
    chosen = given or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if chosen is not None:
        if not chosen.is_dir():
            raise UsageError(
                f"The zoo {chosen} is not a folder; pass --zoo DIR or set {VARIABLE} to one with products."
            )
        return chosen
    package = Path(__file__).resolve().parents[1]
    models = package.parents[1] / "models"
    if package.parent.name != "toolkit" or not models.is_dir():
        raise UsageError(
            "There is no zoo here: edgekit is installed without its repository, whose models/ folder is the zoo. "
            f"Pass --zoo DIR, or set {VARIABLE} to a copy of that folder."
        )
    return models


def products(given: Path | None = None) -> list[Product]:
    """All products of the zoo at `root(given)`, by name.

    Raises:
        UsageError: there is no zoo.
        IntegrityError: a manifest cannot be read, or lacks a key.
    """
    return [_read(path) for path in sorted(root(given).glob(f"*/{MANIFEST}"))]


def _read(path: Path) -> Product:
    try:
        manifest = json.loads(path.read_text())
        missing = [key for key in KEYS if key not in manifest]
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise IntegrityError(f"{path} cannot be read as JSON: {error}. Restore the file.") from None
    if missing:
        raise IntegrityError(f"{path} has no {', '.join(missing)}: it is not a product manifest. Publish it again.")
    for name in (manifest["artifact"], *recorded.digests(manifest, path)):
        if recorded.inside(path.parent, name, path).parent != path.parent:
            raise IntegrityError(f"{path} names {name!r}, which is not a file of its own folder.")
    return Product(name=path.parent.name, path=path.parent, manifest=manifest)
