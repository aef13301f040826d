"""The most edits of a class that nobody asked for."""

import dataclasses

import numpy as np
import pytest

from edgekit.curation import bound, gate, select
from edgekit.curation.by_hand import Instruction
from edgekit.errors import RecipeError
from edgekit.recipe import section_of
from edgekit.types import Signals


def signals_of(sizes, wrong=(), errors=(), seed=0, sure=0.97):
    """Classes of `sizes` given labels. wrong[k]: labels of class k that are wrong, and the networks surely say so.

    errors[k]: right labels of class k that the networks get wrong, though not surely.
    """
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    p = np.full((len(labels), len(sizes)), (1 - sure) / (len(sizes) - 1))
    seen = labels.copy()
    start = np.concatenate([[0], np.cumsum(sizes)])
    top = sure - rng.uniform(0, 0.02, len(labels))
    for k, number in enumerate(wrong):
        seen[start[k] : start[k] + number] = (k + 1) % len(sizes)
    for k, number in enumerate(errors):
        rows = slice(start[k + 1] - number, start[k + 1])
        seen[rows], top[rows] = (k + 1) % len(sizes), 0.55
    p[np.arange(len(labels)), seen] = top
    p /= p.sum(axis=1, keepdims=True)
    return Signals(
        ids=np.arange(len(labels)).astype(str), labels=labels, classes=len(sizes), oof_probs=p.astype(np.float32)
    )


def limits(signals, method="self-confidence", **options):
    return bound.limits(signals, section_of({"method": method, **options})).tolist()


def test_nothing_of_clean_classes_may_go():
    assert limits(signals_of([100, 100, 100])) == [0, 0, 0]
    hard = signals_of([100, 100, 100], errors=[0, 30, 20])
    assert limits(hard) == [0, 0, 0]


def test_a_tenth_of_wrong_labels_may_go_where_they_are():
    assert limits(signals_of([200, 200, 200], wrong=[20, 20, 20])) == pytest.approx([20, 20, 20], abs=1)
    uneven = limits(signals_of([400, 400, 400], wrong=[60, 60, 0]))
    assert 30 <= min(uneven[:2]) <= max(uneven[:2]) <= 40, (
        "at most a tenth of a class unless all of the set is that noisy"
    )
    assert uneven[2] == 0, "the networks agree with all of it"


def test_more_than_a_tenth_may_go_where_the_whole_set_is_surely_that_noisy():
    most = limits(signals_of([400] * 5, wrong=[160] * 5))
    assert all(120 < number <= 170 for number in most)


def test_a_class_that_was_not_learned_keeps_its_samples():
    rare = signals_of([359, 22], errors=[0, 14])
    assert gate.weakness(rare)
    assert limits(rare) == [0, 0]
    labels = np.repeat([0, 1, 2], [300, 300, 22])
    wrong = signals_of([300, 300, 22], wrong=[30, 30, 14])
    assert np.array_equal(wrong.labels, labels)
    assert limits(wrong)[2] == 0
    assert limits(wrong)[0] > 20


@pytest.mark.parametrize("asked", [{"budget": 40}, {"max_edit": 0.3}, {"balance": True}])
def test_what_is_asked_for_is_not_bounded(asked):
    assert limits(signals_of([100, 100]), **asked) == [100, 100]


def test_a_bound_that_is_asked_for_holds_whatever_else_is():
    signals = signals_of([100, 30], errors=[10, 10])
    assert limits(signals, max_class_edit=0.1, budget=40) == [10, 3]
    assert limits(signals, max_class_edit=1) == [100, 30]
    with pytest.raises(RecipeError, match="max_class_edit is not used by 'none'"):
        section_of({"method": "none", "max_class_edit": 0.1})
    with pytest.raises(RecipeError, match="max_class_edit would undo"):
        section_of({"method": "duplicates", "max_class_edit": 0.1})


def test_large_classes_of_large_sets_have_no_bound_and_rare_ones_do():
    assert limits(signals_of([4600, 4400])) == [4600, 4400]
    assert limits(signals_of([4600, 4400, 60])) == [4600, 4400, 0]
    assert limits(signals_of([3500, 3500])) == [0, 0]


def test_without_probabilities_the_bound_is_a_tenth():
    plain = Signals(ids=np.arange(130).astype(str), labels=np.repeat([0, 1], [100, 30]), classes=2)
    assert limits(plain, "aum") == [10, 3]


def test_the_lowest_scores_go_first_and_what_was_held_back_is_reported():
    chosen = np.array([5, 0, 3, 1, 4])
    kept, held = bound.bounded(chosen, np.array([0, 0, 0, 1, 1, 1]), np.array([1, 2]))
    assert kept.tolist() == [5, 0, 3]
    assert held == {0: (2, 1), 1: (3, 2)}


@pytest.mark.parametrize("edit", ["drop", "relabel", "weight"])
def test_a_rare_class_is_held_back_with_its_name_whatever_the_edit(edit):
    signals = signals_of([300, 300, 40], wrong=[30, 30, 12])
    section = section_of({"method": "confident-learning", "edit": edit})
    selection, decision = select(signals, section, seed=0, names=("cat", "dog", "owl"))
    of_owl = [name for name, change in selection.edits.items() if signals.labels[int(name)] == 2]
    assert len(of_owl) == 4
    assert selection.held_back[2] == (12, 4)
    (warning,) = [text for text in selection.warnings if "owl" in text]
    assert "12 of the 40 samples of class owl (4 edited)" in warning
    lowest = sorted(np.flatnonzero(signals.labels == 2), key=lambda i: (decision.scores.values[i], i))[:4]
    assert {int(name) for name in of_owl} == set(lowest)


def test_edits_by_hand_are_not_bounded():
    signals = signals_of([60, 20])
    hand = [Instruction(id=str(i), action="drop") for i in range(60, 75)]
    selection, _ = select(signals, section_of({"method": "self-confidence"}), seed=0, by_hand=hand)
    assert len(selection.dropped) == 15


def test_copies_go_and_the_class_that_loses_most_is_named():
    digests = np.array(["a"] * 8 + [str(i) for i in range(8, 40)])
    signals = dataclasses.replace(signals_of([20, 20]), digests=digests, oof_probs=None)
    selection, _ = select(signals, section_of({"method": "duplicates"}), seed=0, names=("cat", "dog"))
    assert len(selection.dropped) == 7
    assert "'duplicates' drops 7 of the 20 samples of class cat" in selection.warnings


def test_networks_that_always_say_the_largest_class_are_weak():
    labels = np.repeat([0, 1], [359, 22])
    p = np.tile(np.array([[0.94, 0.06]], np.float32), (381, 1))
    assert "not clearly more" in gate.weakness(
        Signals(ids=np.arange(381).astype(str), labels=labels, classes=2, oof_probs=p)
    )
    two = signals_of([100, 100], errors=[35, 35])
    assert "chance is 50%" in gate.weakness(two)
    assert gate.weakness(signals_of([100, 100], wrong=[10, 10])) is None


def test_what_iqr_says_it_removed_is_what_went():
    labels = np.repeat([0, 1], [200, 200])
    p = np.where(np.arange(400) % 5 == 0, 0.3, 0.99)
    both = np.stack([np.where(labels == 0, p, 1 - p), np.where(labels == 0, 1 - p, p)], axis=1).astype(np.float32)
    hard = Signals(ids=np.arange(400).astype(str), labels=labels, classes=2, pred_probs=both)
    selection, decision = select(hard, section_of({"method": "iqr"}), seed=0)
    assert decision.facts["removed_high"] == 80
    assert selection.facts["removed_high"] == len(selection.dropped) <= 40
    assert selection.held_back[0][0] == 40
