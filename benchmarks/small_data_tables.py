"""The table of docs/small-data.md, written from results/small_data.json and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from record import ROOT, put

PAGE = ROOT / "docs" / "small-data.md"
BEGIN, END = "<!-- table: written by benchmarks/small_data.py -->", "<!-- end of table -->"


def write_table(found: Sequence[Mapping[str, Any]]) -> None:
    """Put the table between the page's marks."""
    put(PAGE, BEGIN, table(found) + "\n", END)


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: a row for each set and draw that is complete."""
    lines = [
        "| set, draw | default | steps, CPU time | best of eight budgets | plain Keras | goals |",
        "|---|---|---|---|---|---|",
    ]
    for row in found:
        missed = [name for name, met in (("budget", row["within"]), ("plain", row["not_below_plain"])) if not met]
        goals = f"{', '.join(missed)} missed" if missed else "met"
        lines.append(
            f"| {row['set']}, {row['draw'] + 1} | {row['default']:.1%} | {row['steps']:,}, {row['cpu_s']:.0f} s | "
            f"{row['best_accuracy']:.1%} ({row['best']}) | {row['plain']:.1%} | {goals} |"
        )
    return "\n".join(lines).replace("%", " %") + "\n"
