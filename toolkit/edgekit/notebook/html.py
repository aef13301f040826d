"""Small pieces of HTML for a notebook's cells: self-contained, readable on light and dark, every string escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

_CELL = "padding:2px 10px;border-bottom:1px solid rgba(128,128,128,.3);"
_CARD = "font-family:system-ui,sans-serif;font-size:13px;line-height:1.5;color:inherit;"


class Markup(str):
    """A string that is already HTML; every other string is text, and is escaped."""

    __slots__ = ()


def element(tag: str, *children: object, style: str = "") -> Markup:
    """<tag style="...">children</tag>; children that are not Markup are shown as the text they are."""
    inside = "".join(map(_escaped, children))
    given = f' style="{html.escape(style)}"' if style else ""
    return Markup(f"<{tag}{given}>{inside}</{tag}>")


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Markup:
    """A table with one line of headings; all columns but the first are right-aligned, for numbers."""

    def line(tag: str, cells: Sequence[object]) -> Markup:
        styles = [_CELL + f"text-align:{'right' if i else 'left'};" for i in range(len(cells))]
        return element("tr", *(element(tag, cell, style=style) for cell, style in zip(cells, styles, strict=True)))

    body = element("tbody", *(line("td", row) for row in rows))
    return element(
        "table", element("thead", line("th", headings)), body, style="border-collapse:collapse;margin:4px 0;"
    )


def card(title: str, *parts: object) -> Markup:
    """A value: its title in bold, and the parts below it; text parts are one line each."""
    lines = [part if isinstance(part, Markup) else element("div", part) for part in parts if part]
    return element("div", element("div", title, style="font-weight:600;"), *lines, style=_CARD)


def bar(done: int, total: int) -> Markup:
    """A progress bar that a screen reader can read."""
    share = min(1.0, done / total) if total else 0.0
    return Markup(f'<progress value="{share:.4f}" max="1" style="width:240px;vertical-align:middle;"></progress>')


def _escaped(child: object) -> str:
    return child if isinstance(child, Markup) else html.escape(str(child))
