"""The tables of docs/does-curation-help.md, written from results/does_curation_help.json and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from record import ROOT, put

PAGE = ROOT / "docs" / "does-curation-help.md"
BEGIN, END = "<!-- tables: written by benchmarks/does_curation_help.py -->", "<!-- end of tables -->"
_INT8 = "shipped"  # each run ships its int8 file
_TITLES = {"60k": "All training images", "20k": "20,000 training images"}
_NOISE = {"clean": "labels as they are", "sym10": "10 % symmetric noise", "pair10": "10 % pair noise"}
# Metric -> its name in a table, and the factor it is shown with.
_METRICS = {
    "accuracy": ("accuracy, %", 100),
    "augrc": ("AUGRC x 1000", 1000),
    "nll": ("NLL x 1000", 1000),
    "ece_squared": ("squared ECE x 1000", 1000),
}
_CONTROLS = ("full", "random-of-", "matched-of-")


def write_tables(studies: Mapping[str, Any]) -> None:
    """Put the tables of all studies between the page's marks."""
    put(PAGE, BEGIN, tables(studies), END)


def tables(studies: Mapping[str, Any]) -> str:
    """Markdown: two tables for each study, of the int8 file."""
    return "".join(_study(name, studies[name]) for name in studies)


def _study(name: str, study: Mapping[str, Any]) -> str:
    student, pool, noise = name.split("-")[:3]
    timed = " (four arms, timed)" if name.endswith("-iqr") else ""
    lines = [
        f"### {student}, {_TITLES[pool].lower()}, {_NOISE[noise]}{timed}",
        "",
        f"`benchmarks/studies/{name}.yaml`",
        "",
    ]
    lines += [*arm_rows(study), "", *verdict_rows(study), ""]
    lines += [f"{study['rests_on'][0]}." if len(study["rests_on"]) == 1 else "", "", ""]
    return "\n".join(lines)


def arm_rows(study: Mapping[str, Any]) -> Iterable[str]:
    """A table of the arms: edits, and mean and SD over RNG seeds of the int8 file's metrics."""
    noisy = any(arm["injected_noise"] for arm in study["arms"])
    found = " recall | precision |" if noisy else ""
    yield (
        f"| arm | dropped | edited otherwise |{found} "
        + " | ".join(title for title, _ in _METRICS.values())
        + " | NLL x 1000 with T |"
    )
    yield "|" + "---|" * (4 + 2 * noisy + len(_METRICS))
    for arm in study["arms"]:
        if arm["values"].get(_INT8, {}).get("accuracy", {}).get("mean") is None:
            continue  # a control that was not needed
        cells = [arm["name"], _counts(arm["n_dropped"]), _counts(_edited(arm))]
        if noisy:
            of = arm["injected_noise"] or {}
            cells += ["" if of.get(key) is None else f"{100 * of[key]:.1f} %" for key in ("recall", "precision")]
        for metric, (_, factor) in _METRICS.items():
            value = arm["values"][_INT8][metric]
            cells.append(f"{factor * value['mean']:.2f} ± {factor * value['sd']:.2f}")
        scaled = arm["with_temperature"]
        without = f" ({scaled['without_fit']} runs without fit)" if scaled.get("without_fit") else ""
        cells.append(f"{1000 * scaled['nll']['mean']:.2f} ± {1000 * scaled['nll']['sd']:.2f}{without}")
        yield "| " + " | ".join(cells) + " |"


def _edited(arm: Mapping[str, Any]) -> list[int]:
    return [n for key in ("n_relabeled", "n_weighted") for n in arm[key] or [] if n] or [0]


def _counts(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def verdict_rows(study: Mapping[str, Any]) -> Iterable[str]:
    """Rows: arm - control; cells: the verdict, the effect and its interval."""
    yield "| arm − control | " + " | ".join(title for title, _ in _METRICS.values()) + " |"
    yield "|" + "---|" * (1 + len(_METRICS))
    pairs = dict.fromkeys((row["arm"], row["control"]) for row in study["verdicts"])
    for arm, control in pairs:
        rows = {
            row["metric"]: row
            for row in study["verdicts"]
            if (row["arm"], row["control"]) == (arm, control) and row["artifact"] == _INT8
        }
        cells = []
        for metric, (_, factor) in _METRICS.items():
            row = rows[metric]
            said = f"**{row['verdict']}**" if row["verdict"] in ("better", "worse") else row["verdict"]
            cells.append(
                f"{said} {factor * row['effect']:+.2f} ({factor * row['lower']:+.2f} to {factor * row['upper']:+.2f})"
            )
        yield f"| {arm} − {_control_text(control)} | " + " | ".join(cells) + " |"


def _control_text(control: str) -> str:
    return {"full": "all data", "random-of-": "random", "matched-of-": "random by class"}[
        next(prefix for prefix in _CONTROLS if control.startswith(prefix))
    ]
