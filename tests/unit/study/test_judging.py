"""Verdicts over groups, and of a study that is not finished."""

import numpy as np

from edgekit.study import judging, results

N, LABEL, PAIRS = 400, "shipped", {"shipped": [("good", "full")]}


def predicted(right, labels, groups):
    probabilities = np.full((len(labels), 2), 0.2)
    probabilities[np.arange(len(labels)), np.where(right, labels, 1 - labels)] = 0.8
    ids = np.array([f"test/{i}" for i in range(len(labels))])
    return results.Tested(predictions=(ids, labels, probabilities), groups=groups)


def made(seeds, groups=None):
    """ "full" errs on the first 60 samples with every seed, "good" on hardly any."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, N)
    found = {"good": {}, "full": {}}
    for seed in range(seeds):
        found["good"][seed] = predicted(rng.random(N) < 0.98, labels, groups)
        found["full"][seed] = predicted((rng.random(N) < 0.98) & (np.arange(N) >= 60), labels, groups)
    return {LABEL: found}


def test_samples_of_a_group_are_drawn_together():
    groups = np.repeat([f"g{i:02}" for i in range(20)], 20)
    ((_, alone),), ((_, grouped),) = (judging.verdicts(made(8, given), PAIRS, ["accuracy"]) for given in (None, groups))
    assert grouped.upper - grouped.lower > 3 * (alone.upper - alone.lower)
    assert "20 groups" in grouped.rests_on and "groups" not in alone.rests_on


def test_part_of_a_study_is_described_not_judged():
    """Six seeds of ten would be judged by themselves, and again at every --resume: many looks, many false claims."""
    judged = judging.verdicts(made(7), PAIRS, ["accuracy"])
    assert judged[0][1].verdict == "better"
    ((label, found),) = judging.interim(judged, 10)
    row = judging.row(label, found)
    assert row["verdict"] == "interim: 7 of 10 planned seeds"
    assert (row["p"], row["p_holm"], row["p_sign_flip"], row["detectable"], row["compared"]) == (None,) * 4 + (0,)
    assert row["effect"] == judged[0][1].effect and "--resume" in row["next"]
    assert "better" not in row["sentence"] and "not finished" in row["rests_on"] and "Holm" not in row["rests_on"]
