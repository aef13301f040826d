"""McNemar against the example of docs/methods.md, "McNemar's test"."""

import numpy as np
import pytest

from edgekit.errors import IntegrityError
from edgekit.evidence.comparisons import METRICS, compare, differences
from edgekit.evidence.metrics import quality
from edgekit.evidence.significance import holm, mcnemar


def pair(only_a, only_b, both=100):
    a = np.array([True] * only_a + [False] * only_b + [True] * both)
    b = np.array([False] * only_a + [True] * only_b + [True] * both)
    return a, b


def test_vector():
    test = mcnemar(*pair(12, 25))
    assert (test.only_a, test.only_b) == (12, 25)
    assert test.exact_p == pytest.approx(0.0470310, abs=1e-7)
    assert test.mid_p == pytest.approx(0.0335524, abs=1e-7)
    assert test.difference == pytest.approx(-13 / 137)
    # Agresti and Min: (12 - 25)/139, variance (38/139 - (13/139)^2)/139
    half = 1.959963985 * ((38 / 139 - (13 / 139) ** 2) / 139) ** 0.5
    assert (test.lower, test.upper) == pytest.approx((-13 / 139 - half, -13 / 139 + half))


def test_holm_vector():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02], abs=1e-9)
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1, 1]


def test_agreement_with_statsmodels():
    contingency = pytest.importorskip("statsmodels.stats.contingency_tables")
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    for only_a, only_b in ((12, 25), (3, 1), (40, 38)):
        theirs = contingency.mcnemar([[100, only_a], [only_b, 0]], exact=True).pvalue
        assert mcnemar(*pair(only_a, only_b)).exact_p == pytest.approx(theirs, abs=1e-9)
    rng = np.random.default_rng(0)
    for count in (1, 5, 20):
        p = rng.random(count) ** 3
        assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1], abs=1e-9)


def test_no_discordant_pair_is_no_evidence():
    assert mcnemar(*pair(0, 0)).mid_p == 1.0


def test_a_curation_comparison_never_claims_more_than_one_seed_can():
    right, wrong = [0.9, 0.1], [0.1, 0.9]
    ids, labels = np.array([f"test/{i}" for i in range(60)]), np.zeros(60, np.int64)
    a = (ids, labels, np.array([right] * 60))
    b = (ids, labels, np.array([wrong] * 60))
    row = compare("curation", "a", a, "b", b)
    assert row["mcnemar_mid_p"] < 1e-6
    assert row["verdict"] == "no evidence (1 seed)"
    assert compare("quantization", "a", a, "b", b)["verdict"] == "better"
    assert row["difference_interval"][0] < row["difference"]
    with pytest.raises(IntegrityError, match="different samples"):
        compare("curation", "a", a, "b", (ids[::-1], labels, b[2]))
    with pytest.raises(IntegrityError, match="different samples"):
        compare("curation", "a", a, "b", (ids, labels + 1, b[2]))


def test_differences_of_two_files_in_every_metric():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(3, 0.3), 500)
    labels = np.where(rng.random(500) < 0.8, p.argmax(axis=1), rng.integers(0, 3, 500))
    ids = np.arange(500).astype(str)
    levels = np.round(p * 256).clip(0, 255) / 256
    found = differences("int8", (ids, labels, levels), "float", (ids, labels, p), draws=200)
    assert tuple(found) == METRICS
    for metric, interval in found.items():
        expected = getattr(quality(levels, labels), metric) - getattr(quality(p, labels), metric)
        assert interval.effect == pytest.approx(expected, abs=1e-9)
        assert interval.lower <= interval.effect <= interval.upper or metric == "ece_squared"
    same = differences("a", (ids, labels, p), "b", (ids, labels, p), draws=50)
    assert all((i.effect, i.lower, i.upper) == (0, 0, 0) for i in same.values())


@pytest.mark.parametrize(("large", "uneven"), [(29, False), (30, True)])
def test_balanced_accuracy_is_compared_where_the_classes_of_the_samples_are_uneven(large, uneven):
    """A is right of all; B of the large class alone."""
    labels = np.repeat(np.arange(2), [large, 10])
    ids = np.arange(len(labels)).astype(str)
    row = compare("runs", "a", (ids, labels, np.eye(2)[labels]), "b", (ids, labels, np.eye(2)[labels * 0]))
    assert (row["balanced_accuracy_a"], row["balanced_accuracy_b"], row["macro_f1_a"]) == (1.0, 0.5, 1.0)
    assert row["macro_f1_b"] == pytest.approx(large / (2 * large + 10))
    assert ("balanced_accuracy" in row["differences"]) == uneven
    if uneven:
        assert row["differences"]["balanced_accuracy"]["effect"] == pytest.approx(0.5)
        assert list(row["differences"])[1] == "balanced_accuracy"


def test_as_many_on_either_side_is_no_evidence_at_all():
    """Mid-p is 2 (P(X < 5) + P(X = 5) / 2) of Binomial(10, 1/2), which is 1; one sample further it is .774."""
    assert mcnemar(*pair(5, 5)).mid_p == pytest.approx(1.0)
    assert mcnemar(*pair(5, 6)).mid_p == pytest.approx(0.77441, abs=1e-5)


def test_no_significant_difference_says_what_would_have_been_seen():
    """1,960 samples, of which a tenth is right for one file alone: 2 points in docs/methods.md, "Sample size and power"."""
    labels, ids = np.zeros(1960, np.int64), np.arange(1960).astype(str)

    def of(right):
        return ids, labels, np.where(right[:, None], [[0.9, 0.1]], [[0.1, 0.9]])

    a, b = pair(98, 98, 1764)
    row = compare("quantization", "a", of(a), "b", of(b))
    assert row["detectable_difference"] == pytest.approx(0.02, rel=1e-3)
    assert row["files"].endswith(
        "no significant difference; with this many samples, differences of 2 points or more are detectable"
    )
    assert compare("quantization", "a", of(a), "a", of(a))["detectable_difference"] is None
