"""The tables of docs/curation.md on small sets, written from results/curation_small.json and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from record import ROOT, put

PAGE = ROOT / "docs" / "curation.md"
BEGIN, END = "<!-- tables: written by benchmarks/curation_small.py -->", "<!-- end of tables -->"

_TITLES = {"linear": "Judged by logistic regressions", "network": "Judged by networks"}


def write_tables(rows: Sequence[Mapping[str, Any]]) -> None:
    """Put the tables between the page's marks."""
    put(PAGE, BEGIN, tables(rows), END)


def tables(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: of each judge the clean sets, then the noisy ones."""
    lines = []
    for judge in dict.fromkeys(row["judge"] for row in rows):
        own = [row for row in rows if row["judge"] == judge]
        clean, noisy = ([row for row in own if bool(row["noise"]) is wrong] for wrong in (False, True))
        lines += [f"### {_TITLES[judge]}", "", *_table(clean, _share), "", *_table(noisy, _found), ""]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Mapping[str, Any]], cell: Any) -> Iterable[str]:
    names = list(rows[0]["methods"]) if rows else []
    yield "| set | rarest class | folds agree | estimate | " + " | ".join(names) + " |"
    yield "|" + "---|" * (4 + len(names))
    for row in rows:
        cells = [row["name"], str(min(row["sizes"])), f"{row['oof_agreement']:.3f}", f"{row['estimate']:.3f}"]
        yield "| " + " | ".join(cells + [cell(row["methods"][name]) for name in names]) + " |"


def _share(found: Mapping[str, Any]) -> str:
    return f"{_percent(found)} ({_percent(found['without_bound'])})"


def _percent(found: Mapping[str, Any]) -> str:
    return "refused" if "error" in found else f"{found['most_of_a_class']:.1%}".replace("%", " %")


def _found(found: Mapping[str, Any]) -> str:
    return f"{_pair(found)} ({_pair(found['without_bound'])})"


def _pair(found: Mapping[str, Any]) -> str:
    if "error" in found:
        return "refused"
    precision = "–" if found["precision"] is None else f"{found['precision']:.2f}"
    return f"{found['recall']:.2f}/{precision}".replace("0.", ".")
