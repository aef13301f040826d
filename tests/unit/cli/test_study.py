"""What `edgekit study` prints at its end."""

from pathlib import Path

from tests.unit.report.test_study_page import document

from edgekit.cli import study


def test_many_verdicts_are_a_small_table_for_each_file(capsys):
    content = document(("iqr", "consensus", "soft"), noise=None)
    content["planning"] = [
        {"arm": "iqr", "control": "full", "artifact": "shipped", "metric": "accuracy", "seeds": 10, "detectable": 0.0334,
         "worthwhile": 0.005, "seeds_needed": None, "comparisons": 4},
    ]  # fmt: skip
    study._show(content, Path("studies/x"))
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
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
    assert any("more than 200 for 0.005" in line for line in lines) and "10 see 0.033" in lines
    assert "excluded: iqr-1 failed: <b>no</b>" in lines
    assert lines[-1] == "report: studies/x/study.html"
