"""The top of a report in plain words and few figures: is the file good enough, what does it cost, what was lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.evidence.proportion import wilson
from edgekit.report import classes
from edgekit.report.changes import Changes
from edgekit.report.pareto import fewest_threads


def answer(document: Mapping[str, Any], shipped: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """What the first section says of the shipped file.

    Args:
        shipped: its row of `edgekit.report.html.artifact_rows`.

    Returns:
        accuracy, interval (95 %, Wilson), n, noun, sentence, gates_met, uneven (see `edgekit.report.classes.uneven`), balanced
        (None where classes are even), cost (a row for each target: the fewest threads that were measured) and lost (see `_lost`;
        None where the shipped file is the float one).
    """
    test, uneven = shipped["test"], classes.uneven(document)
    noun = document["dataset"].get("noun", "samples")
    cost, lost = fewest_threads(shipped["latencies"]), _lost(document, shipped, changes)
    told = {
        "accuracy": test["accuracy"],
        "interval": wilson(test["accuracy"], test["n"]),
        "n": test["n"],
        "noun": noun,
        "gates_met": sum(bool(gate["met"]) for gate in document["gates"]),
        "uneven": uneven,
        "balanced": classes.balanced(test) if uneven else None,
        "cost": cost,
        "lost": lost,
    }
    return told | {"sentence": _sentence(shipped, told)}


def validity(measurement: Mapping[str, Any]) -> str:
    """What a latency is, in a word or two: valid, suspect, not valid or emulated."""
    if measurement["emulated"]:
        return "emulated"
    return "not valid" if measurement["verdict"] == "invalid" else str(measurement["verdict"])


def _lost(document: Mapping[str, Any], shipped: Mapping[str, Any], changes: Changes) -> dict[str, Any] | None:
    """points (shipped minus float, of accuracy) with lower and upper (paired, 95 %), verdict; how many answers changed."""
    row = next((c for c in document["comparisons"] if c["kind"] == "quantization" and c["split"] == "test"), None)
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


def _sentence(shipped: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    low, high = told["interval"]
    text = (
        f"{shipped['name']} gets {100 * told['accuracy']:.1f} % of {told['n']:,} test {told['noun']} right "
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
