"""Is a product what its manifest says: its files, its size, how it runs, and its accuracy where the data is at hand?"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit import data, recipe, registry
from edgekit.bench import described, litert, standalone
from edgekit.bench.evaluate import judged, outputs
from edgekit.bench.litert import BATCH
from edgekit.data.sources import cifar10_jpeg
from edgekit.data.splits import clips_of
from edgekit.errors import DataError, EdgekitError, GateNotMet
from edgekit.export import parity
from edgekit.recipe import Recipe
from edgekit.store import MANIFEST, cache_root, sha256_file
from edgekit.types import Artifact, Dataset
from edgekit.zoo.products import Product

# Runtimes of other CPUs round the last bit of an int8 activation otherwise, which moves a few of 10,000 answers.
TOLERANCE = 0.0005


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check of one product. ok: None = not checked; detail says what was found, or why it was not checked."""

    product: str
    check: str
    ok: bool | None
    detail: str


def verify(product: Product, spec: str | None = None) -> list[Finding]:
    """Check a product; a file whose digest is wrong is not run.

    Args:
        spec: the data set to measure the accuracy on; None = the recipe's, where it can be had without the network.

    Returns:
        Findings named digests, size, recipe, labels, runs, batch and accuracy.
    """
    found: list[Finding] = []

    def add(check: str, ok: bool | None, detail: str) -> None:
        found.append(Finding(product=product.name, check=check, ok=ok, detail=detail))

    add("digests", *_digests(product))
    size = product.artifact.stat().st_size if product.artifact.is_file() else None
    recorded = product.manifest["size_bytes"]
    add("size", size == recorded, f"{size if size is None else format(size, ',')} bytes, manifest {recorded:,}")
    asked = None
    try:
        asked = recipe.load(product.path / "recipe.yaml")
        add("recipe", True, "recipe.yaml is a recipe of this edgekit")
    except EdgekitError as error:
        add("recipe", False, str(error))
    if not found[0].ok:
        for check in ("labels", "runs", "batch", "accuracy"):
            add(check, None, "not run, since its files are not those of the manifest")
        return found
    try:
        artifact = standalone.artifact_of(product.artifact)
    except DataError as error:
        add("runs", False, str(error))
        return found
    add("labels", *_labels(product, artifact))
    noise = _noise(artifact)
    try:
        outputs = litert.outputs(artifact.path, noise)
        add("runs", bool(np.isfinite(outputs).all()), f"{len(noise)} inputs through {artifact.path.name}")
        parity.batch_parity(artifact.path, noise, BATCH)
        add("batch", True, f"a batch of {BATCH} gives what single inputs give, bit for bit")
    except GateNotMet as error:
        add("batch", False, str(error))
    except (DataError, RuntimeError, ValueError) as error:  # the last two are LiteRT's
        add("runs", False, str(error).splitlines()[0])
        return found
    add("accuracy", *_accuracy(product, artifact, asked, spec))
    return found


def _digests(product: Product) -> tuple[bool, str]:
    files = product.manifest["files"]
    present = {path.name for path in product.path.iterdir()} - {MANIFEST}
    wrong = [name for name in sorted(files) if name not in present]
    told = [f"{name} is missing" for name in wrong]
    told += [
        f"{name} was changed"
        for name in sorted(present & set(files))
        if sha256_file(product.path / name) != files[name]
    ]
    told += [f"{name} is not in the manifest" for name in sorted(present - set(files))]
    if product.manifest["artifact"] not in files:
        told.append("the manifest has no digest of the artifact")
    return not told, "; ".join(told) or f"{len(files)} files"


def _labels(product: Product, artifact: Artifact) -> tuple[bool, str]:
    classes = (product.path / "labels.txt").read_text().splitlines()
    metadata = json.loads((product.path / "metadata.json").read_text())
    told = []
    if metadata["classes"] != classes:
        told.append("labels.txt and metadata.json name other classes")
    if len(classes) != artifact.outputs[0].shape[-1]:
        told.append(f"{len(classes)} labels for {artifact.outputs[0].shape[-1]} outputs")
    described = metadata["artifacts"].get(artifact.path.name, {})
    if described.get("sha256") != artifact.sha256:
        told.append(f"metadata.json describes another {artifact.path.name}")
    if metadata["preprocessing"]["shape"] != list(artifact.inputs[0].shape[1:]):
        told.append(f"metadata.json promises inputs of {metadata['preprocessing']['shape']}")
    return not told, "; ".join(told) or f"{len(classes)} classes"


def _noise(artifact: Artifact) -> NDArray[np.uint8]:
    """64 inputs of random bytes, (64, H, W, C)."""
    shape = [abs(n) for n in artifact.inputs[0].shape[1:]]
    return np.random.default_rng(0).integers(0, 256, (BATCH, *shape), dtype=np.uint8)


def _accuracy(product: Product, artifact: Artifact, asked: Recipe | None, spec: str | None) -> tuple[bool | None, str]:
    if asked is None:
        return None, "not measured: the recipe, which names the data, cannot be read"
    if spec is None and not _at_hand(asked.data.spec):
        return None, f"not measured: {asked.data.spec} is not on this machine; set EDGEKIT_DATA or give --data SPEC"
    if spec in registry.SOURCES and spec != product.manifest["dataset"]:
        # MNIST and Fashion-MNIST have the same numbers of images and classes: only the name tells them apart.
        return None, f"not measured: {spec} is not its test set, which is {product.manifest['dataset']}"
    section = asked.data if spec is None else asked.data.model_copy(update={"spec": spec})
    dataset = data.load_section(section, asked.seed)
    if misfit := _misfit(product, artifact, dataset):
        return None, f"not measured: {section.spec} is not its test set: {misfit}"
    output = described.output_of(artifact) or "probabilities"
    _, labels, found_outputs = judged(dataset.test, outputs(artifact, dataset.test.x), output)
    right = found_outputs.argmax(axis=1) == labels
    found, recorded = float(right.mean()), float(product.manifest["accuracy"])
    return abs(found - recorded) <= TOLERANCE, f"{found:.4f} on {len(right):,} samples, manifest {recorded:.4f}"


def _misfit(product: Product, artifact: Artifact, dataset: Dataset) -> str:
    classes, shape = artifact.outputs[0].shape[-1], tuple(artifact.inputs[0].shape[1:])
    count = len(clips_of(dataset.test)[0])
    if count != product.manifest["n"]:
        return f"{count:,} test samples, the manifest's accuracy is on {product.manifest['n']:,}"
    if len(dataset.classes) != classes:
        return f"{len(dataset.classes)} classes, the file has {classes}"
    if tuple(dataset.input.shape) != shape:
        return f"{dataset.input.noun} of {dataset.input.shape}, the file takes {shape}"
    return ""


def _at_hand(spec: str) -> bool:
    """Whether the data set can be read without fetching anything."""
    if spec == "cifar10-jpeg":
        return cifar10_jpeg.archive() is not None
    if spec not in registry.SOURCES:
        return Path(spec).expanduser().exists()
    root = Path(os.environ.get("EDGEKIT_DATA") or cache_root() / "data")
    # A download that failed leaves an empty folder behind.
    folders = (root / spec, cache_root() / "data" / spec, *([root] if root.name == spec else []))
    return spec == "fashion-mnist-mini" or any(any(folder.glob("*")) for folder in folders)
