"""Plain text of docstrings and of --help as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def plain(text: str) -> str:
    """Text whose signs mean themselves, on one line; what stands in backticks stays code."""
    parts = re.split(r"(`[^`]+`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    return re.sub(r"([\\*_\[\]])", r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def cell(text: str) -> str:
    """`plain` within a table."""
    return plain(text).replace("|", "\\|")


def code(text: str) -> str:
    """Text as code within a table; an empty one stays empty."""
    return f"`{text}`".replace("|", "\\|") if text else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def docstring(text: str) -> str:
    """A Google-style docstring: paragraphs as they are, sections such as "Args:" as lists."""
    out: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip()):
        head, _, rest = block.strip().partition("\n")
        if re.fullmatch(r"(Args|Returns|Raises|Attributes):", head.strip()) and rest:
            out.append(f"**{head.strip().rstrip(':')}**\n")
            out.append("\n".join(f"- {plain(entry)}" for entry in _entries(rest)))
        elif block.startswith("    "):
            out.append(f"```text\n{block}\n```")
        else:
            out.append(plain(block))
    return "\n\n".join(out) + "\n"


def _entries(block: str) -> list[str]:
    """The entries of a section: what stands deeper than the first line goes on with the entry before it."""
    lines = [line for line in block.split("\n") if line.strip()]
    depth = len(lines[0]) - len(lines[0].lstrip())
    found: list[str] = []
    for line in lines:
        if found and len(line) - len(line.lstrip()) > depth:
            found[-1] += " " + line.strip()
        else:
            found.append(line.strip())
    return found


def entries(text: str, names: Iterable[str]) -> tuple[str, dict[str, str]]:
    """A dataclass's docstring taken apart: what stands before its fields, and name -> what "name: ..." says of each."""
    name = "|".join(names)
    heads = list(re.finditer(rf"(?:^|(?<=\s))((?:{name})(?:(?:, | and )(?:{name}))*): ", text))
    if not heads:
        return text, {}
    found: dict[str, str] = {}
    for head, end in zip(heads, [*(head.start() for head in heads[1:]), len(text)], strict=True):
        said = " ".join(text[head.end() : end].split()).rstrip(".;")
        found |= dict.fromkeys(re.split(", | and ", head[1]), said)
    return text[: heads[0].start()], found
