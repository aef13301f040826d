"""The example of docs/methods.md, "Worked example", naive references, and simulations of calibrated files."""

import numpy as np
import pytest

from edgekit.evidence import calibration_error as ce

CONFIDENCE = np.array([0.95, 0.90, 0.90, 0.85, 0.80, 0.70, 0.70, 0.70, 0.60, 0.55])
ERROR = np.array([0, 0, 1, 0, 0, 1, 0, 0, 1, 1], dtype=bool)


def exactly(value):
    return pytest.approx(value, abs=1e-9, rel=0)


def groups(bins):
    assigned = ce.equal_mass_bins(CONFIDENCE, bins)
    return [np.flatnonzero(assigned == b).tolist() for b in range(assigned.max() + 1)]


def plugin_squared(confidence, error, bins=ce.BINS):
    """sum_b n_b/n (acc_b - conf_b)^2, which is biased upwards."""
    found = ce.equal_mass(confidence, error, bins)
    return float((found.size / len(error) * (found.accuracy - found.confidence) ** 2).sum())


def test_worked_vector():
    assert groups(5) == [[8, 9], [5, 6, 7], [4], [3], [0, 1, 2]]
    assert groups(2) == [[5, 6, 7, 8, 9], [0, 1, 2, 3, 4]]
    assert ce.ece(CONFIDENCE, ERROR, 5) == exactly(0.235)
    assert ce.ece(CONFIDENCE, ERROR, 2) == exactly(0.165)
    assert plugin_squared(CONFIDENCE, ERROR, 2) == exactly(0.03445)
    assert ce.debiased_ece_squared(CONFIDENCE, ERROR, 2) == exactly(0.03445 - 0.05)
    value, bins = ce.ece_sweep(CONFIDENCE, ERROR)
    assert (value, bins) == (exactly(0.165), 2)


def test_bins_follow_the_rule_edge_by_edge():
    """Against docs/methods.md, "Calibration error": nearest boundary, the lower one at equal distance, only forwards."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        confidence = rng.integers(0, rng.integers(2, 30), 60) / 30
        ranked = np.sort(confidence)
        boundaries = [0] + [i for i in range(1, 60) if ranked[i] != ranked[i - 1]] + [60]
        edges = [0]
        for j in range(1, 7):
            wanted = round(j * 60 / 7)
            nearest = min(boundaries, key=lambda b: (abs(b - wanted), b))
            if edges[-1] < nearest < 60:
                edges.append(nearest)
        sizes = np.diff([*edges, 60])
        assert ce.equal_mass(confidence, confidence < 0, 7).size.tolist() == sizes.tolist()


def test_sweep_equals_its_definition():
    rng = np.random.default_rng(1)
    for _ in range(20):
        n = int(rng.integers(5, 60))
        confidence = np.sort(rng.uniform(0.5, 1, n))
        error = rng.random(n) > confidence
        best = None
        for bins in range(1, n + 1):
            index = np.minimum(bins - 1, np.arange(n) * bins // n)
            accuracy = np.array([1 - error[index == b].mean() for b in range(bins)])
            if (np.diff(accuracy) < 0).any():
                break
            mean = np.array([confidence[index == b].mean() for b in range(bins)])
            best = (np.bincount(index) / n * np.abs(accuracy - mean)).sum(), bins
        assert ce.ece_sweep(confidence, error) == pytest.approx(best, abs=1e-9)


def test_the_sweep_ends_where_errors_never_make_it_fall():
    confidence = np.linspace(0.5, 1, 5000)
    value, bins = ce.ece_sweep(confidence, np.zeros(5000, bool))
    assert (value, bins) == (pytest.approx(0.25), 1000)


def calibrated(n, seed):
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.5, 1, n)
    return confidence, rng.random(n) > confidence


def test_debiasing_takes_the_bias_off():
    """Means over simulated calibrated files, 1,000 samples each: the plug-in is far from 0, the debiased forms are not."""
    files = [calibrated(1000, seed) for seed in range(60)]
    plugin = np.mean([ce.ece(*file) for file in files])
    assert plugin > 0.02
    assert np.mean([ce.debiased_ece(*file, resamples=200) for file in files]) < 0.65 * plugin
    squared = [ce.debiased_ece_squared(*file) for file in files]
    assert abs(np.mean(squared)) < 4 * np.std(squared) / np.sqrt(60)
    assert np.mean([plugin_squared(*file) for file in files]) > 5e-4


def test_debiased_l1_keeps_a_real_error():
    confidence, error = np.full(4000, 0.9), np.arange(4000) % 10 < 3
    assert ce.debiased_ece(confidence, error) == pytest.approx(0.2, abs=1e-3)


def test_bins_of_one_sample_count_nothing_when_debiased():
    confidence, error = np.array([0.5, 0.6, 0.7]), np.array([True, False, True])
    assert ce.debiased_ece_squared(confidence, error, 3) == 0


def test_reliability_bins_count_every_sample():
    rows = ce.reliability_bins(CONFIDENCE, ERROR, 5)
    assert sum(row["n"] for row in rows) == 10
    assert rows[-1] == {"n": 3, "confidence": pytest.approx(0.9166667), "accuracy": pytest.approx(2 / 3)}
