"""The numbers beside the figures: which rows a table has, and how much it may take."""

import json

import numpy as np
from tests.unit.report.tables import rows_of

from edgekit.evidence.risk_coverage import RiskCoverage
from edgekit.report import numbers
from edgekit.report.numbers import Column


def test_cells_are_text_names_or_numbers_and_what_is_missing_is_null():
    columns = [Column(name="id", kind="text"), Column(name="class", kind="name"), Column(name="value", kind=4)]
    table = numbers.listed(columns, [("a", "x", 0.123456789), ("b", "x", float("nan")), (None, "y", None)])
    assert rows_of(table) == [["a", "x", 0.123457], ["b", "x", None], [None, "y", None]]
    assert json.loads(table.json)["names"] == ["x", "y"], "a name is sent once"


def test_no_text_ends_the_script_that_holds_it():
    table = numbers.listed([Column(name="</script>", kind="text")], [("</script><b>",)])
    assert "<" not in table.json and rows_of(table) == [["</script><b>"]]


def test_a_budget_cuts_rows_and_counts_them():
    table = numbers.listed([Column(name="id", kind="text")], [("x" * 97,)] * 50, budget_bytes=1000)
    assert (table.shown, table.total) == (10, 50) and len(rows_of(table)) == 10


def test_confusions_tell_mistakes_first_the_most_frequent_on_top():
    matrix = np.array([[7, 1, 2], [0, 4, 0], [2, 0, 0]])
    assert rows_of(numbers.confusions(matrix, ["a", "b", "c"])) == [
        ["a", "c", 2, 20],
        ["c", "a", 2, 100],
        ["a", "b", 1, 10],
        ["a", "a", 7, 70],
        ["b", "b", 4, 100],
    ]


def test_risks_are_of_the_first_point_that_accepts_as_much():
    """Ten samples, the surest five right, then three of one confidence of which one is wrong, then two wrong."""
    confidence = np.array([0.99, 0.98, 0.97, 0.96, 0.95, 0.8, 0.8, 0.8, 0.3, 0.2])
    error = np.array([0, 0, 0, 0, 0, 0, 1, 0, 1, 1], bool)
    found = rows_of(numbers.risks({"m": RiskCoverage(confidence, error)}))
    assert len(found) == 20
    assert found[9] == ["m", 50, 5, 0, 0]
    assert found[10] == ["m", 80, 8, 1, 12.5], "no threshold accepts 55 %: the three of one confidence come together"
    assert found[19] == ["m", 100, 10, 3, 30]


def test_epochs_and_differences_have_a_row_each():
    history = {"loss": [2.0, 1.0], "val_loss": [2.5, 1.5], "accuracy": [0.1, 0.5], "val_accuracy": [0.2, 0.4]}
    assert rows_of(numbers.epochs({"student": {"history": history}})) == [
        ["student", 1, 2, 2.5, 0.1, 0.2],
        ["student", 2, 1, 1.5, 0.5, 0.4],
    ]
    compared = {
        "a": "A",
        "b": "B",
        "split": "test",
        "differences": {"nll": {"effect": 0.1, "lower": 0.0, "upper": 0.2}},
    }
    old = {"a": "A", "b": "B", "split": "test"}
    assert rows_of(numbers.differences([compared, old])) == [["A", "B", "test", "nll", 0.1, 0, 0.2]]
