"""The example of docs/methods.md, "Worked example", the AUGRC identity, and properties under ties."""

import math

import numpy as np
import pytest

from edgekit.evidence import risk_coverage as rc

CONFIDENCE = np.array([0.95, 0.90, 0.90, 0.85, 0.80, 0.70, 0.70, 0.70, 0.60, 0.55])
ERROR = np.array([0, 0, 1, 0, 0, 1, 0, 0, 1, 1], dtype=bool)
EXACT = 1e-9


def exactly(value):
    return pytest.approx(value, abs=EXACT, rel=0)


def test_worked_vector():
    curve = rc.RiskCoverage(CONFIDENCE, ERROR)
    assert 1 - curve.error_rate == exactly(0.6)
    assert rc.augrc(CONFIDENCE, ERROR) == exactly(0.135)
    assert rc.auroc_f(CONFIDENCE, ERROR) == exactly(18.5 / 24) == exactly(0.77083333333)
    assert rc.aurc(CONFIDENCE, ERROR) == pytest.approx(0.2476984127, abs=5e-11)
    assert rc.aurc(CONFIDENCE, ERROR, "fd_shifts") == exactly(0.21833333333)
    assert rc.best_aurc(4, 10) == pytest.approx(0.1126190476, abs=5e-11)
    assert rc.best_aurc(4, 10, asymptotic=True) == pytest.approx(0.0935046257, abs=5e-11)
    assert rc.e_aurc(CONFIDENCE, ERROR) == pytest.approx(0.1350793651, abs=5e-11)
    assert rc.e_aurc(CONFIDENCE, ERROR, asymptotic=True) == pytest.approx(0.2476984127 - 0.0935046257, abs=1e-10)
    assert [rc.risk_at_coverage(CONFIDENCE, ERROR, c) for c in (0.5, 0.8, 1.0)] == exactly([0.20, 0.25, 0.40])


def test_coverage_at_risk_takes_whole_groups_of_equal_confidence():
    # Risks of the thresholds .95 .. .55: 0, 1/3, 1/4, 1/5, 2/8, 3/9, 4/10
    found = {risk: rc.coverage_at_risk(CONFIDENCE, ERROR, risk) for risk in (0.1, 0.2, 0.25, 0.33, 0.4)}
    assert found == {0.1: 0.1, 0.2: 0.5, 0.25: 0.8, 0.33: 0.8, 0.4: 1.0}
    assert rc.coverage_at_risk(np.array([0.9, 0.8]), np.array([True, False]), 0.1) == 0


def tied_sets(count):
    rng = np.random.default_rng(0)
    for _ in range(count):
        size, levels = int(rng.integers(20, 300)), int(rng.integers(2, 40))
        yield rng.integers(0, levels, size) / levels, rng.random(size) < rng.uniform(0.05, 0.6)


def test_augrc_equals_its_auroc_identity_on_200_tied_sets():
    """AUGRC = (1 - AUROC_f) acc (1 - acc) + (1 - acc)^2 / 2 (docs/methods.md, "Risk and coverage"), with scikit-learn's AUROC."""
    from sklearn.metrics import roc_auc_score

    checked = 0
    for confidence, error in tied_sets(200):
        if not error.any() or error.all():
            assert math.isnan(rc.auroc_f(confidence, error))
            continue
        checked += 1
        auroc, accuracy = roc_auc_score(~error, confidence), 1 - error.mean()
        assert rc.auroc_f(confidence, error) == exactly(auroc)
        expected = (1 - auroc) * accuracy * (1 - accuracy) + (1 - accuracy) ** 2 / 2
        assert rc.augrc(confidence, error) == exactly(expected)
    assert checked > 190


def test_the_order_of_samples_does_not_matter():
    for confidence, error in tied_sets(20):
        shuffled = np.random.default_rng(1).permutation(len(error))
        a, b = rc.RiskCoverage(confidence, error), rc.RiskCoverage(confidence[shuffled], error[shuffled])
        assert (a.augrc(), a.aurc(), a.aurc("fd_shifts")) == exactly((b.augrc(), b.aurc(), b.aurc("fd_shifts")))


def test_aurc_is_the_mean_over_tie_orders():
    confidence, error = np.array([0.9, 0.5, 0.5]), np.array([False, True, False])
    # orders of the tied pair: risks (0, 1/2, 1/3) and (0, 0, 1/3)
    assert rc.aurc(confidence, error) == exactly(((0 + 1 / 2 + 1 / 3) / 3 + (0 + 0 + 1 / 3) / 3) / 2)


def test_a_perfect_ranking_has_no_excess():
    error = np.array([False] * 7 + [True] * 3)
    assert rc.e_aurc(np.linspace(1, 0.1, 10), error) == exactly(0)
    assert rc.augrc(np.linspace(1, 0.1, 10), error) == exactly(0.3**2 / 2)
    assert rc.best_aurc(10, 10, asymptotic=True) == 1
    assert rc.best_aurc(0, 10) == 0


def test_an_unknown_convention_is_refused():
    with pytest.raises(ValueError, match="geifman_ties"):
        rc.aurc(CONFIDENCE, ERROR, "stable")
