"""How large a next study must be, from hand-made results."""

import numpy as np
import pytest

from edgekit.evidence import planning
from edgekit.study import judging, results, sizing

N, LABEL = 400, "shipped"


def predicted(right, labels):
    probabilities = np.full((len(labels), 2), 0.2)
    probabilities[np.arange(len(labels)), np.where(right, labels, 1 - labels)] = 0.8
    ids = np.array([f"test/{i}" for i in range(len(labels))])
    return results.Tested(predictions=(ids, labels, probabilities), groups=None)


def arms(seeds):
    """The first 40 samples are right in "good" alone, the next 20 in "full" alone; the rest by chance, alike in both."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, N)
    found = {"good": {}, "full": {}}
    for seed in range(seeds):
        good = rng.random(N) < 0.7
        full = good.copy()
        good[:40], full[:40], good[40:60], full[40:60] = True, False, False, True
        good[60 + seed] = not good[60 + seed]
        found["good"][seed], found["full"][seed] = predicted(good, labels), predicted(full, labels)
    return {LABEL: found}


def planned(seeds, family, worthwhile):
    tested = arms(seeds)
    judged = judging.verdicts(tested, {LABEL: [("good", "full")]}, ["accuracy", "nll"])
    return sizing.plans(judged, tested, worthwhile, N, "test samples", family)


def test_a_plan_tells_seeds_and_samples_for_the_smallest_effect_worth_finding():
    (row,) = planned(8, 4, {"accuracy": 0.04})
    assert (row["arm"], row["control"], row["artifact"], row["metric"]) == ("good", "full", LABEL, "accuracy")
    assert (row["seeds"], row["samples"], row["unit"], row["comparisons"]) == (8, N, "test samples", 4)
    # Test samples alone are what this study lacks.
    assert row["seeds_needed"] is None and row["samples_needed"] > N
    assert row["seeds_needed_tenfold"] == 6
    assert row["detectable"] > 0.04
    # 61 of the samples are right in one of the two only.
    assert row["file_samples_needed"] == planning.paired_samples(61 / N, 0.04)


def test_no_plan_for_files_where_they_differ_on_fewer_samples_than_the_effect_or_by_another_metric():
    accuracy, nll = planned(8, 4, {"accuracy": 0.2, "nll": 0.1})
    assert accuracy["file_samples_needed"] is None and nll["file_samples_needed"] is None


@pytest.mark.parametrize("seeds", [5, 6])
def test_a_small_pilot_is_planned_for_the_correction_of_the_whole_study(seeds):
    """With fewer than six seeds nothing is judged, yet the study that follows is corrected for all its comparisons."""
    (alone,), (many,) = (planned(seeds, family, {"accuracy": 0.04}) for family in (1, 36))
    assert many["comparisons"] == 36
    assert many["detectable"] > alone["detectable"] and many["samples_needed"] > alone["samples_needed"]
