"""Finished runs -> a product: the file that validation chose among the RNG seeds, and the test results of all of them."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit import recipe as recipes
from edgekit.errors import GateNotMet, IntegrityError, OutputInUse, UsageError
from edgekit.evidence.proportion import wilson
from edgekit.runs import recorded
from edgekit.runs.files import PARTIAL, disk_errors, sha256_file, swap, write_atomic
from edgekit.runs.folder import MANIFEST
from edgekit.zoo.products import Product, products

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")

# The float network is included, for `--weights` to start from, unless it would burden every checkout.
WEIGHTS = "weights.keras"
_MOST_WEIGHTS = 4 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A finished run: its folder, manifest, report, and the figures of the file it ships."""

    path: Path
    manifest: Mapping[str, Any]
    report: Mapping[str, Any]
    seed: int
    artifact: Mapping[str, Any]
    test: Mapping[str, Any]
    val: Mapping[str, Any]


def publish(
    runs: Sequence[Path], name: str, zoo: Path, *, title: str = "", results: str = "", force: bool = False
) -> Product:
    """Create the product `zoo/name` from one or more runs that differ only in the RNG seed; it appears complete or not at all.

    Args:
        title: the first line of the recipe; "" = student, data and precision.
        results: the result file with the figures, for the recipe's header; "" = none is named.
        force: replace a product of that name.

    Raises:
        UsageError: no run, an invalid name, or runs that differ in more than the seed.
        OutputInUse: the product exists, or something else is there.
        IntegrityError: a run is not finished, or its files changed.
        GateNotMet: a run misses a gate of its own recipe.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not a valid product name; use small letters, digits, '-', '_' and '.'.")
    target = zoo / name
    if target.exists() and not (force and (target / MANIFEST).is_file()):
        hint = (
            "replace it with --force" if (target / MANIFEST).is_file() else "it is not a product; choose another --name"
        )
        raise OutputInUse(f"{target} exists already: {hint}.")
    if not runs:
        raise UsageError("Nothing to publish: name at least one finished run folder.")
    finished = sorted((_read(path) for path in runs), key=lambda run: run.seed)
    _check_alike(finished)
    # max takes the first of equals, so ties go to the lowest seed.
    chosen = max(finished, key=lambda run: run.val["accuracy"])
    with disk_errors(zoo):
        zoo.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=zoo, prefix=PARTIAL))
        try:
            _fill(partial, chosen, finished, name, title, results)
            partial.chmod(0o755)
            swap(partial, target, PARTIAL)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return next(product for product in products(zoo) if product.name == name)


def _read(path: Path) -> _Run:
    try:
        manifest = json.loads((path / MANIFEST).read_text())
        report = json.loads((path / "report.json").read_text())
        finished = manifest["status"] == "complete"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        finished = False
    if not finished:
        raise IntegrityError(f"{path} is not a finished run; finish it with `edgekit build --resume --out {path}`.")
    shipped = report["run"]["shipped"]
    needed = (
        "report.json",
        "recipe.yaml",
        "card.md",
        f"artifacts/{shipped}",
        "artifacts/labels.txt",
        "artifacts/metadata.json",
    )
    files = recorded.digests(manifest, path / MANIFEST)
    for name in needed:
        file = recorded.inside(path, name, path / "report.json")
        if not file.is_file() or sha256_file(file) != files.get(name):
            raise IntegrityError(f"{path / name} is missing or changed since the run wrote it; build it again.")
    if missed := [gate["demand"] for gate in report["gates"] if not gate["met"]]:
        raise GateNotMet(f"{path} misses its gate {missed[0]}; a run that misses its own gates is not published.")

    if not any(each["split"] == "test" for each in report["evaluations"]):
        raise UsageError(
            f"{path} was cross-validated (--cv) and has no test part, which a product's accuracy is measured on; publish a run "
            "without --cv."
        )

    def row(split: str) -> Mapping[str, Any]:
        row: Mapping[str, Any] = next(
            each for each in report["evaluations"] if each["artifact"] == shipped and each["split"] == split
        )
        return row

    artifact = next(each for each in report["artifacts"] if each["name"] == shipped)
    seed = int(report["recipe"]["seed"])
    return _Run(
        path=path, manifest=manifest, report=report, seed=seed, artifact=artifact, test=row("test"), val=row("val")
    )


def _check_alike(runs: Sequence[_Run]) -> None:
    first = runs[0]
    recipe = recipes.load(first.path / "recipe.yaml")
    for run in runs[1:]:
        changed = recipes.differences(recipe, recipes.load(run.path / "recipe.yaml"))
        if other := [key for key in changed if key != "seed"]:
            raise UsageError(
                f"{first.path} and {run.path} differ in {', '.join(other)}; the runs of one product may differ only in the seed."
            )
        if run.test["n"] != first.test["n"] or run.report["dataset"]["classes"] != first.report["dataset"]["classes"]:
            raise UsageError(f"{first.path} and {run.path} were tested on different data.")
    seeds = [run.seed for run in runs]
    if twice := next((seed for seed in seeds if seeds.count(seed) > 1), None):
        raise UsageError(f"Two runs have the seed {twice}; each run of a product needs its own.")


def _fill(folder: Path, chosen: _Run, runs: Sequence[_Run], name: str, title: str, results: str) -> None:
    """Write the files of the product of `chosen` into `folder`, manifest.json last."""
    artifacts = chosen.path / "artifacts"
    shipped = str(chosen.artifact["name"])
    shutil.copyfile(artifacts / shipped, folder / shipped)
    shutil.copyfile(artifacts / "labels.txt", folder / "labels.txt")
    report = chosen.path / "report.json"
    student = recorded.inside(chosen.path, chosen.report["training"]["student"]["path"], report)
    if student.stat().st_size <= _MOST_WEIGHTS:
        shutil.copyfile(student, folder / WEIGHTS)
    metadata = json.loads((artifacts / "metadata.json").read_text())
    metadata["artifacts"] = {shipped: metadata["artifacts"][shipped]}
    write_atomic(folder / "metadata.json", json.dumps(metadata, indent=2, ensure_ascii=False) + "\n")
    facts = _facts(chosen, runs, name)
    own = (chosen.path / "recipe.yaml").read_text()
    write_atomic(folder / "recipe.yaml", _head(chosen, facts, title, results) + own)
    write_atomic(folder / "card.md", _card((chosen.path / "card.md").read_text(), facts))
    files = {path.name: sha256_file(path) for path in sorted(folder.iterdir())}
    write_atomic(folder / MANIFEST, json.dumps({**facts, "files": files}, indent=2) + "\n")


def _facts(chosen: _Run, runs: Sequence[_Run], name: str) -> dict[str, Any]:
    accuracies = [run.test["accuracy"] for run in runs]
    return {
        "edgekit": chosen.manifest["edgekit"],
        "versions": chosen.manifest["versions"],
        "git_revision": chosen.manifest["git_revision"],
        "dataset": chosen.report["dataset"]["name"],
        "dataset_fingerprint": chosen.manifest["dataset_fingerprint"],
        "artifact": chosen.artifact["name"],
        "precision": chosen.artifact["precision"],
        "size_bytes": chosen.artifact["size_bytes"],
        "accuracy": chosen.test["accuracy"],
        "accuracy_interval": [round(each, 5) for each in wilson(chosen.test["accuracy"], chosen.test["n"])],
        "n": chosen.test["n"],
        "val_accuracy": chosen.val["accuracy"],
        "seed": chosen.seed,
        "seeds": [run.seed for run in runs],
        "accuracies": accuracies,
        "mean_accuracy": round(sum(accuracies) / len(accuracies), 6),
        "command": f"edgekit build --recipe models/{name}/recipe.yaml",
        "measured": chosen.report["run"]["created"][:10],
    }


def _head(chosen: _Run, facts: Mapping[str, Any], title: str, results: str) -> str:
    student = chosen.report["training"]["student"]
    exact = next(
        row["accuracy"]
        for row in chosen.report["evaluations"]
        if row["artifact"] == "model_float32.tflite" and row["split"] == "test"
    )
    lines = [
        title or f"{student['architecture']} on {facts['dataset']}, {facts['precision']}.",
        "",
        f"command    {facts['command']}",
        f"time       {student['seconds']:.0f} s of training on {student['device']}",
        f"expected   {facts['precision']} {_accuracy(facts)} at {facts['size_bytes']:,} bytes; float32 {exact:.4f}",
        f"seeds      {_seeds(facts)}",
        f"measured   {facts['measured']}" + (f", {results}" if results else ""),
    ]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _card(card: str, facts: Mapping[str, Any]) -> str:
    """The run's card with what the run could not know: the interval, and the other seeds."""
    seeds = _seeds(facts)
    lines = [
        "## Accuracy",
        "",
        f"This file: {_accuracy(facts)} on {facts['n']:,} test images. {seeds[0].upper()}{seeds[1:]}.",
    ]
    return card.replace("`artifacts/metadata.json`", "`metadata.json`").rstrip() + "\n\n" + "\n".join(lines) + "\n"


def _accuracy(facts: Mapping[str, Any]) -> str:
    low, high = facts["accuracy_interval"]
    return f"test accuracy {facts['accuracy']:.4f} (95 % interval {low:.4f} to {high:.4f})"


def _seeds(facts: Mapping[str, Any]) -> str:
    if len(facts["seeds"]) == 1:
        return f"one RNG seed ({facts['seed']})"
    each = ", ".join(f"{seed}: {value:.4f}" for seed, value in zip(facts["seeds"], facts["accuracies"], strict=True))
    return (
        f"mean {facts['mean_accuracy']:.4f} over {len(facts['seeds'])} RNG seeds ({each}); "
        f"{facts['seed']} was chosen on validation"
    )
