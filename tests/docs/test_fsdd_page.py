"""docs/fsdd.md says what the result file says, and nothing by hand."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    import fsdd_tables

    return fsdd_tables


def test_the_tables_of_the_page_are_those_of_the_result_file(tables):
    parts = json.loads((ROOT / "benchmarks/results/fsdd.json").read_text())["detail"]["parts"]
    page = (ROOT / "docs/fsdd.md").read_text()
    for name, part in parts.items():
        begin, end = tables.marks(name)
        assert page.split(begin)[1].split(end)[0].strip() == tables.table(name, part).strip()
