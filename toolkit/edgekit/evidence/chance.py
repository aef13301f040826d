"""Whether a file is better than always predicting the largest class. If it is not, it has learned nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edgekit.errors import NotLearned

_ONE_SIDED_95 = 1.645


def no_better(document: Mapping[str, Any]) -> str | None:
    """Why the shipped file of a report.json does not beat the largest class on validation; None if it does.

    It does with a higher accuracy, or, if classes are uneven, with a mean class recall that guessing does not reach in 95 of
    100 cases.
    """
    name = document["run"]["shipped"]
    row = next(row for row in document["evaluations"] if row["artifact"] == name and row["split"] == "val")
    counts = [each["n"] for each in row["per_class"].values() if each["n"]]
    majority, guess = max(counts) / sum(counts), 1 / len(counts)
    deviation = guess * math.sqrt(sum(guess * (1 - guess) / n for n in counts))
    if row["accuracy"] > majority or row["balanced_accuracy"] > guess + _ONE_SIDED_95 * deviation:
        return None
    return (
        f"its validation accuracy {row['accuracy']:.1%} does not beat the largest class alone, "
        f"{majority:.1%} of {row['n']:,} samples"
    )


def error(document: Mapping[str, Any]) -> NotLearned | None:
    """The error that a command ends with for such a file, unless the recipe accepts it; the caller attaches the report."""
    reason = no_better(document)
    if reason is None or document["recipe"]["accept_chance"]:
        return None
    return NotLearned(
        f"{document['run']['shipped']} has not learned: {reason}. Train it for more steps (training.epochs), check the labels "
        "(edgekit data check), or add data; to accept it anyway, set accept_chance: true in the recipe."
    )
