"""The page of a review: HTML from its template, script and style as files of their own, so that the policy forbids any other."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.report.page import rendered

if TYPE_CHECKING:
    from edgekit.review.desk import Desk

FILES = {"review.js": "text/javascript; charset=utf-8", "review.css": "text/css; charset=utf-8"}
_TEMPLATES = Path(__file__).parent / "templates"


@cache
def read(name: str) -> bytes:
    """The content of one of FILES."""
    return (_TEMPLATES / name).read_bytes()


def render(desk: Desk) -> str:
    """The HTML of the page; names that UTF-8 cannot hold show "?" there."""
    samples = desk.samples
    return rendered(
        _TEMPLATES,
        "review.html.j2",
        name=desk.name,
        noun=desk.pictures.noun,
        clips=desk.pictures.clips,
        classes=samples.classes,
        class_names=json.dumps(samples.classes),
        reasons=samples.reasons,
        method=samples.method,
        file=desk.decisions.path.name,
        count=len(desk.decisions),
        total=len(samples),
    )
