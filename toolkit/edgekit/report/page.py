"""Self-contained HTML pages: one style for all (templates/base.html.j2), everything escaped, nothing from the network.

Sorting, filters and CSV of tables come from one small script in the page (templates/tables.js). The page's policy allows it by
its digest, so that no other script can run, whatever the name of a class or a file.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_TEMPLATES = Path(__file__).parent / "templates"


def fill(template: str, *, scripts: Sequence[str] = (), **values: Any) -> str:
    """The page of `template` with `values`, see `rendered`.

    Args:
        scripts: files of templates/ that run after tables.js, which every page has.
    """
    script = "".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in ("tables.js", *scripts))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return rendered(_TEMPLATES, template, script=script, script_digest=digest, **values)


def rendered(folder: Path, template: str, **values: Any) -> str:
    """The HTML of a template in `folder`, all values escaped; text that UTF-8 cannot encode (odd file names) shows "?" there."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values).encode("utf-8", "replace").decode()


def script_data(value: Any) -> str:
    """`value` as JSON that is safe inside <script>: no text in it can end the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
