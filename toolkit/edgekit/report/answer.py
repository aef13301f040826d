"""The top of a report in plain words and a few figures: is the file good enough, what does it cost, what was lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.evidence.proportion import wilson
from edgekit.report import classes
from edgekit.report.changes import Changes
from edgekit.report.document import reported_split
from edgekit.report.pareto import fewest_threads


def answer(document: Mapping[str, Any], shipped: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """The content of the first section, on the shipped file.

    Args:
        shipped: its row of `edgekit.report.html.artifact_rows`.

    Returns:
        accuracy, interval (95 %, Wilson), n, noun, what (the accuracy's label), folds (a sentence; None without
        cross-validation), sentence, gates_met, uneven (see `edgekit.report.classes.uneven`), balanced (None if classes are
        even), cost (a row per target: the fewest threads that were measured) and lost (see `_lost`; None if the shipped
        file is the float one).
    """
    test, uneven = shipped["test"], classes.uneven(document)
    noun = document["dataset"].get("noun", "samples")
    beside = cross_validated(document, shipped["name"])
    folds = beside if reported_split(document) == "cv" else None
    cost, lost = fewest_threads(shipped["latencies"]), _lost(document, shipped, changes)
    facts = {
        "accuracy": test["accuracy"],
        "interval": wilson(test["accuracy"], test["n"]) if folds is None else tuple(folds["interval"]),
        "what": f"test accuracy of {shipped['name']}"
        if folds is None
        else f"accuracy of the recipe, {folds['folds']}-fold",
        "n": test["n"],
        "folds": None if beside is None else cross_validation_sentence(beside, noun),
        "noun": noun,
        "gates_met": sum(bool(gate["met"]) for gate in document["gates"]),
        "uneven": uneven,
        "balanced": classes.balanced(test) if uneven else None,
        "cost": cost,
        "lost": lost,
    }
    return facts | {"sentence": _sentence(shipped, facts, folds)}


def cross_validated(document: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The cross-validation result of a file: folds, n, accuracy, interval, per_fold; None without it."""
    pooled: Mapping[str, Any] | None = document.get("cross_validation", {}).get("files", {}).get(name)
    return pooled


def cross_validation_sentence(pooled: Mapping[str, Any], noun: str) -> str:
    """The same in one sentence."""
    low, high = pooled["interval"]
    folds = ", ".join(f"{100 * row['accuracy']:.1f}" for row in pooled["per_fold"])
    return (
        f"Accuracy of the recipe, {pooled['folds']}-fold: {100 * pooled['accuracy']:.1f} % of {pooled['n']:,} {noun} (95 % "
        f"interval {100 * low:.1f} to {100 * high:.1f} %; folds {folds})"
    )


def validity(measurement: Mapping[str, Any]) -> str:
    """The validity of a latency, in a word or two: valid, suspect, not valid or emulated."""
    if measurement["emulated"]:
        return "emulated"
    return "not valid" if measurement["verdict"] == "invalid" else str(measurement["verdict"])


def _lost(document: Mapping[str, Any], shipped: Mapping[str, Any], changes: Changes) -> dict[str, Any] | None:
    """points (accuracy of shipped minus float) with lower and upper (paired, 95 %), verdict; how many predictions changed."""
    row = next(
        (c for c in document["comparisons"] if c["kind"] == "quantization" and c["split"] == reported_split(document)),
        None,
    )
    if row is None or not changes.quantized:
        return None
    detectable = row.get("detectable_difference")  # not in the first reports of this schema
    lower, upper = row["difference_interval"]
    return {
        "points": 100 * row["difference"],
        "lower": 100 * lower,
        "upper": 100 * upper,
        "verdict": row["verdict"],
        "detectable": None if detectable is None else 100 * detectable,
        "precision": shipped["precision"],
        "changed": len(changes.changed),
        "lost": changes.count("lost"),
        "won": changes.count("won"),
        "both_wrong": changes.count("changed, both wrong"),
    }


def _sentence(shipped: Mapping[str, Any], facts: Mapping[str, Any], folds: Mapping[str, Any] | None) -> str:
    low, high = facts["interval"]
    text = (
        f"{cross_validation_sentence(folds, facts['noun'])}. {shipped['name']} was trained on all of them and tested on none; "
        f"its size is {shipped['size_bytes'] / 1024:,.1f} KB"
        if folds is not None
        else f"{shipped['name']} classifies {100 * facts['accuracy']:.1f} % of {facts['n']:,} test {facts['noun']} correctly "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %{_balanced(facts)}) and its size is "
        f"{shipped['size_bytes'] / 1024:,.1f} KB"
    )
    believed = [m for m in facts["cost"] if not m["emulated"]]
    if believed:
        m = believed[0]
        if m["verdict"] == "invalid":
            text += f"; its latency on {m['target']} is not valid"
        else:
            doubt = "" if m["verdict"] == "valid" else f" ({validity(m)})"
            text += f"; one {facts['noun'].rstrip('s')} takes {m['p50_ms']:.3g} ms on {m['target']}{doubt}"
    lost = facts["lost"]
    if lost is None:
        return text + "."
    words = {
        "worse": "Quantization lost accuracy: {:+.2f} points.",
        "better": "Quantization raised accuracy by {:+.2f} points on these samples.",
    }
    default = f"Quantization caused no accuracy loss detectable on {facts['n']:,} {facts['noun']}."
    return f"{text}. {words.get(lost['verdict'], default).format(lost['points'])}"


def _balanced(facts: Mapping[str, Any]) -> str:
    return f"; {100 * facts['balanced']['balanced_accuracy']:.1f} % averaged over classes" if facts["balanced"] else ""
