"""The tables of docs/curation.md on small sets say what the result file says, and the sets are what their names say."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])


def test_the_tables_of_the_page_are_those_of_the_result_file(benchmarks):
    import curation_small_tables as tables

    rows = json.loads((ROOT / "benchmarks/results/curation_small.json").read_text())["raw"]
    page = (ROOT / "docs/curation.md").read_text()
    assert page.split(tables.BEGIN)[1].split(tables.END)[0].strip() == tables.tables(rows).strip()


def test_drawings_have_the_classes_and_the_wrong_labels_that_were_asked_for(benchmarks):
    import curation_sets

    made = curation_sets.make(curation_sets.Spec("drawings", 3, 120, 10))
    sizes = np.bincount(made.train.y)
    assert sizes.sum() == 120
    assert sizes[0] == pytest.approx(10 * sizes[2], rel=0.15)
    assert made.flipped is None
    assert not set(made.train.ids) & set(made.val.ids)
    again = curation_sets.make(curation_sets.Spec("drawings", 3, 120, 10))
    assert np.array_equal(made.train.x, again.train.x)
    noisy = curation_sets.make(curation_sets.Spec("drawings", 3, 120, noise=0.1))
    assert 3 <= len(noisy.flipped) <= 25
