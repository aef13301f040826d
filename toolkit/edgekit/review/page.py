"""The page of a review: HTML from its template; script and style are separate files, so that the policy can forbid any other."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.report.page import rendered

if TYPE_CHECKING:
    from edgekit.review.session import ReviewSession

FILES = {"review.js": "text/javascript; charset=utf-8", "review.css": "text/css; charset=utf-8"}
_TEMPLATES = Path(__file__).parent / "templates"


@cache
def read(name: str) -> bytes:
    """The content of one of FILES."""
    return (_TEMPLATES / name).read_bytes()


def render(session: ReviewSession) -> str:
    """The HTML of the page; names that UTF-8 cannot encode show "?" there."""
    samples = session.samples
    return rendered(
        _TEMPLATES,
        "review.html.j2",
        name=session.name,
        noun=session.pictures.noun,
        clips=session.pictures.clips,
        classes=samples.classes,
        class_names=json.dumps(samples.classes),
        reasons=samples.reasons,
        method=samples.method,
        file=session.decisions.path.name,
        count=len(session.decisions),
        total=len(samples),
    )
