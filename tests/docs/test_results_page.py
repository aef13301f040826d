"""docs/does-curation-help.md says what the result file says, and nothing by hand."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    import curation_tables

    return curation_tables


def test_the_tables_of_the_page_are_those_of_the_result_file(tables):
    studies = json.loads((ROOT / "benchmarks/results/does_curation_help.json").read_text())["detail"]["studies"]
    page = (ROOT / "docs/does-curation-help.md").read_text()
    assert page.split(tables.BEGIN)[1].split(tables.END)[0].strip() == tables.tables(studies).strip()
    assert all(f"benchmarks/studies/{name}.yaml" in page for name in studies)
