"""The curation of a build where no network is trained."""

import json

import numpy as np
import pytest

from edgekit import data, recipe
from edgekit.errors import DataError
from edgekit.pipeline import curate as curating
from edgekit.pipeline.build import build


@pytest.fixture
def single(tmp_path):
    """Two classes, one of them with a single training sample."""
    rng = np.random.default_rng(0)

    def part(sizes):
        return rng.integers(0, 256, (sum(sizes), 8, 8), dtype=np.uint8), np.repeat([0, 1], sizes)

    arrays = {}
    for name, sizes in (("train", (20, 1)), ("val", (6, 6)), ("cal", (6, 6)), ("test", (6, 6))):
        arrays[f"x_{name}"], arrays[f"y_{name}"] = part(sizes)
    np.savez(tmp_path / "single.npz", **arrays)
    return tmp_path / "single.npz"


def test_auto_abstains_where_there_can_be_no_folds(single, tmp_path):
    asked = recipe.load(settings=["curation.method=auto"], values={"data.spec": str(single)})
    build(asked, tmp_path / "run", until="curate")
    summary = json.loads((tmp_path / "run/curation/summary.json").read_text())
    assert summary["asked"] == "auto"
    assert summary["auto"]["chosen"] == summary["method"] == "none"
    assert "no folds" in summary["auto"]["why"]
    assert summary["n_dropped"] == 0


def test_a_method_that_needs_folds_says_so_and_a_number_that_was_asked_for_stays(single):
    dataset = data.load(str(single))
    for method, folds in (("margin", ""), ("auto", "curation.folds=3")):
        settings = [f"curation.method={method}", *([folds] if folds else [])]
        with pytest.raises(DataError, match=r"folds need . samples of each class; label 1 has 1"):
            curating.check(recipe.load(settings=settings), dataset)


def test_a_bound_asks_for_folds_where_a_teacher_would_judge_itself(single, shipped):
    small, asked = data.load(str(single)), recipe.load(settings=["curation.method=iqr"])
    assert curating.needed(asked.curation, asked, small) == ("teacher",), "there can be none"
    assert curating.needed(asked.curation, asked, shipped) == ("teacher",), "a set of 12,000 has no bound"
