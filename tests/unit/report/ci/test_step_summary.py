"""The Markdown is read back with markdown-it, as GitHub would: tables and raw HTML switched on."""

import pytest
from markdown_it import MarkdownIt
from tests.unit.finished_run import finished

from edgekit.errors import DataError
from edgekit.report.ci import step_summary
from edgekit.report.ci.outcome import Outcome, Table, of_report
from edgekit.report.integrity import Check
from edgekit.types import Gate

GITHUB = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "me/mine", "GITHUB_RUN_ID": "42"}


def html(outcome, environ=GITHUB):
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(step_summary.render(outcome, environ))


def test_files_gates_verdict_and_link(tmp_path):
    gates = [
        Gate(demand="accuracy>=0.9", found=0.91, met=True, where="val", interval=(0.89, 0.926), settled=False),
        Gate(demand="p50_ms<=2@ssh://user@pi", found=3.0, met=False, where="ssh://user@pi"),
    ]
    page = html(Outcome(command="build", subject="runs/r", **of_report(finished(tmp_path / "r"), gates)))
    assert "<h2>edgekit build: FAILED</h2>" in page and "1 of 2 gates met" in page
    assert page.count("<table>") == 2 and page.count("<tr>") == 6, "2 gates, 2 files, a line of headings each"
    for text in (
        "<td>accuracy&gt;=0.9</td>",
        "<td>found 0.91 on val, 95 % interval 0.89 to 0.926: more samples are needed to settle it</td>",
        "<td>p50_ms&lt;=2@ssh://user@pi</td>",
        "<td>model_int8.tflite</td>\n<td>3.0</td>\n<td>0.1</td>\n<td>0.8950</td>",
        "<td>0.5 at host (1); 3 at ssh://user@pi (1)</td>",
        "Integrity checks: all 3 passed.",
        "Verdict on the curation 'iqr': no evidence (1 seed).",
        '<a href="https://github.com/me/mine/actions/runs/42#artifacts">',
    ):
        assert text in page, text


def test_outside_of_github_there_is_no_link(tmp_path):
    outcome = Outcome(command="build", subject="runs/r", **of_report(finished(tmp_path / "r"), []))
    assert "<a " not in html(outcome, {}) and "No gate was set." in html(outcome, {})
    assert "<a " not in html(outcome, GITHUB | {"GITHUB_SERVER_URL": "javascript:alert(1)//"})
    assert "<a " not in html(outcome, GITHUB | {"GITHUB_RUN_ID": "1)[x](y"})


def test_a_failed_build_says_what_went_wrong():
    page = html(Outcome(command="build", subject="a new run", unjudged=["size_kb<=40"], error=DataError("no data")))
    assert "FAILED" in page and "<strong>DataError</strong>: no data" in page and "Not judged: size_kb&lt;=40." in page


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>", "a|b", "[x](javascript:alert(1))", "`a`|`b`", "*a* __b__ ~~c~~", "a\n\n# b", "![](x)",
        "1. a", "\\|x", "- a", "\ud800",
    ],
)  # fmt: skip
def test_no_name_becomes_markup(evil):
    gate = Gate(demand=evil, found=None, met=False, where=evil, note=evil)
    outcome = Outcome(
        command="gate", subject=evil, files=Table(headings=["file"], rows=[[evil]]), gates=[(evil, gate)],
        checks=[Check(name=evil, problem=evil)], error=DataError(evil), remarks=[evil],
    )  # fmt: skip
    page = html(outcome)
    for tag in ("<script", "<a ", "<img", "<em", "<code", "<h1", "<s>"):
        assert tag not in page
    assert page.count("<td>") == 5 and page.count("<strong>") == 2 and page.count("<li>") == 1


def test_a_summary_that_github_would_refuse_is_cut():
    outcome = Outcome(command="bench", subject="s", remarks=["word " * 30] * 2000)
    assert len(step_summary.render(outcome, {})) < 210_000
