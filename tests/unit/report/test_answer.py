"""The first lines of a report in words."""

import pytest
from tests.unit.report.made_run import FLOAT, INT8, made

from edgekit.report import changes, html
from edgekit.report.answer import answer, validity


def answered(root, document):
    row = next(each for each in html.artifact_rows(document) if each["name"] == document["run"]["shipped"])
    return answer(document, row, changes.load(root, document["run"]["shipped"]))


def test_what_was_lost_is_counted_in_points_and_answers(tmp_path):
    document = made(tmp_path)
    lost = answered(tmp_path, document)["lost"]
    row = document["comparisons"][0]
    assert lost["points"] == pytest.approx(100 * (row["accuracy_a"] - row["accuracy_b"]))
    assert (lost["lost"], lost["won"]) == (row["only_b_right"], row["only_a_right"])
    assert lost["changed"] == lost["lost"] + lost["won"] + lost["both_wrong"] == round(200 * (1 - row["agreement"]))


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("worse", "Quantization lost accuracy: -2.50 points."),
        ("better", "Quantization raised accuracy by -2.50 points on these samples."),
        ("no significant difference", "Quantization caused no accuracy loss detectable on 200 clips."),
    ],
)
def test_the_sentence_says_no_more_than_the_test_of_the_difference(tmp_path, verdict, said):
    document = made(tmp_path, noun="clips")
    document["comparisons"][0] |= {"verdict": verdict, "difference": -0.025}
    assert answered(tmp_path, document)["sentence"].endswith(f"; one clip takes 0.045 ms on host (suspect). {said}")


def test_a_float_file_lost_nothing_and_an_emulated_latency_is_not_told(tmp_path):
    document = made(tmp_path, shipped=FLOAT)
    document["measurements"] = [row | {"emulated": True} for row in document["measurements"]]
    found = answered(tmp_path, document)
    assert found["lost"] is None and found["sentence"].endswith("and its size is 146.5 KB.")
    assert [validity(row) for row in found["cost"]] == ["emulated", "emulated"]


def test_gates_that_are_met_are_counted(tmp_path):
    assert answered(tmp_path, made(tmp_path))["gates_met"] == 1
    assert INT8 in answered(tmp_path, made(tmp_path))["sentence"]
