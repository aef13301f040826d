"""The classes of a report: how well each is recognized, the worst first, and whether they are uneven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.evidence.by_class import FEWEST, UNEVEN, counts_of, imbalance
from edgekit.evidence.proportion import mean_interval, wilson

PerClass = Mapping[str, Mapping[str, Any]]
"""Name -> {n, recall}: `per_class` of an Evaluation."""
_WORST, _NAMED = 3, 5


def rows(per_class: PerClass, trained: Mapping[str, int]) -> list[dict[str, Any]]:
    """One row a class, the worst recall first; last the classes that too few samples tell of.

    Args:
        trained: name -> samples that the network learned from, as far as it is known.

    Returns:
        name, n, right, recall with lower and upper (95 %, Wilson; all None where n < FEWEST), trained (or None).
    """
    found = []
    for name, row in per_class.items():
        n, recall = row["n"], row["recall"]
        judged = n >= FEWEST
        low, high = wilson(recall, n) if judged else (None, None)
        found.append(
            {"name": name, "n": n, "right": round(recall * n) if n else 0, "recall": recall if judged else None}
            | {"lower": low, "upper": high, "trained": trained.get(name)}
        )
    return sorted(found, key=_badness)


def _badness(row: Mapping[str, Any]) -> tuple[float, float]:
    # Of equal recalls the one that is less sure is worse.
    return (2.0, -row["n"]) if row["recall"] is None else (row["recall"], row["lower"])


def trained_on(document: Mapping[str, Any]) -> dict[str, int]:
    """Name -> training samples that the curation of a run kept; of `edgekit compress`, which curates nothing, none is known."""
    return {name: row["kept"] for name, row in document.get("curation", {}).get("per_class", {}).items()}


def shipped_test(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The test evaluation of the file that a run ships; {} where report.json does not list it."""
    name = document["run"]["shipped"]
    rows = document.get("evaluations", ())
    return next((row for row in rows if row["artifact"] == name and row["split"] == "test"), {})


def uneven(document: Mapping[str, Any]) -> str | None:
    """What is uneven about the classes of a run, such as "22 to 359 training samples of a class"; None where nothing is.

    Also None of reports of older versions, which do not hold balanced accuracy and macro F1.
    """
    test = shipped_test(document)
    if test.get("balanced_accuracy") is None:
        return None
    of_test = [row["n"] for row in test["per_class"].values()]
    for part, counts in (("training", list(trained_on(document).values())), ("test", of_test)):
        if imbalance(counts) >= UNEVEN:
            present = [count for count in counts if count]
            return f"{min(present):,} to {max(present):,} {part} samples of a class"
    return None


def balanced(test: Mapping[str, Any]) -> dict[str, Any]:
    """Balanced accuracy of a test evaluation with its 95 % interval, and macro F1."""
    return {
        "balanced_accuracy": test["balanced_accuracy"],
        "interval": mean_interval(counts_of(test["per_class"])),
        "macro_f1": test["macro_f1"],
    }


def told(per_class: PerClass, part: str = "test") -> list[str]:
    """The worst classes in a sentence, and those that cannot be judged in another; nothing of a report of an older version."""
    found = rows(per_class, {})
    judged, few = [row for row in found if row["recall"] is not None], [row for row in found if row["recall"] is None]
    lines = []
    if judged:
        worst = [
            f"{row['name']} {row['recall']:.2%} ({row['right']:,} of {row['n']:,}; 95 % interval {row['lower']:.2%} to "
            f"{row['upper']:.2%})"
            for row in judged[:_WORST]
        ]
        lines.append(f"lowest recall: {', '.join(worst)}")
    if few:
        lines.append(f"too few {part} samples to judge (fewer than {FEWEST}): {_named(few)}")
    return lines


def _named(found: Sequence[Mapping[str, Any]]) -> str:
    names = [f"{row['name']} ({row['n']})" for row in found[:_NAMED]]
    return ", ".join(names) + (f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else "")
