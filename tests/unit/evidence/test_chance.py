"""A file that is no better than its largest class."""

import pytest

from edgekit.errors import NotLearned
from edgekit.evidence.chance import error, no_better


def document(accuracy, recalls, accept=False):
    per_class = {str(k): {"n": n, "recall": recall} for k, (n, recall) in enumerate(recalls)}
    known = [recall for n, recall in recalls if n]
    row = {"artifact": "f", "split": "val", "n": sum(n for n, _ in recalls), "accuracy": accuracy,
           "balanced_accuracy": sum(known) / len(known), "per_class": per_class}  # fmt: skip
    return {"run": {"shipped": "f"}, "evaluations": [row], "recipe": {"accept_chance": accept}}


@pytest.mark.parametrize(
    ("accuracy", "recalls", "beats"),
    [
        (0.5, [(10, 1.0), (10, 0.0)], False),  # one class for all
        (0.55, [(10, 0.6), (10, 0.5)], True),
        (0.9, [(90, 1.0), (10, 0.0)], False),
        (0.85, [(90, 0.86), (10, 0.8)], True),  # fewer right than by the large class alone, yet it knows both
        (0.5, [(90, 0.5), (10, 0.5)], False),  # a coin: 0.5 + 1.645 x 0.5 x sqrt(0.25/90 + 0.25/10) = 0.637
        (0.6, [(10, 0.6), (0, 0.0)], False),  # a class that does not occur
    ],
)
def test_by_hand(accuracy, recalls, beats):
    assert (no_better(document(accuracy, recalls)) is None) == beats


def test_it_ends_with_exit_code_5_unless_accepted():
    guessing = document(0.5, [(10, 1.0), (10, 0.0)])
    found = error(guessing)
    assert isinstance(found, NotLearned) and found.exit_code == 5
    assert "does not beat the largest class alone, 50.0% of 20 samples" in str(found)
    assert error(document(0.5, [(10, 1.0), (10, 0.0)], accept=True)) is None
