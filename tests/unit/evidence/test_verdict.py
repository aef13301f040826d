"""Verdicts: what is claimed, what is not, and what is left out openly."""

import json

import numpy as np
import pytest

from edgekit.errors import DataError, IntegrityError, UnknownName, UsageError
from edgekit.evidence import planning, verdict

N = 400
LABELS = np.zeros(N, np.int64)
IDS = np.array([f"test/{i}" for i in range(N)])


def run(seed, shift, arm=0):
    """A run whose samples are right where a latent margin is above 0; half of the margin is the sample's own."""
    own = np.random.default_rng(99).normal(0, 0.7, N)
    margin = 1 + shift + own + np.random.default_rng([seed, arm]).normal(0, 0.7, N)
    p = 1 / (1 + np.exp(-2 * margin))
    return IDS, LABELS, np.stack([p, 1 - p], axis=1)


def arms(seeds, shift=0.0):
    return {"new": {s: run(s, shift, 1) for s in range(seeds)}, "old": {s: run(s, 0, 2) for s in range(seeds)}}


def judge(given, metrics=("accuracy", "augrc", "nll"), **more):
    return verdict.judge(given, [("new", "old")], metrics, draws=300, **more)


def test_a_clear_gain_is_better_in_every_direction():
    for found in judge(arms(8, 0.5)):
        assert found.verdict == "better"
        assert (found.effect > 0) == found.higher_is_better
        assert found.lower <= found.effect <= found.upper
        assert not found.lower <= 0 <= found.upper
        assert found.p_sign_flip == 2 / 2**8
        assert found.effect == pytest.approx(found.arm_value - found.control_value)
        assert found.rests_on == (
            "8 paired RNG seeds x 400 test samples; Holm over 3 comparisons at 5%, and sign flips at 5%"
        )
        assert found.next is None
        assert found.sentence.startswith(f"new against old, {found.metric}: better; ")
        assert found.row()["seeds"] == list(range(8))


def test_a_clear_loss_is_worse():
    assert {found.verdict for found in judge(arms(6, -0.5))} == {"worse"}


def test_no_difference_is_no_evidence_and_says_what_would_have_been_seen():
    for found in judge(arms(8)):
        assert found.verdict == "no evidence"
        assert found.detectable > 0
        assert "are too small" in found.next


def test_five_seeds_are_described_never_judged():
    for found in judge(arms(5, 2.0)):
        assert found.verdict == "no evidence (5 seeds)"
        assert (found.p, found.p_holm, found.p_sign_flip) == (None, None, None)
        assert np.isfinite([found.effect, found.lower, found.upper]).all()
        assert found.next == "a study of at least 6 paired RNG seeds, with the number fixed in advance"
    (found,) = judge(arms(1, 2.0), ["accuracy"])
    assert found.verdict == "no evidence (1 seed)"
    assert found.lower < found.effect < found.upper


def test_holm_is_over_all_that_is_judged_together():
    given = arms(8, 0.12) | {"third": {s: run(s, 0, 3) for s in range(8)}}
    found = verdict.judge(given, [("new", "old"), ("third", "old")], ["accuracy", "augrc"], draws=300)
    assert [f.compared for f in found] == [4] * 4
    least = min(found, key=lambda f: f.p)
    assert least.p_holm == pytest.approx(4 * least.p)
    alone = verdict.judge(given, [("new", "old")], ["accuracy"], draws=300)[0]
    assert alone.p_holm == alone.p == pytest.approx(found[0].p)


def test_right_or_wrong_alone_gives_accuracy():
    full = arms(7, 0.3)
    bare = {name: {s: (i, y, p.argmax(axis=1) == y) for s, (i, y, p) in runs.items()} for name, runs in full.items()}
    assert judge(bare, ["accuracy"]) == judge(full, ["accuracy"])
    with pytest.raises(DataError, match="augrc of new needs"):
        judge(bare, ["augrc"])


def test_failed_missing_and_broken_runs_are_left_out_openly():
    given = arms(10, 0.5)
    given["new"][2] = None
    del given["old"][3]
    ids, labels, p = given["old"][4]
    given["old"][4] = ids, labels, np.where(p > 0.9, np.nan, p)
    found = judge(given)[0]
    assert found.seeds == (0, 1, 5, 6, 7, 8, 9)
    assert found.excluded == (
        "seed 2: new failed",
        "seed 3: old has no run",
        "seed 4: old has probabilities that are not finite numbers",
    )
    assert found.verdict == "better"


def test_a_copied_seed_is_no_further_evidence():
    given = arms(5, 0.5)
    for runs in given.values():
        runs[5] = runs[0]
    found = judge(given)[0]
    assert found.verdict == "no evidence (5 seeds)"
    assert found.excluded == ("seed 5: same predictions as seed 0 in both arms",)


def test_an_arm_without_a_single_pair():
    found = judge({"new": {0: run(0, 0)}, "old": {1: run(1, 0)}}, ["accuracy"])[0]
    assert (found.verdict, found.seeds) == ("no evidence (0 seeds)", ())
    assert np.isnan(found.effect)
    assert found.row()["effect"] is None
    json.dumps(found.row(), allow_nan=False)
    assert found.sentence.startswith("new against old, accuracy: no evidence (0 seeds); rests on 0 paired")


def test_one_lucky_seed_is_not_enough():
    """The mean of one large and many small differences of both signs: neither test is taken in."""
    given = arms(8)
    given["new"][0] = run(0, 3.0, 1)
    assert judge(given, ["accuracy"])[0].verdict == "no evidence"


def test_groups_widen_the_interval():
    # The old arm errs on whole groups, 3 of 20, with every seed: 20 samples of a group tell no more than one.
    pick = np.repeat(np.arange(20), 20)

    def right(*seed):
        return np.random.default_rng(seed).random(N) < 0.98

    given = {
        "new": {s: (IDS, LABELS, right(s, 1)) for s in range(8)},
        "old": {s: (IDS, LABELS, right(s, 2) & (pick > 2)) for s in range(8)},
    }
    alone, grouped = judge(given, ["accuracy"])[0], judge(given, ["accuracy"], groups=pick)[0]
    assert grouped.upper - grouped.lower > 3 * (alone.upper - alone.lower)
    assert "20 groups" in grouped.rests_on
    with pytest.raises(DataError, match="groups"):
        judge(given, groups=pick[:5])


def test_few_groups_are_described_never_judged_and_one_has_no_interval():
    given = arms(8, 0.5)
    three, five = (judge(given, ["accuracy"], groups=np.arange(N) % count)[0] for count in (3, 5))
    assert (three.verdict, three.p, three.detectable) == ("no evidence (3 groups)", None, None)
    assert three.lower < three.effect < three.upper and "at least 5" in three.next
    assert five.verdict == "better"
    one = judge(given, ["accuracy"], groups=np.zeros(N))[0]
    assert one.verdict == "no evidence (1 group)" and np.isnan(one.lower) and one.effect == three.effect
    assert "no interval" in one.sentence and "1 group" in one.rests_on
    json.dumps(one.row(), allow_nan=False)


def test_both_tests_must_say_so():
    """Five seeds gain .125 and one loses .0025: t-test p .003 to .006, but 4 of the 64 sign patterns are as far out: p .0625."""

    def right(seed, wrong):
        return IDS, LABELS, np.isin(np.arange(N), np.random.default_rng(seed).permutation(N)[:wrong], invert=True)

    given = {
        "new": {s: right([s, 1], 10 if s < 5 else 11) for s in range(6)},
        "old": {s: right([s, 2], 60 if s < 5 else 10) for s in range(6)},
    }
    found = judge(given, ["accuracy"])[0]
    assert found.p_holm < 0.01 and found.p_sign_flip == 0.0625
    assert found.verdict == "no evidence"


def test_what_a_study_would_have_seen_counts_both_tests_and_the_correction():
    """The t-test alone, without correction, needs t(.975) + t(.8) standard errors; sign flips and Holm ask for more."""
    from scipy.stats import t

    alone, together = judge(arms(7), ["accuracy"])[0], judge(arms(7), ["accuracy", "augrc", "nll"])[0]
    bare = t.ppf([0.975, 0.8], alone.over_both.freedom).sum() * alone.over_both.se
    assert bare < alone.detectable < together.detectable
    assert together.detectable == planning.effect_detectable_by(together.over_both, N, comparisons=3)


def test_other_samples_cannot_be_paired():
    given = arms(6)
    ids, labels, p = given["old"][3]
    for other in ((ids[::-1], labels, p), (None, labels, p), (ids, labels + 1, p), (ids[:9], labels[:9], p[:9])):
        given["old"][3] = other
        with pytest.raises(IntegrityError, match=r"old \(seed 3\) were tested on different samples"):
            judge(given)


@pytest.mark.parametrize(
    ("comparisons", "metrics", "error"),
    [
        ([("new", "od")], ["accuracy"], UnknownName),
        ([("new", "old")], ["accuracies"], UnknownName),
        ([("new", "new")], ["accuracy"], UsageError),
        ([], ["accuracy"], UsageError),
    ],
)
def test_what_cannot_be_asked(comparisons, metrics, error):
    with pytest.raises(error):
        verdict.judge(arms(2), comparisons, metrics)


def test_nothing_finished():
    with pytest.raises(DataError, match="finished"):
        judge({"new": {0: None}, "old": {0: None}})


@pytest.mark.parametrize("seeds", [6, 10])
def test_claims_under_the_null_stay_below_their_level(seeds):
    """200 studies of two arms alike: five in a hundred, and its sampling error; benchmarks/verdict_null.py does it in full."""
    claims = 0
    for study in range(200):
        rng = np.random.default_rng([seeds, study])
        difficulty, of_run = rng.normal(1, 0.7, N), rng.normal(0, 0.05, (2, seeds, 1))
        right = difficulty + of_run + rng.normal(0, 0.7, (2, seeds, N)) > 0
        given = {a: {s: (None, LABELS, right[i, s]) for s in range(seeds)} for i, a in enumerate(("new", "old"))}
        claims += judge(given, ["accuracy"])[0].verdict != "no evidence"
    assert claims <= 17


def test_it_repeats():
    assert judge(arms(6, 0.1)) == judge(arms(6, 0.1))


def test_on_method_of_one_build():
    found = verdict.on_method("iqr", 1)
    assert found["verdict"] == "no evidence (1 seed)"
    assert "`edgekit study FILE.yaml`" in found["next"]
    assert verdict.on_method("none", 1)["next"] is None
