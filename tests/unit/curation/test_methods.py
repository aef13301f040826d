"""The score methods against hand-computed cases, the examples of docs/methods.md and cleanlab's own filters."""

import dataclasses

import numpy as np
import pytest

from edgekit import registry
from edgekit.curation.methods import (
    aum,
    confident_learning,
    consensus,
    el2n,
    forgetting,
    influence_function,
    iqr,
    margin,
    none,
    quantile,
    random,
    self_confidence,
    tracin,
    trak,
)
from edgekit.curation.signals import cross_entropy
from edgekit.errors import RecipeError
from edgekit.recipe import section_of
from edgekit.types import Signals

P0 = np.array([0.9, 0.8, 0.7, 0.2, 0.1, 0.2, 0.3, 0.75])
VECTOR = Signals(
    ids=np.array(list("abcdefgh")),
    labels=np.array([0, 0, 0, 0, 1, 1, 1, 1]),
    classes=2,
    oof_probs=np.stack([P0, 1 - P0], axis=1).astype(np.float32),
)


def signals_of(loss, labels=None):
    """Two-class signals whose cross-entropy is `loss`."""
    p = np.exp(-np.asarray(loss, np.float64))
    labels = np.zeros(len(p), np.int64) if labels is None else labels
    both = np.stack([np.where(labels == 0, p, 1 - p), np.where(labels == 0, 1 - p, p)], axis=1)
    return Signals(
        ids=np.array([f"train/{i}" for i in range(len(p))]),
        labels=labels,
        classes=2,
        pred_probs=both.astype(np.float32),
    )


def decide(method, signals, budget=None, **params):
    return method.decide(signals, budget=budget, seed=1, params={"factor": 1.5, **params})


def test_fences_are_tukeys():
    assert iqr.fences(np.array([1.0, 2.0, 3.0, 4.0, 5.0])) == (2 - 1.5 * 2, 4 + 1.5 * 2)


def test_lower_fence_removes_one_and_upper_none():
    decision = decide(iqr, signals_of([0, *np.linspace(10, 10.5, 99)]))
    assert decision.facts["removed_low"] == 1
    assert decision.facts["removed_high"] == 0
    assert decision.drop == {0: "low_loss"}


@pytest.mark.parametrize("seed", range(5))
def test_lower_fence_removes_nothing_when_q1_is_below_six_tenths_of_q3(seed):
    loss = np.random.default_rng(seed).exponential(1.0, 500)
    q1, q3 = np.percentile(loss, [25, 75])
    assert q1 < 0.6 * q3
    decision = decide(iqr, signals_of(loss))
    assert decision.facts["removed_low"] == 0
    assert decision.facts["lower_fence"] < 0
    assert any("removes nothing" in warning for warning in decision.warnings)


def test_upper_fence_removes_exactly_what_lies_above_it():
    loss = np.concatenate([np.linspace(0.1, 0.5, 40), [5.0, 6.0]])
    decision = decide(iqr, signals_of(loss))
    assert decision.drop == {40: "high_loss", 41: "high_loss"}
    assert decision.scores.values[41] < decision.scores.values[0], "higher = more worth keeping"
    assert decision.scores.values == pytest.approx(-loss, rel=1e-3)


def test_a_wider_factor_drops_less():
    loss = np.random.default_rng(0).exponential(1.0, 500)
    narrow, wide = (decide(iqr, signals_of(loss), factor=factor) for factor in (1.5, 3.0))
    assert len(wide.drop) < len(narrow.drop)


def test_fences_per_class_see_only_their_class():
    labels = np.repeat([0, 1], 50)
    loss = np.concatenate([np.linspace(0.01, 0.02, 49), [0.1], np.linspace(1, 2, 49), [9.0]])
    decision = decide(iqr, signals_of(loss, labels), per_class=True)
    assert decision.drop == {49: "high_loss", 99: "high_loss"}
    assert decide(iqr, signals_of(loss, labels)).drop == {99: "high_loss"}
    assert decision.scores.values[[49, 99]].max() < 0 <= np.delete(decision.scores.values, [49, 99]).min()


def test_log_loss_fences_cut_low_losses():
    loss = np.concatenate([np.exp(np.linspace(-1, 0, 60)), [1e-6]])
    assert decide(iqr, signals_of(loss), log_loss=True).drop == {60: "low_loss"}


def test_out_of_fold_basis_reads_the_other_probabilities():
    both = dataclasses.replace(signals_of(np.full(8, 0.5)), oof_probs=VECTOR.oof_probs)
    assert np.ptp(decide(iqr, both).scores.values) == 0
    assert np.ptp(decide(iqr, both, basis="out-of-fold").scores.values) > 1


def test_quantile_ranks_by_in_sample_loss():
    decision = decide(quantile, signals_of([0.1, 3.0, 1.0]))
    assert decision.drop is None
    assert decision.scores.values == pytest.approx([-0.1, -3.0, -1.0], rel=1e-5)


def test_a_probability_of_zero_has_a_finite_loss():
    assert np.isfinite(cross_entropy(np.array([[0.0, 1.0]], np.float32), np.array([0]))).all()


def test_random_is_the_same_twice_and_no_method():
    signals = signals_of(np.ones(100))
    first, again = decide(random, signals, 30), decide(random, signals, 30)
    assert np.array_equal(first.scores.values, again.scores.values)
    assert not np.array_equal(random.decide(signals, budget=30, seed=2, params={}).scores.values, first.scores.values)
    with pytest.raises(RecipeError, match="budget"):
        decide(random, signals)


def test_none_keeps_everything():
    assert decide(none, signals_of(np.ones(5))).drop == {}


def test_self_confidence_and_margin_by_hand():
    assert decide(self_confidence, VECTOR).scores.values == pytest.approx([0.9, 0.8, 0.7, 0.2, 0.9, 0.8, 0.7, 0.25])
    assert decide(margin, VECTOR).scores.values == pytest.approx([0.9, 0.8, 0.7, 0.2, 0.9, 0.8, 0.7, 0.25])
    three = dataclasses.replace(
        VECTOR, ids=np.array(["a"]), labels=np.array([1]), classes=3, oof_probs=np.array([[0.5, 0.2, 0.3]], np.float32)
    )
    assert decide(margin, three).scores.values == pytest.approx([(0.2 - 0.5 + 1) / 2])


@pytest.mark.parametrize("variant", ["pbnr", "pbc", "both"])
def test_confident_learning_flags_the_published_vector(variant):
    assert sorted(decide(confident_learning, VECTOR, variant=variant).drop) == [3, 7]


@pytest.mark.parametrize("seed", range(8))
def test_confident_learning_equals_cleanlab(seed):
    filters = pytest.importorskip("cleanlab.filter")
    from edgekit.curation.noise import calibrated_joint

    rng = np.random.default_rng(seed)
    classes, count = int(rng.integers(2, 9)), int(rng.integers(300, 2000))
    p = rng.dirichlet(np.full(classes, 0.5), count)
    labels = np.array([rng.choice(classes, p=q) for q in p])
    flips = rng.random(count) < 0.2
    labels[flips] = rng.integers(0, classes, flips.sum())
    # Given the joint, since rounding ties in it go by an unstable sort there.
    joint = calibrated_joint(p, labels)
    for rule, own in (
        ("prune_by_noise_rate", confident_learning.prune_by_noise_rate),
        ("prune_by_class", confident_learning.prune_by_class),
    ):
        theirs = filters.find_label_issues(labels, p, filter_by=rule, n_jobs=1, confident_joint=joint)
        assert np.array_equal(own(p, labels), theirs)


def test_the_joint_equals_cleanlabs():
    count = pytest.importorskip("cleanlab.count")
    from edgekit.curation.noise import calibrated_joint

    rng = np.random.default_rng(5)
    p = rng.dirichlet(np.full(6, 0.4), 3000)
    labels = np.array([rng.choice(6, p=q) for q in p])
    assert np.abs(calibrated_joint(p, labels) - count.compute_confident_joint(labels, p)).max() <= 1


def dynamics(margins, errors=None):
    count = np.asarray(margins).shape[1]
    return Signals(
        ids=np.arange(count).astype(str),
        labels=np.zeros(count, np.int64),
        classes=2,
        margins=np.asarray(margins, np.float32),
        errors=None if errors is None else np.asarray(errors, np.float32),
    )


def test_aum_is_the_mean_margin():
    assert decide(aum, dynamics([[1, -2], [3, -4]])).scores.values == pytest.approx([2, -3])


def test_aum_threshold_flags_what_lies_under_the_99th_percentile_of_false_labels():
    # Sample 0 is a threshold sample of the first run, sample 1 of the second; each is judged by the other run.
    areas = np.array([[-1.0, 5.0, -2.0, 4.0], [6.0, 0.5, 3.0, 0.2]], np.float32)
    marked = np.array([[True, False, False, False], [False, True, False, False]])
    signals = dataclasses.replace(dynamics(np.zeros((1, 4))), threshold_areas=areas, threshold_samples=marked)
    decision = decide(aum, signals, variant="threshold")
    assert sorted(decision.drop) == [2]
    assert decision.scores.values == pytest.approx([6.0 - 0.5, 5.0 + 1, -2.0 + 1, 4.0 + 1])
    with pytest.raises(RecipeError, match="threshold"):
        decide(aum, dynamics([[1, 2]]), variant="threshold")


def test_el2n_averages_the_second_and_third_epoch():
    signals = dynamics(np.zeros((4, 2)), [[9, 9], [1, 0], [3, 0], [9, 9]])
    assert decide(el2n, signals).scores.values == pytest.approx([-2, 0])
    one = dynamics(np.zeros((1, 2)), [[4, 2]])
    assert decide(el2n, one).scores.values == pytest.approx([-4, -2])


def test_forgetting_counts_turns_from_right_to_wrong():
    margins = np.array([[1, 1, -1, -1], [-1, 1, -1, 1], [1, 1, -1, -1], [-1, 1, -1, 1]])
    assert decide(forgetting, dynamics(margins)).scores.values.tolist() == [-2, 0, -4, -1]


@pytest.mark.parametrize("method", [aum, el2n, forgetting, self_confidence, margin, confident_learning, iqr, quantile])
def test_a_missing_signal_is_named(method):
    with pytest.raises(RecipeError, match="needs"):
        decide(method, Signals(ids=np.array(["a", "b"]), labels=np.array([0, 1]), classes=2))


@pytest.fixture(scope="module")
def blobs():
    """Three classes in two embedding spaces, 10 % of the labels wrong; the validation labels are right."""
    rng = np.random.default_rng(0)
    true, val = rng.integers(0, 3, 1200), rng.integers(0, 3, 240)
    centers = rng.normal(size=(2, 3, 8)) * 2
    folds = rng.integers(0, 2, 1200)
    labels = np.where(rng.random(1200) < 0.1, (true + 1) % 3, true)
    return Signals(
        ids=np.arange(1200).astype(str),
        labels=labels,
        classes=3,
        oof_probs=np.full((1200, 3), 0.05, np.float32) + 0.85 * np.eye(3, dtype=np.float32)[true],
        embeddings=(centers[folds, true] + rng.normal(size=(1200, 8))).astype(np.float32),
        folds=folds,
        val_embeddings=(centers[:, val] + rng.normal(size=(2, 240, 8))).astype(np.float32),
        val_labels=val,
        val_trusted=True,
    ), labels != true


@pytest.mark.parametrize(
    ("method", "variant"),
    [(tracin, "min"), (tracin, "mean"), (tracin, "self"), (influence_function, "kfac"), (influence_function, "exact"),
     (trak, "mean"), (trak, "min")],
)  # fmt: skip
def test_wrong_labels_get_the_lowest_scores(blobs, method, variant):
    from sklearn.metrics import roc_auc_score

    signals, wrong = blobs
    decision = decide(method, signals, variant=variant)
    assert roc_auc_score(wrong, -decision.scores.values) > 0.9
    shuffled = np.random.default_rng(0).permutation(decision.scores.values)
    assert roc_auc_score(wrong, -shuffled) == pytest.approx(0.5, abs=0.08)


def test_influence_is_the_minimum_over_classes_and_the_mean_under_max_edit(blobs):
    signals, _ = blobs
    least, mean = (decide(tracin, signals, variant=v).scores.values for v in ("min", "mean"))
    assert np.array_equal(decide(tracin, signals, variant="auto").scores.values, least)
    assert np.array_equal(decide(tracin, signals, variant="auto", max_edit=0.01).scores.values, mean)


@pytest.mark.parametrize("method", [tracin, influence_function, trak])
def test_validation_is_needed(blobs, method):
    with pytest.raises(RecipeError, match="validation"):
        decide(method, dataclasses.replace(blobs[0], val_embeddings=None, val_labels=None))


def test_consensus_is_the_mean_rank_and_shows_its_members(blobs):
    decision = decide(consensus, blobs[0])
    assert list(decision.columns) == ["self-confidence", "knn-shapley", "tracin"]
    for name, column in decision.columns.items():
        assert np.array_equal(column, decide_by_name(name, blobs[0]))
    chosen = decide(consensus, blobs[0], members=("self-confidence", "margin"))
    from scipy.stats import rankdata

    ranks = [(rankdata(decide_by_name(name, blobs[0])) - 1) / 1199 for name in ("self-confidence", "margin")]
    assert chosen.scores.values == pytest.approx(np.mean(ranks, axis=0), abs=1e-6)


def decide_by_name(name, signals):
    return registry.load("curations", name)(signals, budget=None, seed=1, params={"factor": 1.5}).scores.values


def test_consensus_leaves_out_members_that_read_untrusted_validation(blobs):
    doubtful = dataclasses.replace(blobs[0], val_trusted=False)
    assert list(decide(consensus, doubtful).columns) == ["self-confidence", "knn-agreement"]
    decision = decide(consensus, doubtful, members=("self-confidence", "tracin", "knn-agreement"))
    assert list(decision.columns) == ["self-confidence", "knn-agreement"]
    assert any("tracin left out" in warning for warning in decision.warnings)
    with pytest.raises(RecipeError, match="at least 2 members"):
        decide(consensus, doubtful, members=("self-confidence", "tracin"))


@pytest.mark.parametrize("name", sorted(set(registry.CURATIONS) - {"auto", "ccs", "random", "quantile", "none"}))
def test_renaming_ids_and_shuffling_rows_changes_no_score(blobs, name):
    signals, _ = blobs
    rng = np.random.default_rng(3)
    signals = dataclasses.replace(
        signals,
        pred_probs=signals.oof_probs,
        margins=rng.normal(size=(4, 1200)).astype(np.float32),
        errors=rng.random((4, 1200)).astype(np.float32),
        digests=rng.permutation(1200).astype(str),
    )
    order = rng.permutation(1200)
    rows = {
        key: getattr(signals, key)[order]
        for key in ("labels", "oof_probs", "pred_probs", "embeddings", "folds", "digests")
    }
    other = dataclasses.replace(
        signals,
        ids=np.array([f"new/{i}" for i in range(1200)]),
        margins=signals.margins[:, order],
        errors=signals.errors[:, order],
        **rows,
    )
    params = section_of({"method": name}).model_dump()
    run = registry.load("curations", name)
    before = run(signals, budget=None, seed=0, params=params).scores.values
    after = run(other, budget=None, seed=0, params=params).scores.values
    assert after == pytest.approx(before[order], rel=1e-5, abs=1e-6)
