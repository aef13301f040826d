"""How the classes of a run are told of: the worst first, and balanced accuracy where they are uneven."""

import contextlib
import io
import re

import numpy as np
import pytest
from tests.unit.finished_run import finished
from tests.unit.report.made_run import INT8, made

from edgekit.cli import summary
from edgekit.evidence.proportion import wilson
from edgekit.report import card, classes, html
from edgekit.report.ci import outcome
from edgekit.types import Report

PER_CLASS = {
    "a": {"n": 100, "recall": 0.9},
    "b": {"n": 10, "recall": 0.9},
    "c": {"n": 3, "recall": 0.0},
    "d": {"n": 0, "recall": None},
    "e": {"n": 20, "recall": 0.5},
}
NAMES = ("boot", "coat", "a bag: with handles >= 2", "dress")
RARE = np.repeat(np.arange(4), [180, 12, 3, 5])


def printed(document):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        summary.print_classes(document)
    return out.getvalue()


def words(page):
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)).split())


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    root = tmp_path_factory.mktemp("uneven")
    document = made(root, classes=NAMES, labels=RARE, n=len(RARE))
    for row in document["artifacts"]:
        row["sha256"] = "0"
    document["dataset"] |= {"input_shape": [28, 28, 1], "preprocessing": "pixel / 255"}
    return root, document


def test_the_worst_class_comes_first_and_of_equal_ones_the_less_sure():
    found = classes.rows(PER_CLASS, {"a": 7})
    assert [row["name"] for row in found] == ["e", "b", "a", "c", "d"]
    assert (found[0]["lower"], found[0]["upper"]) == wilson(0.5, 20)
    assert [(row["n"], row["right"], row["recall"], row["lower"]) for row in found[3:]] == [
        (3, 0, None, None),
        (0, 0, None, None),
    ]
    assert [row["trained"] for row in found] == [None, None, 7, None, None]


def test_a_sentence_on_the_worst_and_one_on_those_that_cannot_be_judged():
    worst, few = classes.recall_lines(PER_CLASS)
    assert worst.startswith("lowest recall: e 50.00% (10 of 20; 95 % interval 29.93% to 70.07%), b 90.00% (9 of 10;")
    assert few == "too few test samples to judge (fewer than 4): c (3), d (0)"
    assert classes.recall_lines({}) == []
    assert classes.recall_lines({str(k): {"n": 1, "recall": 1.0} for k in range(9)})[0].endswith("4 (1) and 4 more")


def test_uneven_is_from_three_to_one_in_train_or_in_test(tmp_path):
    document = made(tmp_path)
    assert classes.uneven(document) is None
    document["curation"]["per_class"] |= {"boot": {"kept": 66}}
    assert classes.uneven(document) == "22 to 66 training samples per class"
    document["curation"]["per_class"] |= {"boot": {"kept": 65}}
    assert classes.uneven(document) is None
    test = next(row for row in document["evaluations"] if row["artifact"] == INT8)
    test["per_class"]["coat"]["n"] = 150
    assert classes.uneven(document) == "50 to 150 test samples per class"


def test_uneven_classes_are_told_of_beside_the_accuracy(uneven):
    root, document = uneven
    test = classes.shipped_test(document)
    figures = f"{test['balanced_accuracy']:.4f}", f"{test['macro_f1']:.4f}"
    page = words(html.render(document, root))
    assert f"{100 * test['balanced_accuracy']:.2f} % balanced accuracy , the mean of the classes' recalls" in page
    assert "1 of 4 classes has fewer than 4 test samples" in page and "too few" in page
    assert page.index("balanced accuracy") < page.index("What does it cost?") < page.index("lowest recall first")
    for text in figures:
        assert text in page
    written = card.render(document)
    assert "Classes are uneven (3 to 180 test samples per class): balanced accuracy" in written
    assert (
        "| accuracy | balanced accuracy | macro F1 | NLL |" in written and f"| {figures[0]} | {figures[1]} |" in written
    )
    assert "Too few test samples to judge (fewer than 4): a bag: with handles >= 2 (3)." in written
    fields = outcome.of_report(Report(path=root, document=document))
    assert fields["files"].headings[4:6] == ["balanced accuracy", "macro F1"]
    assert fields["files"].rows[2][4:6] == list(figures)
    assert any(
        remark.startswith("Classes are uneven (3 to 180 test samples per class)") for remark in fields["remarks"]
    )
    assert summary.balanced(document)(test).split() == list(figures)
    assert printed(document).startswith("classes are uneven: 3 to 180 test samples per class\n  lowest recall: ")


def test_even_classes_stay_off_the_first_screen_but_each_has_its_recall(tmp_path):
    document = made(tmp_path)
    document["dataset"] |= {"input_shape": [28, 28, 1], "preprocessing": "pixel / 255"}
    page = words(html.render(document, tmp_path))
    assert "balanced" not in page and "How well model_int8.tflite recognizes each class" in page
    text = card.render(document)
    assert "uneven" not in text and "Lowest recall: " in text
    assert printed(document) == "" and summary.balanced(document)(None) == ""


def test_a_report_of_an_older_version_is_read_without_them(tmp_path):
    document = made(tmp_path, classes=NAMES, labels=RARE, n=len(RARE))
    for row in document["evaluations"]:
        for key in ("balanced_accuracy", "macro_f1", "per_class"):
            del row[key]
    for row in document["comparisons"]:
        for key in [key for key in row if key.startswith(("balanced", "macro"))]:
            del row[key]
        del row["differences"]["balanced_accuracy"]
    document["dataset"] |= {"input_shape": [28, 28, 1], "preprocessing": "pixel / 255"}
    page = words(html.render(document, tmp_path))
    assert "balanced" not in page and "1 of 4 classes has fewer than 4 test samples" in page, (
        "the predictions tell that"
    )
    assert "recall" not in card.render(document).lower() and printed(document) == ""
    assert outcome.of_report(finished(tmp_path / "old"))["files"].headings[4] == "NLL"
