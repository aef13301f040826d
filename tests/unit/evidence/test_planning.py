"""Sample sizes of docs/methods.md, "Sample size and power", and power by simulation of what `detectable_effect` says."""

import math

import numpy as np
import pytest

from edgekit.evidence import bootstrap, planning
from edgekit.evidence.permutation import sign_flip

KNOWN = planning.Spreads(seed=0.5, sample=10.0, residual=20.0)


def test_vectors():
    assert [planning.paired_samples(*case) for case in ((0.10, 0.02), (0.05, 0.01), (0.06, 0.0139))] == [
        1960, 3923, 2436,
    ]  # fmt: skip


def test_paired_difference_is_the_inverse():
    for discordance, difference in ((0.10, 0.02), (0.05, 0.01), (0.06, 0.0139)):
        n = planning.paired_samples(discordance, difference)
        assert planning.paired_difference(discordance, n) == pytest.approx(difference, rel=1e-3)
    assert planning.paired_difference(0.1, 5) == math.inf


@pytest.mark.parametrize("case", [(0.05, 0.0), (0.01, 0.02), (1.5, 0.1)])
def test_impossible_discordances_are_refused(case):
    with pytest.raises(ValueError, match="discordance"):
        planning.paired_samples(*case)


def test_more_seeds_and_samples_see_smaller_effects():
    def at(seeds, samples, **more):
        return planning.detectable_effect(KNOWN, seeds, samples, **more)

    assert at(5, 2000) == math.inf
    assert at(6, 2000) > at(7, 2000) > at(10, 2000) > at(20, 2000)
    assert at(10, 1000) > at(10, 4000)
    assert at(10, 2000, comparisons=8) > at(10, 2000)
    assert at(10, 2000, power=0.9) > at(10, 2000)
    assert planning.detectable_effect(planning.Spreads(seed=0, sample=0, residual=0), 6, 10) == 0


def test_with_many_seeds_it_is_the_formula_of_the_t_test():
    """Noncentral t with 29 degrees of freedom: 80 % power at .530 standard deviations (G*Power)."""
    known = planning.Spreads(seed=1, sample=0, residual=0)
    assert planning.detectable_effect(known, 30, 1000) == pytest.approx(0.530, rel=0.02)


def test_needed_is_the_inverse_of_detectable():
    effect = 0.7
    seeds = planning.seeds_needed(KNOWN, effect, 2000)
    assert planning.detectable_effect(KNOWN, seeds, 2000) <= effect < planning.detectable_effect(KNOWN, seeds - 1, 2000)
    samples = planning.samples_needed(KNOWN, effect, seeds)
    assert samples <= 2000
    assert planning.detectable_effect(KNOWN, seeds, samples) <= effect
    assert planning.seeds_needed(KNOWN, 0.01, 2000) is None, "no number of seeds makes up for too few samples"
    assert planning.samples_needed(KNOWN, 0.1, 6) is None, "nor the other way round"


@pytest.mark.parametrize("seeds", [6, 10])
def test_power_at_the_detectable_effect(seeds):
    samples = 400
    known = planning.Spreads(seed=0.02, sample=0.3, residual=0.3)
    effect = planning.detectable_effect(known, seeds, samples)
    rng = np.random.default_rng(0)
    (counts,) = bootstrap.resamples(samples, 200, seed=1)
    seen = 0
    for _ in range(300):
        values = effect + rng.normal(0, 0.02, (seeds, 1)) + rng.normal(0, 0.3, samples)
        values = values + rng.normal(0, 0.3, (seeds, samples))
        d = values.mean(axis=1)
        found = bootstrap.hierarchical(d, counts @ values.T / samples, units=samples)
        seen += found.p < 0.05 and sign_flip(d) < 0.05
    assert seen / 300 == pytest.approx(0.8, abs=0.08)


def test_spreads_of_a_pilot():
    rng = np.random.default_rng(3)
    samples, pilots = 400, []
    (counts,) = bootstrap.resamples(samples, 200, seed=1)
    for _ in range(60):
        values = rng.normal(0, 0.1, (10, 1)) + rng.normal(0, 1, samples) + rng.normal(0, 1.5, (10, samples))
        pilots.append(bootstrap.hierarchical(values.mean(axis=1), counts @ values.T / samples, units=samples))
    bare = [planning.spreads(pilot, samples, caution=0.5) for pilot in pilots]
    assert np.mean([s.sample for s in bare]) == pytest.approx(1, rel=0.1)
    assert np.mean([s.residual for s in bare]) == pytest.approx(1.5, rel=0.1)
    assert np.mean([s.seed for s in bare]) == pytest.approx(0.1, rel=0.15)
    cautious = [planning.spreads(pilot, samples) for pilot in pilots]
    total = 0.1**2 + 1.5**2 / samples
    enough = np.mean([s.seed**2 + s.residual**2 / samples >= total for s in cautious])
    assert enough == pytest.approx(0.8, abs=0.15)
