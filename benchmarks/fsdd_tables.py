"""The tables of docs/fsdd.md, written from results/fsdd.json and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from curation_tables import arm_rows, verdict_rows
from record import ROOT, put

PAGE = ROOT / "docs" / "fsdd.md"


def write_tables(parts: Mapping[str, Any]) -> None:
    """Put each part's table between its marks on the page."""
    for name, part in parts.items():
        begin, end = marks(name)
        put(PAGE, begin, table(name, part) + "\n", end)


def marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: written by benchmarks/fsdd.py -->", f"<!-- end of {name} -->"


def table(name: str, part: Mapping[str, Any]) -> str:
    """Markdown of one part of the result file."""
    rows = {"official": _official, "speakers": _speakers, "noise": _noise, "protocol": _protocol}[name](part)
    return "\n".join(rows) + "\n"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _official(part: Mapping[str, Any]) -> Iterable[str]:
    yield "| student | int8 accuracy, % | 95 % interval | float − int8, points | bytes | p50, ms (threads) | operators in float |"
    yield "|---|---|---|---|---|---|---|"
    for name, row in part["rows"].items():
        low, high = row["interval"]
        latency = ", ".join(
            f"{found['p50_ms']:.3f} ({found['threads']}){'' if found['verdict'] == 'valid' else ' ' + found['verdict']}"
            for found in row["latency"]
        )
        kept = ", ".join(f"{count} {name}" for name, count in row["float_operators"].items()) or "none"
        yield (
            f"| {name} | {_percent(row['accuracy'])} | {_percent(low)} to {_percent(high)} | {row['drop_points']:+.2f} | "
            f"{row['size_bytes']:,} | {latency} | {kept} |"
        )


def _speakers(part: Mapping[str, Any]) -> Iterable[str]:
    names = list(part["auto"]["speakers"])
    yield f"| augmentation | mean, % | SD over speakers | {' | '.join(names)} |"
    yield "|" + "---|" * (3 + len(names))
    for augment, kind in (("auto", "audio"), ("none", "none")):
        found = part[augment]
        cells = [_percent(found["speakers"][name]["accuracy"]) for name in names]
        yield f"| {kind} | {_percent(found['mean'])} | {100 * found['sd']:.2f} | {' | '.join(cells)} |"


def _noise(part: Mapping[str, Any]) -> Iterable[str]:
    yield "| method | AUROC | average precision |"
    yield "|---|---|---|"
    for name, row in part["rows"].items():
        yield f"| {name} | {row['auroc']:.3f} | {row['ap']:.3f} |"


def _protocol(part: Mapping[str, Any]) -> Iterable[str]:
    yield from arm_rows(part["study"])
    yield ""
    yield from verdict_rows(part["study"])
    yield ""
    yield ". ".join(part["study"]["rests_on"]) + "."
