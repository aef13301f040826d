"""The forest plots of a report: one for each metric, one row for each comparison that has intervals."""

import base64

from edgekit.report.html import differences


def comparison(a, b, **effects):
    rows = {name: dict(zip(("effect", "lower", "upper"), values, strict=True)) for name, values in effects.items()}
    return {"a": a, "b": b, "split": "test", "differences": rows}


def drawing(uri):
    return base64.b64decode(uri.partition(",")[2]).decode()


def test_every_comparison_is_a_row_of_every_metric():
    rows = [
        comparison("int8", "float", accuracy=(-0.01, -0.02, 0.0), augrc=(0.002, 0.001, 0.003)),
        comparison("curated", "random", accuracy=(0.01, -0.01, 0.03), augrc=(0.0, -0.001, 0.001)),
        {"a": "old", "b": "report", "split": "test"},
    ]
    figures = differences(rows)
    assert list(figures) == ["accuracy", "augrc"]
    for metric, unit in (("accuracy", "percentage points"), ("augrc", "lower is better")):
        text = drawing(figures[metric])
        assert "int8" in text and "curated" in text and unit in text
        assert "old" not in text


def test_reports_without_intervals_have_no_forest():
    assert differences([{"a": "a", "b": "b", "split": "test"}]) == {} == differences([])
