"""An Outcome as Markdown, for the summary that GitHub shows for a workflow step ($GITHUB_STEP_SUMMARY)."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlsplit

from edgekit.report.ci.outcome import Outcome

_MARKUP = re.compile(r"([\\`*_\[\]#|~@$])|^([-+=])|(?<=^\d)([.)])(?=\s)")
_RUN = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
# GitHub accepts 1 MiB per step, and shows nothing of a step that wrote more.
_MOST_CHARACTERS = 200_000


def render(outcome: Outcome, environ: Mapping[str, str]) -> str:
    """The summary, ending in an empty line, so that several can follow each other in one file.

    Args:
        environ: the environment variables of the GitHub workflow run, for the link to its uploads; may have none.
    """
    lines = [
        f"## edgekit {escaped(outcome.command)}: {'passed' if outcome.passed else 'FAILED'}",
        "",
        escaped(outcome.subject),
        "",
    ]
    if outcome.error is not None:
        lines += [f"**{escaped(type(outcome.error).__name__)}**: {escaped(str(outcome.error))}", ""]
    if outcome.gates:
        gates_met = sum(gate.met for _, gate in outcome.gates)
        rows = [[gate.demand, file, gate.told, "met" if gate.met else "NOT MET"] for file, gate in outcome.gates]
        lines += [
            f"**{gates_met} of {len(rows)} gates met**",
            "",
            *_table(["gate", "file", "found", "verdict"], rows),
            "",
        ]
    elif not outcome.unjudged:
        lines += ["No gate was set.", ""]
    if outcome.unjudged:
        lines += ["Not judged: " + ", ".join(map(escaped, outcome.unjudged)) + ".", ""]
    if outcome.files:
        lines += [*_table(outcome.files.headings, outcome.files.rows), ""]
    if outcome.checks:
        wrong = [check.problem for check in outcome.checks if check.problem]
        result = f"{len(wrong)} of {len(outcome.checks)} failed" if wrong else f"all {len(outcome.checks)} passed"
        lines += [
            f"Integrity checks: {result}.",
            "",
            *(f"- {escaped(problem)}" for problem in wrong),
            *([""] if wrong else []),
        ]
    for remark in outcome.remarks:
        lines += [escaped(remark), ""]
    lines += _links(outcome, environ)
    text = "\n".join(lines)
    if len(text) > _MOST_CHARACTERS:
        text = text[:_MOST_CHARACTERS].rsplit("\n", 1)[0] + "\n\n(The rest is omitted.)\n"
    return (text + "\n").encode("utf-8", "replace").decode()  # odd file names show "?"


def escaped(text: str) -> str:
    """`text` as Markdown that shows it literally, in one line: no class or file name becomes markup, HTML or a column."""
    return _MARKUP.sub(lambda match: f"\\{match[0]}", html.escape(" ".join(text.split()), quote=False))


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [headings, *rows]
    written = ["| " + " | ".join(map(escaped, line)) + " |" for line in lines]
    return [written[0], "|" + "---|" * len(headings), *written[1:]]


def _links(outcome: Outcome, environ: Mapping[str, str]) -> list[str]:
    if outcome.run is None:
        return []
    lines = [f"Report: {escaped(str(outcome.run / 'report.html'))}"] if (outcome.run / "report.html").is_file() else []
    server, repository, run = (environ.get(name, "") for name in _RUN)
    if urlsplit(server).scheme in ("http", "https") and repository and run.isdigit():
        url = f"{quote(server, safe=':/')}/{quote(repository, safe='/')}/actions/runs/{run}#artifacts"
        lines.append(
            f"[Uploads of this workflow run]({url}), including the report if the workflow uploads the run's folder."
        )
    return [line for each in lines for line in (each, "")]
