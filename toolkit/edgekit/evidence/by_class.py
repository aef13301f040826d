"""Results of a file class by class, and whether classes are uneven enough for that to differ from its accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNEVEN = 3.0
"""From this `imbalance` on, classes are uneven: accuracy alone may then hide a class that is never recognized."""

FEWEST = 4
"""From this number of samples on, the recall of a class is judged: the fewest for which the 95 % intervals (Wilson) of "all of
them right" and "none of them right" do not overlap. With three samples both contain 50 %."""


def imbalance(counts: Iterable[int]) -> float:
    """Samples of the largest class over those of the smallest, among classes that occur; 1 if fewer than two do."""
    present = [int(count) for count in counts if count > 0]
    return max(present) / min(present) if present else 1.0


@dataclass(frozen=True, slots=True, eq=False)
class ByClass:
    """Counts per class: n (K,) samples of it, right (K,) of them recognized, answered (K,) samples predicted as it."""

    n: NDArray[np.int64]
    right: NDArray[np.int64]
    answered: NDArray[np.int64]

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the recalls right / n of the classes that occur."""
        occurs = self.n > 0
        return _mean(self.right[occurs] / self.n[occurs])

    @property
    def macro_f1(self) -> float:
        """Mean of the F1 scores 2 right / (n + answered) of the classes that occur, in the labels or in the predictions."""
        total = self.n + self.answered
        return _mean(2 * self.right[total > 0] / total[total > 0])

    def named(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Name -> {n, recall (None where n is 0)}, in the order of `names`."""
        return {
            name: {"n": n, "recall": right / n if n else None}
            for name, n, right in zip(names, self.n.tolist(), self.right.tolist(), strict=True)
        }


def _mean(values: NDArray[np.float64]) -> float:
    # Rounded, so that the mean of .7, .8 and .9 is .8 and meets a gate at .8.
    return round(float(values.mean()), 12)


def by_class(answers: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> ByClass:
    """Count the (N,) predictions for samples with (N,) labels, both in [0, classes)."""
    n, right, answered = (
        np.bincount(values, minlength=classes) for values in (labels, labels[answers == labels], answers)
    )
    return ByClass(n, right, answered)


def counts_of(per_class: Mapping[str, Mapping[str, Any]]) -> list[tuple[float, int]]:
    """(recall, n) of the classes that occur, from the result of `ByClass.named`."""
    return [(row["recall"], row["n"]) for row in per_class.values() if row["n"]]
