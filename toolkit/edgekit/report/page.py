"""Self-contained HTML pages: one look for all (templates/base.html.j2), everything escaped, nothing from the network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def fill(template: str, **values: Any) -> str:
    """The page of `template` with `values`; texts that UTF-8 cannot hold (odd file names) show "?" there."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values).encode("utf-8", "replace").decode()


def script_data(value: Any) -> str:
    """`value` as JSON that may stand inside <script>: no text in it can end the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
