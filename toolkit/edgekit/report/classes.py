"""The classes of a report: how well each is recognized, worst first, and whether they are uneven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.evidence.by_class import FEWEST, UNEVEN, counts_of, imbalance
from edgekit.evidence.proportion import mean_interval, wilson
from edgekit.report.document import reported_split

PerClass = Mapping[str, Mapping[str, Any]]
"""Name -> {n, recall}: `per_class` of an Evaluation."""
_WORST, _NAMED = 3, 5


def rows(per_class: PerClass, trained: Mapping[str, int]) -> list[dict[str, Any]]:
    """One row per class, worst recall first; last the classes with too few samples to judge.

    Args:
        trained: name -> training samples, as far as known.

    Returns:
        name, n, right, recall with lower and upper (95 %, Wilson; all None where n < FEWEST), trained (or None).
    """
    result = []
    for name, row in per_class.items():
        n, recall = row["n"], row["recall"]
        judged = n >= FEWEST
        low, high = wilson(recall, n) if judged else (None, None)
        result.append(
            {"name": name, "n": n, "right": round(recall * n) if n else 0, "recall": recall if judged else None}
            | {"lower": low, "upper": high, "trained": trained.get(name)}
        )
    return sorted(result, key=_badness)


def _badness(row: Mapping[str, Any]) -> tuple[float, float]:
    # Of equal recalls the less certain one is worse.
    return (2.0, -row["n"]) if row["recall"] is None else (row["recall"], row["lower"])


def trained_on(document: Mapping[str, Any]) -> dict[str, int]:
    """Name -> training samples that the curation of a run kept; unknown for `edgekit compress`, which curates nothing."""
    return {name: row["kept"] for name, row in document.get("curation", {}).get("per_class", {}).items()}


def shipped_test(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The test evaluation of a run's shipped file, or that of its folds; {} if report.json does not list it."""
    name = document["run"]["shipped"]
    rows, split = document.get("evaluations", ()), reported_split(document)
    return next((row for row in rows if row["artifact"] == name and row["split"] == split), {})


def uneven(document: Mapping[str, Any]) -> str | None:
    """What is uneven about the classes of a run, such as "22 to 359 training samples of a class"; None if nothing is.

    Also None for reports of older versions, which have no balanced accuracy and macro F1.
    """
    test = shipped_test(document)
    if test.get("balanced_accuracy") is None:
        return None
    of_test = [row["n"] for row in test["per_class"].values()]
    for part, counts in (("training", list(trained_on(document).values())), ("test", of_test)):
        if imbalance(counts) >= UNEVEN:
            present = [count for count in counts if count]
            return f"{min(present):,} to {max(present):,} {part} samples per class"
    return None


def balanced(test: Mapping[str, Any]) -> dict[str, Any]:
    """Balanced accuracy of a test evaluation with its 95 % interval, and macro F1."""
    return {
        "balanced_accuracy": test["balanced_accuracy"],
        "interval": mean_interval(counts_of(test["per_class"])),
        "macro_f1": test["macro_f1"],
    }


def recall_lines(per_class: PerClass, part: str = "test") -> list[str]:
    """The worst classes in a sentence, and those with too few samples in another; nothing for a report of an older version."""
    ordered = rows(per_class, {})
    judged, few = (
        [row for row in ordered if row["recall"] is not None],
        [row for row in ordered if row["recall"] is None],
    )
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


def _named(classes: Sequence[Mapping[str, Any]]) -> str:
    names = [f"{row['name']} ({row['n']})" for row in classes[:_NAMED]]
    return ", ".join(names) + (f" and {len(classes) - _NAMED:,} more" if len(classes) > _NAMED else "")
