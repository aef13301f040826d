"""An Outcome as JUnit XML: a test case for each gate and each integrity check, and one for the command itself.

Among the dialects, this uses only what both the schema of Apache Ant's JUnit task and that of Jenkins's xUnit plugin allow;
GitHub actions and GitLab read it as well. GitLab shows neither `message` nor the suite's output, so the text of a failure repeats
the result; it also drops a second case of the same name, so names are unique.
"""

from __future__ import annotations

import platform
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

from edgekit.report.ci.outcome import Outcome

# What XML 1.0 cannot contain, not even escaped; messages may quote terminals and file names.
_IMPOSSIBLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    group: str
    name: str
    message: str
    result: Literal["passed", "failure", "error", "skipped"] = "passed"
    kind: str = ""


def render(outcome: Outcome) -> str:
    """The document, as text."""
    cases = list(_cases(outcome))
    count = {result: sum(case.result == result for case in cases) for result in ("failure", "error", "skipped")}
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        {
            "name": _token(f"edgekit {outcome.command}"),
            "package": "edgekit",
            "id": "0",
            "timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S"),
            "hostname": _token(platform.node()) or "localhost",
            "tests": str(len(cases)),
            "failures": str(count["failure"]),
            "errors": str(count["error"]),
            "skipped": str(count["skipped"]),
            "time": f"{outcome.seconds:.3f}",
        },
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in {"subject": outcome.subject, **outcome.facts}.items():
        ElementTree.SubElement(properties, "property", {"name": _token(name), "value": _possible(value)})
    for case in cases:
        where = {"name": _token(case.name), "classname": _token(f"edgekit.{outcome.command}.{case.group}")}
        element = ElementTree.SubElement(suite, "testcase", where | {"time": "0.000"})
        if case.result == "skipped":
            ElementTree.SubElement(element, "skipped", {"message": _possible(case.message)})
        elif case.result != "passed":
            attributes = {"type": case.kind, "message": _possible(case.message)}
            ElementTree.SubElement(element, case.result, attributes).text = _possible(f"{case.name}: {case.message}")
    lines = [f"{case.name}: {case.message}" for case in cases] + list(outcome.remarks)
    ElementTree.SubElement(suite, "system-out").text = _possible("\n".join(lines))
    ElementTree.SubElement(suite, "system-err").text = _possible(str(outcome.error) if outcome.error else "")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _cases(outcome: Outcome) -> Iterator[_Case]:
    if outcome.error is None:
        yield _Case(group="command", name=f"edgekit {outcome.command}", message="finished")
    else:
        yield _Case(
            group="command",
            name=f"edgekit {outcome.command}",
            message=str(outcome.error) or type(outcome.error).__name__,
            result="error",
            kind=type(outcome.error).__name__,
        )
    several = len({file for file, _ in outcome.gates}) > 1
    for file, gate in outcome.gates:
        name = f"{gate.demand} of {file}" if several else gate.demand
        message = f"{'met' if gate.met else 'not met'}, {gate.told} ({file})"
        yield _Case(
            group="gates", name=name, message=message, result="passed" if gate.met else "failure", kind="GateNotMet"
        )
    for demand in outcome.unjudged:
        yield _Case(group="gates", name=demand, message="not judged: the command failed before that", result="skipped")
    for check in outcome.checks:
        result: Literal["passed", "failure"] = "passed" if check.problem is None else "failure"
        yield _Case(
            group="integrity", name=check.name, message=check.problem or "holds", result=result, kind="IntegrityError"
        )


def _possible(text: str) -> str:
    return _IMPOSSIBLE.sub("?", text)


def _token(text: str) -> str:
    """Without line ends and runs of spaces, as names must be."""
    return " ".join(_possible(text).split())
