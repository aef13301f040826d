"""Resampling: counts, paired intervals against scipy, and the coverage of the interval over seeds and samples."""

import numpy as np
import pytest
from scipy import stats

from edgekit.evidence import bootstrap, weighted


def test_resamples_count_n_samples_and_repeat():
    chunks = list(bootstrap.resamples(3000, 300, seed=3))
    counts = np.concatenate(chunks)
    assert len(chunks) > 1
    assert counts.shape == (300, 3000)
    assert (counts.sum(axis=1) == 3000).all()
    assert counts.var() == pytest.approx(1, abs=0.02)
    assert np.array_equal(counts, np.concatenate(list(bootstrap.resamples(3000, 300, seed=3))))


def test_groups_are_drawn_whole():
    groups = np.array(["a", "b", "b", "c", "c", "c"])
    (counts,) = bootstrap.resamples(6, 50, seed=0, groups=groups)
    assert (counts[:, 1] == counts[:, 2]).all()
    assert (counts[:, 3] == counts[:, 5]).all()
    assert (counts[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_paired_percentiles_agree_with_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.random(400) < 0.9, rng.random(400) < 0.85
    found = bootstrap.paired(weighted.mean_of(a), weighted.mean_of(b), 400, draws=4000)
    theirs = stats.bootstrap(
        (a.astype(float), b.astype(float)), lambda x, y, axis: x.mean(axis) - y.mean(axis), paired=True, vectorized=True,
        method="percentile", n_resamples=4000, rng=rng,
    ).confidence_interval  # fmt: skip
    assert found.effect == pytest.approx(a.mean() - b.mean())
    assert (found.lower, found.upper) == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_pairing_cancels_what_two_files_share():
    rng = np.random.default_rng(1)
    confidence, error = rng.random(500), rng.random(500) < 0.3
    a = weighted.augrc_of(confidence, error)
    same = bootstrap.paired(a, weighted.augrc_of(confidence * 0.5, error), 500, draws=200)
    assert (same.effect, same.lower, same.upper) == pytest.approx((0, 0, 0), abs=1e-12)


def simulate(rng, seeds, n, seed_sd, sample_sd, residual_sd, draws):
    """Differences of means: mu = 0, and what seeds, samples and both together add."""
    values = rng.normal(0, seed_sd, (seeds, 1)) + rng.normal(0, sample_sd, n) + rng.normal(0, residual_sd, (seeds, n))
    (counts,) = bootstrap.resamples(n, draws, seed=int(rng.integers(2**31)))
    return bootstrap.hierarchical(values.mean(axis=1), counts @ values.T / n, units=n)


@pytest.mark.parametrize(
    ("seed_sd", "sample_sd", "residual_sd"), [(0.2, 0.1, 0.1), (0.01, 2.0, 0.1), (0.0, 0.0, 1.0), (0.1, 1.0, 1.0)]
)
def test_the_interval_covers_as_often_as_it_says(seed_sd, sample_sd, residual_sd):
    """Six seeds, where seeds dominate, samples do, neither, or all play a part: never far below 95 %."""
    rng = np.random.default_rng(0)
    found = [simulate(rng, 6, 100, seed_sd, sample_sd, residual_sd, 200) for _ in range(300)]
    assert np.mean([f.lower <= 0 <= f.upper for f in found]) >= 0.92
    assert np.mean([f.p >= 0.05 for f in found]) >= 0.92


def test_plain_percentiles_are_too_narrow_with_few_seeds():
    rng = np.random.default_rng(1)
    found = [simulate(rng, 6, 100, 0.2, 0.1, 0.1, 200) for _ in range(300)]
    assert np.mean([f.percentile_lower <= 0 <= f.percentile_upper for f in found]) < 0.92


def test_parts_of_the_error():
    rng = np.random.default_rng(2)
    found = [simulate(rng, 10, 200, 0.1, 1.0, 1.0, 200) for _ in range(100)]
    # seeds: (.01 + 1/200)/10; samples: 1/200
    assert np.mean([f.seed_se**2 for f in found]) == pytest.approx(0.0015, rel=0.1)
    assert np.mean([f.sample_se**2 for f in found]) == pytest.approx(0.005, rel=0.1)
    assert np.mean([f.residual_se**2 for f in found]) == pytest.approx(0.005, rel=0.1)


def test_without_any_spread():
    same = bootstrap.hierarchical(np.zeros(6), np.zeros((10, 6)), units=50)
    assert (same.p, same.lower, same.upper) == (1, 0, 0)
    always = bootstrap.hierarchical(np.ones(6), np.ones((10, 6)), units=50)
    assert (always.p, always.lower, always.upper) == (0, 1, 1)
    with pytest.raises(ValueError, match="S >= 2"):
        bootstrap.hierarchical(np.zeros(1), np.zeros((10, 1)), units=50)
