"""Does a product match its manifest: its files, its size, how it runs, and its accuracy if the data is available?"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit import data, recipe, registry
from edgekit.data.sources import cifar10_jpeg
from edgekit.data.splits import clips_of
from edgekit.errors import DataError, EdgekitError, GateNotMet
from edgekit.export import parity
from edgekit.inference import described, litert, standalone
from edgekit.inference.evaluate import judged, outputs
from edgekit.inference.litert import BATCH
from edgekit.recipe import Recipe
from edgekit.runs.cache import cache_root
from edgekit.runs.files import sha256_file
from edgekit.runs.folder import MANIFEST
from edgekit.types import Artifact, Dataset
from edgekit.zoo.products import Product

# Runtimes on other CPUs may round the last bit of an int8 activation differently, which changes a few of 10,000 predictions.
TOLERANCE = 0.0005


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check of one product. ok: None = not checked; detail says what was found, or why it was not checked."""

    product: str
    check: str
    ok: bool | None
    detail: str


def verify(product: Product, spec: str | None = None) -> list[Finding]:
    """Check a product; a file with a wrong digest is not run.

    Args:
        spec: the data set to measure the accuracy on; None = the recipe's, if available without the network.

    Returns:
        Findings named digests, size, recipe, labels, runs, batch and accuracy.
    """
    findings: list[Finding] = []

    def add(check: str, ok: bool | None, detail: str) -> None:
        findings.append(Finding(product=product.name, check=check, ok=ok, detail=detail))

    add("digests", *_digests(product))
    size = product.artifact.stat().st_size if product.artifact.is_file() else None
    recorded = product.manifest["size_bytes"]
    add("size", size == recorded, f"{size if size is None else format(size, ',')} bytes, manifest {recorded:,}")
    product_recipe = None
    try:
        product_recipe = recipe.load(product.path / "recipe.yaml")
        add("recipe", True, "recipe.yaml is a recipe of this edgekit")
    except EdgekitError as error:
        add("recipe", False, str(error))
    if not findings[0].ok:
        for check in ("labels", "runs", "batch", "accuracy"):
            add(check, None, "not run, since its files do not match the manifest")
        return findings
    try:
        artifact = standalone.artifact_of(product.artifact)
    except DataError as error:
        add("runs", False, str(error))
        return findings
    add("labels", *_labels(product, artifact))
    noise = _noise(artifact)
    try:
        outputs = litert.outputs(artifact.path, noise)
        add("runs", bool(np.isfinite(outputs).all()), f"{len(noise)} inputs through {artifact.path.name}")
        parity.batch_parity(artifact.path, noise, BATCH)
        add("batch", True, f"a batch of {BATCH} gives the same as single inputs, bit for bit")
    except GateNotMet as error:
        add("batch", False, str(error))
    except (DataError, RuntimeError, ValueError) as error:  # the last two are LiteRT's
        add("runs", False, str(error).splitlines()[0])
        return findings
    add("accuracy", *_accuracy(product, artifact, product_recipe, spec))
    return findings


def _digests(product: Product) -> tuple[bool, str]:
    files = product.manifest["files"]
    present = {path.name for path in product.path.iterdir()} - {MANIFEST}
    wrong = [name for name in sorted(files) if name not in present]
    problems = [f"{name} is missing" for name in wrong]
    problems += [
        f"{name} changed" for name in sorted(present & set(files)) if sha256_file(product.path / name) != files[name]
    ]
    problems += [f"{name} is not in the manifest" for name in sorted(present - set(files))]
    if product.manifest["artifact"] not in files:
        problems.append("the manifest has no digest of the artifact")
    return not problems, "; ".join(problems) or f"{len(files)} files"


def _labels(product: Product, artifact: Artifact) -> tuple[bool, str]:
    classes = (product.path / "labels.txt").read_text().splitlines()
    metadata = json.loads((product.path / "metadata.json").read_text())
    problems = []
    if metadata["classes"] != classes:
        problems.append("labels.txt and metadata.json have different classes")
    if len(classes) != artifact.outputs[0].shape[-1]:
        problems.append(f"{len(classes)} labels for {artifact.outputs[0].shape[-1]} outputs")
    described = metadata["artifacts"].get(artifact.path.name, {})
    if described.get("sha256") != artifact.sha256:
        problems.append(f"metadata.json describes a different {artifact.path.name}")
    if metadata["preprocessing"]["shape"] != list(artifact.inputs[0].shape[1:]):
        problems.append(f"metadata.json promises inputs of {metadata['preprocessing']['shape']}")
    return not problems, "; ".join(problems) or f"{len(classes)} classes"


def _noise(artifact: Artifact) -> NDArray[np.uint8]:
    """64 inputs of random bytes, (64, H, W, C)."""
    shape = [abs(n) for n in artifact.inputs[0].shape[1:]]
    return np.random.default_rng(0).integers(0, 256, (BATCH, *shape), dtype=np.uint8)


def _accuracy(
    product: Product, artifact: Artifact, product_recipe: Recipe | None, spec: str | None
) -> tuple[bool | None, str]:
    if product_recipe is None:
        return None, "not measured: the recipe, which names the data, cannot be read"
    if spec is None and not _at_hand(product_recipe.data.spec):
        return (
            None,
            f"not measured: {product_recipe.data.spec} is not on this machine; set EDGEKIT_DATA or pass --data SPEC",
        )
    if spec in registry.SOURCES and spec != product.manifest["dataset"]:
        # MNIST and Fashion-MNIST have the same numbers of images and classes: only the name distinguishes them.
        return None, f"not measured: {spec} is not its test set, which is {product.manifest['dataset']}"
    section = product_recipe.data if spec is None else product_recipe.data.model_copy(update={"spec": spec})
    dataset = data.load_section(section, product_recipe.seed)
    if misfit := _misfit(product, artifact, dataset):
        return None, f"not measured: {section.spec} is not its test set: {misfit}"
    output = described.output_of(artifact) or "probabilities"
    _, labels, predicted = judged(dataset.test, outputs(artifact, dataset.test.x), output)
    right = predicted.argmax(axis=1) == labels
    accuracy, recorded = float(right.mean()), float(product.manifest["accuracy"])
    return abs(accuracy - recorded) <= TOLERANCE, f"{accuracy:.4f} on {len(right):,} samples, manifest {recorded:.4f}"


def _misfit(product: Product, artifact: Artifact, dataset: Dataset) -> str:
    classes, shape = artifact.outputs[0].shape[-1], tuple(artifact.inputs[0].shape[1:])
    count = len(clips_of(dataset.test)[0])
    if count != product.manifest["n"]:
        return f"{count:,} test samples, the manifest's accuracy is on {product.manifest['n']:,}"
    if len(dataset.classes) != classes:
        return f"{len(dataset.classes)} classes, the file has {classes}"
    if tuple(dataset.input.shape) != shape:
        return f"{dataset.input.noun} of {dataset.input.shape}, the file expects {shape}"
    return ""


def _at_hand(spec: str) -> bool:
    """Whether the data set can be read without a download."""
    if spec == "cifar10-jpeg":
        return cifar10_jpeg.archive() is not None
    if spec not in registry.SOURCES:
        return Path(spec).expanduser().exists()
    root = Path(os.environ.get("EDGEKIT_DATA") or cache_root() / "data")
    # A failed download leaves an empty folder behind.
    folders = (root / spec, cache_root() / "data" / spec, *([root] if root.name == spec else []))
    return spec == "fashion-mnist-mini" or any(any(folder.glob("*")) for folder in folders)
