"""What `edgekit study` prints at its end."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.unit.report.test_study_page import document, planned

from edgekit.cli import study, study_tables
from edgekit.errors import TrainingError, UsageError


def shown(content, capsys):
    study_tables.show(content, Path("studies/x"))
    return [line.strip() for line in capsys.readouterr().out.splitlines()]


def test_many_verdicts_are_a_small_table_for_each_file(capsys):
    content = document(("iqr", "consensus", "soft"), noise=None)
    content["planning"] = [planned()]
    lines = shown(content, capsys)
    assert len(content["verdicts"]) == 36
    heads = [i for i, line in enumerate(lines) if line.endswith("augrc")]
    assert [lines[i].split() for i in heads] == [
        [file, "accuracy", "augrc"] for file in ("shipped", "model_float32.tflite")
    ]
    # A rule, then two lines for each of nine comparisons.
    first = lines[heads[0] + 2 :]
    assert first[0].split() == ["iqr", "-", "full", "better", "+1.25", "pp", "better", "+0.013"]
    assert first[1].split() == ["+0.20", "to", "+2.30", "pp", "+0.0020", "to", "+0.023"]
    assert first[16].startswith("soft - matched-of-soft") and not first[18]
    assert max(map(len, lines)) < 100
    assert any("more than 200 seeds" in line for line in lines)
    assert "for 0.005; 10 seeds detect 0.033" in lines
    assert "excluded: iqr-1 failed: <b>no</b>" in lines
    assert "95 % intervals for other seeds and other test samples; rests on 8 seeds" in lines
    assert "limit: All rest on one teacher." in lines
    assert lines[-1] == "report: studies/x/study.html"


def test_rows_that_lost_a_seed_or_are_not_equal_say_so(capsys):
    content = document()
    message = "iqr has 58.41 times the training steps of full"
    lost = {"rests_on": "1 seed", "seeds": [1], "excluded": ["seed 3: iqr (shipped) failed"], "unequal": message}
    for row in content["verdicts"]:
        if (row["control"], row["artifact"]) == ("full", "shipped"):
            row |= lost
    lines = shown(content, capsys)
    assert (
        "95 % intervals for other test samples only, with this one seed; rests on 1 seed (iqr − full, shipped)" in lines
    )
    assert lines.count("left out of its comparisons: seed 3: iqr (shipped) failed") == 1
    assert any(line.startswith(f"NOT equal: {message}") for line in lines)


def test_a_study_without_verdicts_says_what_is_missing_and_prints_no_empty_table(capsys):
    gone = {"arm": "iqr", "control": "full", "artifact": "shipped", "status": "missing", "reason": "no RNG seed of iqr"}
    content = document() | {"verdicts": [], "ledger": [], "outstanding": ["iqr-1"], "not_judged": [gone]}
    lines = shown(content, capsys)
    assert lines[:2] == [
        "interim: 1 of 1 runs are missing; --resume runs the rest, and then the study is judged",
        "Nothing could be judged.",
    ]
    assert "not judged: iqr - full, shipped: no RNG seed of iqr" in lines
    assert not any("─" in line for line in lines)


@pytest.fixture
def file(tmp_path):
    """A study file on 80 images of 2 classes."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (80, 8, 8, 1), dtype=np.uint8), np.tile([0, 1], 40)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])
    path = tmp_path / "file.yaml"
    path.write_text(
        "base: {data: {spec: data.npz}, student: {name: conv8}}\narms: {few: {data.limit: 40}}\nseeds: [1, 2]\n"
    )
    return path


@pytest.mark.tf
def test_a_study_whose_hours_are_over_shows_what_there_is_and_ends_with_an_error(file, tmp_path, capsys):
    out = tmp_path / "out"
    with pytest.raises(TrainingError, match="4 of 4 runs are missing; --resume runs the rest"):
        study.study(file, jobs=1, out=out, match="flops", max_hours=1e-9)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0].startswith("interim: 4 of 4 runs are missing") and lines[-1] == f"report: {out / 'study.html'}"
    assert json.loads((out / "study.json").read_text())["outstanding"] == ["full-1", "few-1", "full-2", "few-2"]

    # It goes on with the match that it was begun with, and refuses another one.
    with pytest.raises(TrainingError):
        study.study(file, jobs=1, out=out, resume=True, max_hours=1e-9)
    assert json.loads((out / "study.json").read_text())["study"]["match"] == "flops"
    with pytest.raises(UsageError, match=r"since it was started: match \(was flops, now epochs\)"):
        study.study(file, jobs=1, out=out, resume=True, match="epochs")
