"""docs/ci.md and the workflow file: every edgekit command in them is parsed as the program itself would."""

import re
import shlex

import pytest
import typer
import yaml
from tests.conftest import REPOSITORY

from edgekit.cli.app import app
from edgekit.evidence import gates

PAGE = (REPOSITORY / "docs" / "ci.md").read_text()
WORKFLOW = (REPOSITORY / "docs" / "workflows" / "edgekit.yml").read_text()


def commands():
    """The edgekit commands of the page (shell lines and GitLab's script) and of the workflow's steps, as lists of words."""
    jobs = yaml.safe_load(WORKFLOW)["jobs"]
    lines = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        for job in yaml.safe_load(block).values():
            lines += job.get("script", []) if isinstance(job, dict) else []
    lines += re.findall(r"^    (edgekit .*)$", PAGE, re.MULTILINE)
    return [words for line in lines if (words := shlex.split(line, comments=True))[0] == "edgekit"]


def test_the_page_shows_the_workflow_as_it_is():
    assert f"```yaml\n{WORKFLOW}```" in PAGE


def test_the_workflow_is_one_of_github():
    workflow = yaml.safe_load(WORKFLOW)
    assert {"push", "pull_request"} <= set(workflow[True])  # YAML 1.1 reads `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert {"runs-on", "timeout-minutes", "steps"} <= set(job)
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/x@v1"))
        kept = [step for step in job["steps"] if step.get("uses", "").startswith("actions/upload-artifact")]
        assert kept and all(step["if"] == "always()" for step in kept), "the report of a missed gate is kept too"
        # What a command writes is what is uploaded.
        written = re.findall(r"--(?:junit|out) (\S+)", " ".join(step.get("run", "") for step in job["steps"]))
        assert written and set(written) <= {path for step in kept for path in step["with"]["path"].split()}


def test_there_are_commands():
    assert {words[1] for words in commands()} == {"build", "gate", "evaluate", "bench"}
    assert len(commands()) >= 8


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_real_options_and_gates(words):
    command = typer.main.get_command(app).commands[words[1]]
    values = command.make_context(words[1], words[2:]).params
    targets = values.get("target") or ["host", "ssh://user@pi"]
    assert gates.demanded(values["gate"] or [], targets) is not None


def test_every_metric_is_on_the_page():
    assert all(f"`{metric}`" in PAGE for metric in gates.METRICS)
