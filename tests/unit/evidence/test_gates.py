from pathlib import Path

import pytest

from edgekit.errors import RecipeError, UnknownName
from edgekit.evidence import gates
from edgekit.types import Artifact, Evaluation, Measurement


def test_parse():
    assert gates.parse("accuracy >= 0.92") == ("accuracy", ">=", 0.92)
    assert gates.parse("size_bytes<=40960") == ("size_bytes", "<=", 40960)


@pytest.mark.parametrize("text", ["accuracy", "accuracy=0.9", "accuracy>=high", ">=0.9", "accuracy>=--1"])
def test_a_malformed_gate_is_refused(text):
    with pytest.raises(RecipeError, match="metric>=number"):
        gates.parse(text)


def test_an_unknown_metric_is_refused_with_a_hint():
    with pytest.raises(UnknownName, match="Did you mean 'accuracy'"):
        gates.parse("acuracy>=0.9")


def artifact(name, size=40_000):
    return Artifact(
        name=name, path=Path(name), format="tflite", precision="int8", sha256="", size_bytes=size, gzip_bytes=size // 2,
        params=0, macs=0, sparsity=0.0, inputs=(), outputs=(),
    )  # fmt: skip


def evaluation(name, accuracy, split="val"):
    return Evaluation(
        artifact=name, artifact_sha256="", split=split, n=1000, accuracy=accuracy, nll=0.3, brier=0.1, ece=0.0, aurc=0.01,
        augrc=0.01, risk_at_coverage={}, ece_squared=0.0, nll_clipped=0, argmax_ties=0, predictions=None,
    )  # fmt: skip


def measurement(name, threads, p50_ms, verdict="valid", target="host"):
    return Measurement(
        artifact=name, artifact_sha256="", target=target, device={}, runtime="", kernels="", method="", threads=threads,
        affinity=None, latencies_ns=(), p50_ms=p50_ms, p50_interval_ms=(p50_ms, p50_ms), p90_ms=p50_ms, runs=0, init_ms=0.0,
        peak_rss_bytes=0, accuracy=None, samples=None, parity=None, profile=(), verdict=verdict, reasons=(), emulated=False,
        attempts=1, valid=verdict == "valid", invalid_reason=None, conditions={},
    )  # fmt: skip


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
