"""The top of a report in plain words and few figures: is the file good enough, what does it cost, what was lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.evidence.proportion import wilson
from edgekit.report import classes
from edgekit.report.changes import Changes
from edgekit.report.document import told_on
from edgekit.report.pareto import fewest_threads


def answer(document: Mapping[str, Any], shipped: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """What the first section says of the shipped file.

    Args:
        shipped: its row of `edgekit.report.html.artifact_rows`.

    Returns:
        accuracy, interval (95 %, Wilson), n, noun, what (that is the accuracy), folds (a sentence; None without
        cross-validation), sentence, gates_met, uneven (see `edgekit.report.classes.uneven`), balanced (None where classes are
        even), cost (a row for each target: the fewest threads that were measured) and lost (see `_lost`; None where the shipped
        file is the float one).
    """
    test, uneven = shipped["test"], classes.uneven(document)
    noun = document["dataset"].get("noun", "samples")
    beside = crossed(document, shipped["name"])
    folds = beside if told_on(document) == "cv" else None
    cost, lost = fewest_threads(shipped["latencies"]), _lost(document, shipped, changes)
    told = {
        "accuracy": test["accuracy"],
        "interval": wilson(test["accuracy"], test["n"]) if folds is None else tuple(folds["interval"]),
        "what": f"test accuracy of {shipped['name']}"
        if folds is None
        else f"accuracy of the recipe, {folds['folds']}-fold",
        "n": test["n"],
        "folds": None if beside is None else crossed_told(beside, noun),
        "noun": noun,
        "gates_met": sum(bool(gate["met"]) for gate in document["gates"]),
        "uneven": uneven,
        "balanced": classes.balanced(test) if uneven else None,
        "cost": cost,
        "lost": lost,
    }
    return told | {"sentence": _sentence(shipped, told, folds)}


def crossed(document: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """What cross-validation found for a file: folds, n, accuracy, interval, per_fold; None without it."""
    found: Mapping[str, Any] | None = document.get("cross_validation", {}).get("files", {}).get(name)
    return found


def crossed_told(found: Mapping[str, Any], noun: str) -> str:
    """One sentence of it."""
    low, high = found["interval"]
    folds = ", ".join(f"{100 * row['accuracy']:.1f}" for row in found["per_fold"])
    return (
        f"Accuracy of the recipe, {found['folds']}-fold: {100 * found['accuracy']:.1f} % of {found['n']:,} {noun} (95 % interval "
        f"{100 * low:.1f} to {100 * high:.1f} %; folds {folds})"
    )


def validity(measurement: Mapping[str, Any]) -> str:
    """What a latency is, in a word or two: valid, suspect, not valid or emulated."""
    if measurement["emulated"]:
        return "emulated"
    return "not valid" if measurement["verdict"] == "invalid" else str(measurement["verdict"])


def _lost(document: Mapping[str, Any], shipped: Mapping[str, Any], changes: Changes) -> dict[str, Any] | None:
    """points (shipped minus float, of accuracy) with lower and upper (paired, 95 %), verdict; how many answers changed."""
    row = next(
        (c for c in document["comparisons"] if c["kind"] == "quantization" and c["split"] == told_on(document)), None
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


def _sentence(shipped: Mapping[str, Any], told: Mapping[str, Any], folds: Mapping[str, Any] | None) -> str:
    low, high = told["interval"]
    text = (
        f"{crossed_told(folds, told['noun'])}. {shipped['name']} has seen them all and was tested on none; it takes "
        f"{shipped['size_bytes'] / 1024:,.1f} KB"
        if folds is not None
        else f"{shipped['name']} gets {100 * told['accuracy']:.1f} % of {told['n']:,} test {told['noun']} right "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %{_balanced(told)}) and takes {shipped['size_bytes'] / 1024:,.1f} KB"
    )
    believed = [m for m in told["cost"] if not m["emulated"]]
    if believed:
        m = believed[0]
        if m["verdict"] == "invalid":
            text += f"; its latency on {m['target']} is not valid"
        else:
            doubt = "" if m["verdict"] == "valid" else f" ({validity(m)})"
            text += f"; one {told['noun'].rstrip('s')} takes {m['p50_ms']:.3g} ms on {m['target']}{doubt}"
    lost = told["lost"]
    if lost is None:
        return text + "."
    words = {
        "worse": "Quantization lost accuracy: {:+.2f} points.",
        "better": "Quantization raised accuracy by {:+.2f} points on these samples.",
    }
    default = f"Quantization lost no accuracy that {told['n']:,} {told['noun']} could show."
    return f"{text}. {words.get(lost['verdict'], default).format(lost['points'])}"


def _balanced(told: Mapping[str, Any]) -> str:
    return f"; {100 * told['balanced']['balanced_accuracy']:.1f} % as the mean over classes" if told["balanced"] else ""
