"""Recipes of the controls that depend on an arm's finished run: how much it dropped, of which classes, and what it cost."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import recipe as recipes
from edgekit.recipe import Recipe
from edgekit.runs.files import canonical_json, write_atomic

_STREAM = 7  # for the draws here, separate from those of the run's own RNG seed


def random(arm: Recipe, run: Path) -> Recipe | None:
    """As many samples dropped at random as in the arm's `run`; None if it dropped none."""
    dropped = _curation(run)["n_dropped"]
    return _with(arm, {"method": "random", "budget": dropped}) if dropped else None


def matched(arm: Recipe, run: Path, edits: Path) -> Recipe | None:
    """As many of each class dropped at random as in the arm's `run`, written to `edits`; None if it dropped none."""
    lines = matched_lines(run, arm.seed)
    if not lines:
        return None
    write_atomic(edits, lines)
    return _with(arm, {"method": "none", "apply": str(edits)})


def matched_lines(run: Path, seed: int) -> str:
    """Edits (see curation.by_hand) that drop, of each class, as many random samples as `run` dropped of it."""
    import pyarrow.parquet as pq

    table = pq.read_table(run / "curation/scores.parquet", columns=["id", "label"])
    ids, labels = np.array(table["id"].to_pylist()), np.array(table["label"].to_pylist())
    gone = _dropped(run / "curation/selection.jsonl")
    quota = Counter(labels[np.isin(ids, list(gone))].tolist())
    rng = np.random.default_rng([seed, _STREAM])
    chosen = [
        rng.choice(np.flatnonzero(labels == label), count, replace=False) for label, count in sorted(quota.items())
    ]
    order = np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)
    return "".join(canonical_json({"id": str(ids[i]), "action": "drop"}) + "\n" for i in order)


def moved(held: str, recipe: Recipe, run: Path) -> bool:
    """Whether the recipe `held` (YAML) of a class-matched `run` equals `recipe` except for the location of the study's folder.

    A finished run must have dropped what `recipe` drops; otherwise it is run again, with the edits at their current location.
    """
    if recipes.differences(recipes.from_yaml(held), recipe) != ["curation.apply"] or not recipe.curation.apply:
        return False
    selection = run / "curation/selection.jsonl"
    if not selection.exists():
        return True
    gone, wanted = (_dropped(path) for path in (selection, Path(recipe.curation.apply)))
    return gone == wanted


def _dropped(edits: Path) -> set[str]:
    rows = [json.loads(line) for line in edits.read_text().splitlines()]
    return {row["id"] for row in rows if row["action"] == "drop"}


def same_total_flops(arm: Recipe, run: Path) -> Recipe | None:
    """All data, with as many epochs as the compute of the arm's training and curation pays for; None if curation cost nothing.

    At equal steps an epoch costs the arm as much as an epoch on all data.
    """
    document = json.loads((run / "report.json").read_text())
    student, curation = document["training"]["student"]["train_flops"], document["curation"]["curation_flops"]
    if not curation:
        return None
    # Under match "epochs" the arm's epochs are shorter than those on all data.
    kept = document["curation"]["n_kept"] / document["curation"]["n_before"] if arm.training.match == "epochs" else 1.0
    epochs = max(1, round(arm.training.epochs * kept * (student + curation) / student))
    longer = recipes.from_mapping(arm.model_dump(mode="json") | {"curation": {"method": "none"}})
    return longer.model_copy(update={"training": longer.training.model_copy(update={"epochs": epochs})})


def expected_seconds(arm: Recipe, run: Path, longer: Recipe) -> float:
    """How long training `longer` will take, at the pace of the arm's `run`."""
    seconds = json.loads((run / "report.json").read_text())["training"]["student"]["seconds"]
    return float(seconds) * longer.training.epochs / arm.training.epochs


def _with(arm: Recipe, curation: dict[str, Any]) -> Recipe:
    return recipes.from_mapping(arm.model_dump(mode="json") | {"curation": curation})


def _curation(run: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((run / "curation/summary.json").read_text())
    return summary
