import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import RecipeError, UnknownName, UsageError
from edgekit.evidence import gates
from edgekit.types import Artifact, Evaluation, Measurement


def test_parse():
    for text, expected in {
        "accuracy >= 0.92": ("accuracy", ">=", 0.92, None),
        "size_kb<=40": ("size_kb", "<=", 40, None),
        "p50_ms<2@host": ("p50_ms", "<", 2, "host"),
        # The address may hold further @.
        "p50_ms<=2@ssh://user@pi": ("p50_ms", "<=", 2, "ssh://user@pi"),
        "peak_rss_mb<=1e2 @ adb:1234": ("peak_rss_mb", "<=", 100, "adb:1234"),
    }.items():
        found = gates.parse(text)
        assert (found.metric, found.symbol, found.limit, found.target) == expected
        assert found.text == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accuracy>=95", r"accuracy is a share from 0 to 1, found 95; did you mean 0\.95\?"),
        ("recall:cat>=80", r"recall is a share from 0 to 1, found 80; did you mean 0\.8\?"),
        ("ece<=5", r"did you mean 0\.05\?"),
        ("macro_f1>=-0.5", r"macro_f1 is a share from 0 to 1, found -0\.5\."),
        ("aurc<=1e3", r"found 1000\.$"),
    ],
)
def test_a_share_is_not_written_as_a_percentage(text, message):
    with pytest.raises(RecipeError, match=message):
        gates.parse(text)
    assert gates.parse("nll<=2.5").limit == 2.5 and gates.parse("brier<=1.5").limit == 1.5
    assert gates.parse("accuracy>=1").limit == 1


@pytest.mark.parametrize(
    "text", ["accuracy", "accuracy=0.9", "accuracy>=high", ">=0.9", "accuracy>=--1", "accuracy>=1e999", "@host"]
)
def test_a_malformed_gate_is_refused(text):
    with pytest.raises(RecipeError, match="metric>=number"):
        gates.parse(text)


def test_an_unknown_metric_is_refused_with_a_hint():
    with pytest.raises(UnknownName, match="Did you mean 'accuracy'"):
        gates.parse("acuracy>=0.9")
    with pytest.raises(UnknownName, match="Did you mean 'p90_ms'"):
        gates.parse("p99_ms<=2@host")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accuracy>=0.9@host", "accuracy does not apply to a target"),
        ("size_kb<=40@ssh://user@pi", "size_kb does not apply to a target"),
        ("p50_ms<=2@", "names no target"),
        ("p50_ms<=2@attached", "names no target"),
        ("p50_ms<=2@ssh://user:secret@pi", "must not contain a password"),
        ("p50_ms<=2@ssh://-oProxyCommand=x", "which is not a valid one"),
    ],
)
def test_a_target_that_cannot_be_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        gates.parse(text)


def test_what_will_not_be_measured_is_refused_before_any_work():
    known = ["host", "ssh://user@pi"]
    assert len(gates.demanded(["p50_ms<=2@ssh://user@pi", "p90_ms<=3", "accuracy>=0.9"], known, (1, 0))) == 3
    with pytest.raises(
        RecipeError, match=r"ssh://user@pj is not benchmarked; the targets are: host, .* Did you mean 'ssh://user@pi'"
    ):
        gates.demanded(["p50_ms<=2@ssh://user@pj"], known)
    with pytest.raises(RecipeError, match=r"adb is not benchmarked.*Add --target adb"):
        gates.demanded(["p50_ms<=2@adb"], known)
    with pytest.raises(RecipeError, match="no target is benchmarked; add --target host"):
        gates.demanded(["peak_rss_mb<=50"], ())
    with pytest.raises(RecipeError, match="a gate judges one thread, and the benchmark runs with 4, 0; add 1"):
        gates.demanded(["p50_ms<=2"], known, (4, 0))
    with pytest.raises(RecipeError, match="p50_ms is not measured here; edgekit bench does"):
        gates.demanded(["p50_ms<=2"], known, measured=gates.QUALITY, instead="edgekit bench does")
    assert [each.text for each in gates.demanded(["ece<=1", "ece<=1"], ())] == ["ece<=1"], "each demand once"


def artifact(name, size=40_000):
    return Artifact(
        name=name, path=Path(name), format="tflite", precision="int8", sha256="", size_bytes=size, gzip_bytes=size // 2,
        params=0, macs=0, sparsity=0.0, inputs=(), outputs=(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "label", "limit"),
    [
        ("recall:cat>=0.8", "cat", 0.8),
        (" recall : a black cat > 0.8 ", "a black cat", 0.8),
        ("recall:cats: indoor>=0.8", "cats: indoor", 0.8),
        ("recall:size>=3>=0.8", "size>=3", 0.8),
        ("recall:size>=3 <= 1e-1", "size>=3", 0.1),
        ("recall:me@host>=0.8", "me@host", 0.8),
        ("recall:>=0.8>=0.8", ">=0.8", 0.8),
        ("recall:>=>=1", ">=", 1),
        ("recall:two\nlines>=.5", "two\nlines", 0.5),
        ("recall:7>=0.8", "7", 0.8),
    ],
)
def test_the_class_of_a_recall_may_be_called_anything(text, label, limit):
    found = gates.parse(text)
    assert (found.metric, found.label, found.limit, found.target, found.text) == ("recall", label, limit, None, text)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("recall>=0.8", RecipeError, "recall applies to one class: recall:CLASS>=number"),
        ("accuracy:cat>=0.8", RecipeError, "accuracy does not apply to one class; recall does"),
        ("recall:>=0.8", RecipeError, "recall:CLASS>=number"),
        ("recall:cat", RecipeError, "recall:CLASS>=number"),
        ("recall:cat>=0.8@host", RecipeError, "recall:CLASS>=number"),
        ("recal:cat>=0.8", UnknownName, "Did you mean 'recall'"),
    ],
)
def test_a_malformed_recall_is_refused(text, error, message):
    with pytest.raises(error, match=message):
        gates.parse(text)


def test_a_class_that_is_not_there_is_refused_before_any_work():
    labels = np.array([0, 0, 1])
    gates.check_classes(["recall:cat>=0.8", "recall:dog>=0.8", "accuracy>=0.9"], ("cat", "dog", "owl"), labels)
    with pytest.raises(UnknownName, match=r"Unknown class in a gate, 'catt'. Did you mean 'cat'"):
        gates.check_classes(["recall:catt>=0.8"], ("cat", "dog"))
    with pytest.raises(RecipeError, match=r"'recall:owl>=0.8' cannot be judged: none of the 3 samples"):
        gates.check_classes(["recall:owl>=0.8"], ("cat", "dog", "owl"), labels)
    gates.check_classes(["recall:owl>=0.8"], ("cat", "dog", "owl"))


def test_recall_balanced_accuracy_and_macro_f1_are_judged_on_validation():
    per_class = {"cat": {"n": 20, "recall": 0.9}, "dog": {"n": 3, "recall": 1.0}, "owl": {"n": 0, "recall": None}}
    row = dataclasses.replace(evaluation("q", 0.91), balanced_accuracy=0.95, macro_f1=0.8, per_class=per_class)
    rows = [row, evaluation("q", 0.99, split="test")]
    texts = ["balanced_accuracy>=0.95", "macro_f1>=0.81", "recall:cat>=0.9", "recall:dog>=0.9", "recall:owl>=0"]
    balanced, f1, cat, dog, owl = gates.check(texts, None, artifact("q"), rows, ())
    assert (balanced.found, balanced.met, balanced.settled, balanced.where) == (0.95, True, False, "val")
    assert (f1.found, f1.met, f1.interval) == (0.8, False, None)
    assert (cat.met, cat.interval) == (True, pytest.approx((0.699, 0.972), abs=1e-3))
    assert dog.met and dog.note == "too few samples of that class to judge it (n = 3)" and not dog.settled
    assert (owl.met, owl.found, owl.note) == (False, None, "no sample of val is of that class")


def test_what_an_older_report_does_not_tell_is_not_met_and_said_so():
    texts = ["balanced_accuracy>=0.1", "macro_f1>=0.1", "recall:cat>=0.1", "accuracy>=0.9"]
    *missing, accuracy = gates.check(texts, None, artifact("q"), ROWS, ())
    assert accuracy.met and not any(gate.met for gate in missing)
    assert all("older edgekit" in gate.told for gate in missing)


def evaluation(name, accuracy, split="val"):
    return Evaluation(
        artifact=name, artifact_sha256="", split=split, n=1000, accuracy=accuracy, nll=0.3, brier=0.1, ece=0.0, aurc=0.01,
        augrc=0.01, risk_at_coverage={}, ece_squared=0.0, nll_clipped=0, argmax_ties=0, predictions=None,
    )  # fmt: skip


def measurement(name, threads, p50_ms, verdict="valid", target="host", **changes):
    row = Measurement(
        artifact=name, artifact_sha256="", target=target, device={}, runtime="", kernels="", method="", threads=threads,
        affinity=None, latencies_ns=(), p50_ms=p50_ms, p50_interval_ms=(p50_ms, p50_ms), p90_ms=p50_ms, runs=0, init_ms=0.0,
        peak_rss_bytes=0, accuracy=None, samples=None, parity=None, profile=(), verdict=verdict, reasons=(), emulated=False,
        attempts=1, valid=verdict == "valid", invalid_reason=None if verdict == "valid" else "hot", conditions={},
    )  # fmt: skip
    return dataclasses.replace(row, **changes)


ROWS = [
    evaluation("model_float32.tflite", 0.915),
    evaluation("q", 0.91),
    evaluation("q", 0.99, split="test"),
    evaluation("model_float32.tflite", 0.2, split="test"),
]


def met(demands, max_drop=None, measurements=()):
    return [gate.met for gate in gates.check(demands, max_drop, artifact("q"), ROWS, measurements)]


def test_gates_look_at_validation_and_the_file():
    assert met(("accuracy>=0.91", "accuracy>=0.95", "size_bytes<40000", "size_bytes<=40000", "gzip_bytes<=20000")) == [
        True, False, False, True, True,
    ]  # fmt: skip


def test_exactly_the_allowed_drop_is_allowed():
    assert met((), max_drop=0.5) == [True]
    assert met((), max_drop=0.4) == [False]


def test_latency_is_that_of_one_thread():
    assert met(("p50_ms<=1",), measurements=[measurement("q", 2, 9.0), measurement("q", 1, 0.5)]) == [True]


def test_an_invalid_latency_does_not_count_and_a_suspect_one_does():
    assert met(("p50_ms<=1",), measurements=[measurement("q", 1, 0.5, "invalid")]) == [False]
    assert met(("p50_ms<=1",), measurements=[measurement("q", 1, 0.5, "suspect")]) == [True]
    rows = [measurement("q", 1, 0.5), measurement("q", 1, 50.0, "invalid", target="pi")]
    assert met(("p50_ms<=5",), measurements=rows) == [False], "the host's says nothing of the device"


def test_the_slowest_target_decides():
    rows = [measurement("q", 1, 2.0, target="pi"), measurement("q", 1, 0.5)]
    assert met(("p50_ms<=1",), measurements=rows) == met(("p50_ms<=1",), measurements=rows[::-1]) == [False]


def test_a_metric_that_was_not_measured_fails_its_gate():
    (row,) = gates.check(("p50_ms<=1",), None, artifact("q"), ROWS, ())
    assert (row.met, row.found) == (False, None)


def test_a_drop_comes_with_its_interval_from_the_comparison():
    """A - B is -0.5 points with an interval from -1.2 to +0.2: the drop is 0.5, and may be -0.2 to 1.2."""
    row = {"kind": "max_drop", "differences": {"accuracy": {"effect": -0.005, "lower": -0.012, "upper": 0.002}}}
    quantization = {"kind": "quantization", "differences": {"accuracy": {"effect": 0.0, "lower": 0.0, "upper": 0.0}}}
    (gate,) = gates.check((), 0.5, artifact("q"), ROWS, (), (quantization, row))
    assert gate.met and gate.interval == pytest.approx((-0.2, 1.2))
    assert gate.told == "found 0.5 on val, 95 % interval -0.2 to 1.2: more samples are needed to settle it"
    (wide,) = gates.check((), 2.0, artifact("q"), ROWS, (), (quantization, row))
    assert wide.settled and wide.told == "found 0.5 on val, 95 % interval -0.2 to 1.2"
    (plain,) = gates.check(("p50_ms<=1",), None, artifact("q"), ROWS, ())
    assert plain.told == "not measured" and plain.interval is None


def judged(demand, *measurements, failures=()):
    (gate,) = gates.check((demand,), None, artifact("q", 40_960), ROWS, measurements, failures=failures)
    return gate


def test_a_kilobyte_is_1024_bytes():
    exact = judged("size_kb<=40")
    assert (exact.found, exact.met, exact.where) == (40.0, True, "file")
    assert exact.told == "found 40"
    assert not judged("size_kb<40").met
    assert judged("gzip_kb<=20").met and judged("gzip_kb>=20").met


def test_reliability_has_gates_too():
    assert [judged(d).met for d in ("nll<=0.3", "nll<0.3", "ece<=0", "augrc<=0.009", "brier<=0.1")] == [
        True, False, True, False, True,
    ]  # fmt: skip


def test_accuracy_comes_with_its_wilson_interval():
    """910 of 1,000: (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n) with z = 1.95996 is 0.89066 to 0.92620."""
    gate = judged("accuracy>=0.9")
    assert gate.interval == pytest.approx((0.89066, 0.92620), abs=1e-5)
    assert gate.met and not gate.settled
    assert gate.told == "found 0.91 on val, 95 % interval 0.891 to 0.926: more samples are needed to settle it"
    assert judged("accuracy>=0.89").settled and judged("accuracy>=0.93").settled


def test_latency_at_one_target_is_not_that_of_another():
    here, pi = measurement("q", 1, 0.5), measurement("q", 1, 3.0, target="ssh://user@pi", p90_ms=4.0)
    assert judged("p50_ms<=2@host", here, pi).met
    gate = judged("p50_ms<=2@ssh://user@pi", here, pi)
    assert (gate.met, gate.found, gate.where) == (False, 3.0, "ssh://user@pi")
    assert gate.told == "found 3 on ssh://user@pi, 95 % interval 3 to 3"
    assert judged("p90_ms<=4@ssh://user@pi", here, pi).met and not judged("p90_ms<4@ssh://user@pi", here, pi).met
    assert judged("p50_ms>=0.6", here, pi).found == 0.5, "of 'at least', the smallest decides"


def test_an_interval_of_latency_is_settled_by_more_runs():
    gate = judged("p50_ms<=2", measurement("q", 1, 1.9, p50_interval_ms=(1.8, 2.1)))
    assert gate.met and not gate.settled and gate.told.endswith(": more runs are needed to settle it")


def test_a_latency_that_does_not_count_says_why():
    gate = judged("p50_ms<=2", measurement("q", 1, 0.5, "invalid"))
    assert (gate.found, gate.met) == (None, False)
    assert gate.told == "not measured: the latency on host is not valid: hot"
    weak = judged("p50_ms<=2", measurement("q", 1, 0.5, "suspect"))
    assert weak.met and weak.told.endswith("; suspect: hot")
    # The bench calls each emulated latency invalid; whoever does not is told of it all the same.
    assert not judged("p50_ms<=2", measurement("q", 1, 0.5, "invalid", emulated=True)).met
    assert "emulated" in judged("p50_ms<=2", measurement("q", 1, 0.5, emulated=True)).told


def test_memory_counts_where_the_latency_does_not():
    rows = [measurement("q", 1, 0.5, "invalid", peak_rss_bytes=50 * 1024**2)]
    assert judged("peak_rss_mb<=50", *rows).met and not judged("peak_rss_mb<50", *rows).met
    gate = judged("peak_rss_mb<=50", *rows, measurement("q", 1, 0.5, target="adb", peak_rss_bytes=None))
    assert gate.told == "not measured: the runner on adb does not report peak_rss_mb"
    gate = judged("p90_ms<=50", measurement("q", 1, 0.5, p90_ms=None))
    assert gate.told == "not measured: the runner on host does not report p90_ms"


def test_a_target_that_failed_meets_no_gate():
    here = measurement("q", 1, 0.5)
    gate = judged("p50_ms<=2", here, failures=("ssh://user@pi",))
    assert not gate.met and gate.told == "not measured: ssh://user@pi could not be measured"
    assert judged("p50_ms<=2@host", here, failures=("ssh://user@pi",)).met
    assert not judged("p50_ms<=2@ssh://user@pi", here, failures=("ssh://user@pi",)).met
