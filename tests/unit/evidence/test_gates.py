import pytest

from edgekit.errors import RecipeError, UnknownName
from edgekit.evidence import gates


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


def test_check_holds_each_demand_and_the_drop():
    rows = gates.check(("accuracy>=0.9", "size_bytes<40000"), 0.5, {"accuracy": 0.91, "size_bytes": 40000}, "val", 0.6)
    assert [row.met for row in rows] == [True, False, False]


def test_a_metric_that_was_not_measured_fails_its_gate():
    (row,) = gates.check(("p50_ms<=1",), None, {}, "val", 0)
    assert (row.met, row.found) == (False, None)
