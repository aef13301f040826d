"""What a notebook shows of each value: short, no arrays, every string escaped."""

import dataclasses
import html.parser
from pathlib import Path

import numpy as np
import pytest
from tests.unit.finished_run import finished

import edgekit
from edgekit.curation.select import select
from edgekit.recipe import section_of
from edgekit.report import values
from edgekit.types import Report, Signals

EVIL = "<script>alert('x')</script>&\"|"
_VOID = {"br"}


class Parsed(html.parser.HTMLParser):
    """The text of a page whose elements are all closed, its tags, and its attributes."""

    def __init__(self, page):
        super().__init__()
        self.text, self.tags, self.attributes, self.open = "", [], set(), []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        assert not any("url(" in (value or "") for _, value in attrs)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def shown(value, *texts):
    """The page of a value, self-contained and holding `told`."""
    page = Parsed(value._repr_html_())
    assert set(page.tags) <= {"div", "table", "thead", "tbody", "tr", "th", "td"}
    assert page.attributes <= {"style"}
    for text in texts:
        assert text in page.text, (text, page.text)
    return page


@pytest.fixture
def run(tmp_path):
    return finished(tmp_path / "r")


@pytest.fixture(scope="module")
def selection():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(2), 50)
    p = rng.dirichlet([1, 1], 100).astype(np.float32)
    signals = Signals(ids=np.array([f"s{i}" for i in range(100)]), labels=labels, classes=2, oof_probs=p)
    return select(signals, section_of({"method": "self-confidence", "budget": 10}), seed=0)[0]


def test_a_report(run):
    assert repr(run) == (
        f"Report({str(run.path)!r}: model_int8.tflite, 3,072 bytes, test accuracy 0.8950, 1 of 1 gates met)"
    )
    page = shown(
        run, "Run r: model_int8.tflite", "0.8950", "0.5 at host (1); 3 at ssh://user@pi (1)", "accuracy>=0.9", "iqr"
    )
    assert "report.html" in page.text
    unfinished = Report(path=Path("x"), document={})
    assert repr(unfinished) == "Report('x': unfinished)" and "In x" in shown(unfinished).text


def test_an_artifact_an_evaluation_and_a_measurement(run):
    file, row, timed = values.artifacts(run)[1], values.evaluations(run)[2], values.measurements(run)[2]
    assert repr(file) == f"Artifact('model_int8.tflite', int8, 3,072 bytes, sha256 {file.sha256[:12]})"
    shown(file, "3,072 bytes (3.0 KB)", "input xint8 (1, 28, 28, 1), scale 0.5, zero point -3", file.sha256)
    assert repr(row) == (
        "Evaluation('model_int8.tflite' on val, n=1,000: accuracy 0.9100, nll 0.3000, ece 0.0200, augrc 0.0050)"
    )
    shown(row, "model_int8.tflite on val, n = 1,000", "accuracy0.9100higher is better", "ece0.0200lower is better")
    assert repr(timed) == (
        "Measurement('model_int8.tflite' at 'ssh://user@pi', 1 thread(s): p50 3 ms (2.9 to 3.1), valid)"
    )
    shown(timed, "p503 ms (95 % interval 2.9 to 3.1)", "peak RSS10.0 MB", "The latency is valid.")
    bad = dataclasses.replace(timed, verdict="invalid", invalid_reason="throttled", emulated=True)
    assert repr(bad).endswith("emulated)") and "The latency is emulated: throttled." in shown(bad).text


def test_a_selection(selection):
    assert repr(selection) == "Selection('self-confidence': kept 90 of 100, dropped 10)"
    shown(selection, "kept 90 of 100", "dropped 10; RNG seed 0", selection.sha256)


def test_a_dataset(shipped):
    assert repr(shipped).startswith("Dataset('fashion-mnist-mini': 10 classes of 28x28x1 images; ")
    page = shown(shipped, shipped.source, "all", f"{len(shipped.test):,}", shipped.fingerprint)
    assert page.tags.count("tr") == 12, "headings, ten classes, and all of them"
    many = dataclasses.replace(shipped, classes=tuple(map(str, range(300))))
    assert shown(many, "and 280 more classes").tags.count("tr") == 22


def test_nothing_prints_an_array(shipped, selection, run):
    for value in (shipped, selection, run, *values.measurements(run)):
        for text in (repr(value), value._repr_html_()):
            assert "array(" not in text and "dtype" not in text
        assert len(repr(value)) < 300 and "\n" not in repr(value)


def test_no_string_of_a_value_becomes_markup(shipped, selection, run, tmp_path):
    evil = finished(
        tmp_path / "e",
        run={"name": EVIL, "shipped": EVIL}, dataset={"source": EVIL}, curation={"method": EVIL}, verdict={"verdict": EVIL},
        gates=[{"demand": EVIL, "found": None, "met": False}],
    )  # fmt: skip
    timed = values.measurements(run)[0]
    for value in (
        evil,
        dataclasses.replace(shipped, name=EVIL, source=EVIL, classes=(EVIL,) * 10, notes=(EVIL,)),
        dataclasses.replace(selection, method=EVIL, warnings=(EVIL,), facts={EVIL: EVIL}),
        dataclasses.replace(values.artifacts(run)[0], name=EVIL, path=Path(EVIL)),
        dataclasses.replace(values.evaluations(run)[0], artifact=EVIL, risk_at_coverage={EVIL: 0.1}),
        dataclasses.replace(
            timed, artifact=EVIL, target=EVIL, device={"model": EVIL}, invalid_reason=EVIL, runtime=EVIL
        ),
    ):
        shown(value, EVIL)


def test_the_public_names_are_functions_and_values_whatever_was_imported():
    """A submodule of the same name would take a function's place once it is imported."""
    package = Path(edgekit.__file__).parent
    assert not {p.stem for p in package.iterdir()} & set(edgekit.__all__)
    assert sorted(edgekit.__all__) == sorted(edgekit._PUBLIC)
