"""Balanced accuracy, macro F1 and recalls, by hand and against scikit-learn; and what counts as uneven."""

import warnings

import numpy as np
import pytest

from edgekit.evidence import metrics
from edgekit.evidence.by_class import FEWEST, UNEVEN, by_class, counts_of, imbalance
from edgekit.evidence.proportion import wilson


def test_by_hand():
    """Recalls 3/4, 1/2 and 0/1; F1 2 x 3 / (4 + 4), 2 x 1 / (2 + 2) and 0 / (1 + 1)."""
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    found = by_class(np.array([0, 0, 0, 1, 1, 2, 0]), labels, 3)
    assert (found.n.tolist(), found.right.tolist(), found.answered.tolist()) == ([4, 2, 1], [3, 1, 0], [4, 2, 1])
    assert found.balanced_accuracy == pytest.approx((0.75 + 0.5 + 0) / 3)
    assert found.macro_f1 == pytest.approx((0.75 + 0.5 + 0) / 3)
    named = found.named(["a", "b", "c"])
    assert named == {"a": {"n": 4, "recall": 0.75}, "b": {"n": 2, "recall": 0.5}, "c": {"n": 1, "recall": 0.0}}


def test_a_file_that_always_says_the_large_class():
    """90 of 100 right, and yet no better than chance: recalls 1 and 0, F1 180 / 190 and 0."""
    labels = np.array([0] * 90 + [1] * 10)
    quality = metrics.quality(np.tile([0.9, 0.1], (100, 1)), labels)
    assert (quality.accuracy, quality.balanced_accuracy) == (0.9, 0.5)
    assert quality.macro_f1 == pytest.approx(180 / 190 / 2)


def test_a_class_without_samples_is_in_no_mean_of_recalls_but_answering_it_costs_f1():
    labels, answers = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    found = by_class(answers, labels, 4)
    assert found.balanced_accuracy == 0.75
    assert found.macro_f1 == pytest.approx((2 / 3 + 1 + 0) / 3), "the fourth class is neither a label nor an answer"
    assert found.named("abcd")["c"] == {"n": 0, "recall": None}
    assert counts_of(found.named("abcd")) == [(0.5, 2), (1.0, 2)]


def test_a_mean_at_a_limit_is_at_the_limit():
    """(.7 + .8 + .9) / 3 is .7999999999999999 or .8000000000000002, as it is added up; a gate at .8 must hold."""
    labels = np.repeat(np.arange(3), 10)
    answers = labels.copy()
    for k, wrong in enumerate((3, 2, 1)):
        answers[10 * k : 10 * k + wrong] = (k + 1) % 3
    assert by_class(answers, labels, 3).balanced_accuracy == 0.8


@pytest.mark.parametrize("seed", range(4))
def test_the_same_as_scikit_learn_also_where_classes_do_not_occur(seed):
    from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score

    rng = np.random.default_rng(seed)
    labels = rng.choice(7, 200, p=[0.6, 0.2, 0.1, 0.05, 0.05, 0, 0])
    answers = np.where(rng.random(200) < 0.7, labels, rng.integers(0, 6, 200))
    found = by_class(answers, labels, 7)
    with warnings.catch_warnings():
        # It warns of answers that are no label, and gives the mean over the others.
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, answers), abs=1e-12)
    assert found.macro_f1 == pytest.approx(f1_score(labels, answers, average="macro"), abs=1e-12)
    each = recall_score(labels, answers, average=None, labels=range(7), zero_division=np.nan)
    recalls = [row["recall"] for row in found.named(list("abcdefg")).values()]
    assert [np.nan if recall is None else recall for recall in recalls] == pytest.approx(each.tolist(), nan_ok=True)


def test_imbalance_is_of_the_classes_that_occur():
    assert imbalance([359, 22]) == pytest.approx(359 / 22) and imbalance([10, 10, 10]) == 1.0
    assert imbalance([30, 10]) == UNEVEN and imbalance(np.array([29, 10])) < UNEVEN
    assert imbalance([30, 0, 15]) == 2.0 and imbalance([5]) == imbalance([]) == imbalance([0, 0]) == 1.0


def test_the_fewest_samples_that_can_tell_all_right_from_all_wrong():
    apart = [n for n in range(1, 10) if wilson(1.0, n)[0] > wilson(0.0, n)[1]]
    assert apart[0] == FEWEST
