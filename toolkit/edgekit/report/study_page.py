"""study.html: a whole study on one page, generated from study.json alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.evidence.planning import MOST_SEEDS
from edgekit.report import page, study_plots
from edgekit.report.numbers import Column, Listed, listed

_PERCENT = ("accuracy",)


def render(document: Mapping[str, Any]) -> str:
    """The page of a study's document (study.json)."""
    return page.fill(
        "study.html.j2",
        d=document,
        summary=summary(document["verdicts"]),
        forests=_forests(document["verdicts"]),
        reliability=_reliability(document),
        tables={"effects": effects(document["verdicts"]), "risks": _risks(document), "bins": _bins(document)},
        noise=any(arm.get("injected_noise") for arm in document["arms"]),
        grounds=grounds(document),
        effect=effect,
        seeds_text=_seeds,
        number=_number,
        flops=_flops,
        counts={
            status: sum(run["status"] == status for run in document["runs"])
            for status in ("complete", "failed", "not run", "not needed")
        },
    )


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows with an arm, a control, a metric and an artifact, as a table.

    Returns:
        artifacts and metrics: those that occur, in order. rows: (arm, control) -> (artifact, metric) -> the row; combinations
        that were not judged are missing.
    """
    table: dict[tuple[str, str], dict[tuple[str, str], Mapping[str, Any]]] = {}
    for row in rows:
        table.setdefault((row["arm"], row["control"]), {})[row["artifact"], row["metric"]] = row
    artifacts, metrics = (list(dict.fromkeys(row[key] for row in rows)) for key in ("artifact", "metric"))
    return {"artifacts": artifacts, "metrics": metrics, "rows": table}


def grounds(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The basis of the verdicts of a study.json: `rests_on`, what their intervals are for (`spans`), and which verdicts (`of`).

    spans: None if there is no interval. of: "arm − control, file" of each; empty if all have the same basis.
    """
    comparisons: dict[tuple[str, str | None], list[str]] = {}
    other = "groups" if document["study"]["leave_out"] else "test samples"
    for row in document["verdicts"]:
        spans = (
            f"other {other} only, with this one seed" if len(row["seeds"]) == 1 else f"other seeds and other {other}"
        )
        of = comparisons.setdefault((row["rests_on"], None if row["lower"] is None else spans), [])
        of.append(f"{row['arm']} − {row['control']}, {row['artifact']}")
    alone = len(comparisons) == 1
    return [
        {"rests_on": rests_on, "spans": spans, "of": [] if alone else list(dict.fromkeys(of))}
        for (rests_on, spans), of in comparisons.items()
    ]


def needed(row: Mapping[str, Any]) -> str:
    """What would reveal the smallest effect worth detecting, from a row of `planning`: more RNG seeds, or more test samples."""
    text = f"{_seeds(row['seeds_needed'])} seeds"
    if row["samples_needed"] is not None:
        return f"{text}, or {row['samples_needed']:,} {row['unit']}"
    if row["seeds_needed_tenfold"] not in (None, row["seeds_needed"]):
        return f"{text}, or {row['seeds_needed_tenfold']} with 10 times the {row['unit']}"
    return text


def _seeds(count: int | None) -> str:
    return f"more than {MOST_SEEDS}" if count is None else str(count)


def effect(row: Mapping[str, Any], key: str = "effect") -> str:
    """The effect of a verdict, or an end of its interval (`lower`, `upper`), in two digits; accuracy in percentage points."""
    if row[key] is None:
        return "–"
    return f"{100 * row[key]:+.2f} pp" if row["metric"] in _PERCENT else f"{row[key]:+#.2g}"


def _forests(verdicts: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[str, str, str]]]:
    """Metric -> (file, image, its alt text) of each judged file."""
    rows = [row for row in verdicts if row["effect"] is not None]
    by_file: dict[str, list[tuple[str, str, str]]] = {}
    for metric, artifact in dict.fromkeys((row["metric"], row["artifact"]) for row in rows):
        own = [row for row in rows if (row["artifact"], row["metric"]) == (artifact, metric)]
        alt = "; ".join(
            f"{row['arm']} minus {row['control']}: {row['effect']:+.4g}"
            + (f" ({row['lower']:+.4g} to {row['upper']:+.4g})" if row["lower"] is not None else "")
            for row in own
        )
        # One axis for all files of a metric, so that they can be compared.
        limits = study_plots.spanned([row for row in rows if row["metric"] == metric])
        by_file.setdefault(metric, []).append(
            (artifact, study_plots.forest(own, metric in _PERCENT, limits=limits, themed=True), alt)
        )
    return by_file


def effects(verdicts: Sequence[Mapping[str, Any]]) -> Listed:
    """Every effect with its interval, and the effects of single seeds, as numbers; accuracy is a share here, not in points."""
    names = ("arm", "control", "file", "metric", "verdict")
    columns = [Column(name=name, kind="name", choices=name in ("file", "metric", "verdict")) for name in names]
    columns += [Column(name=name, kind=6) for name in ("effect", "95 % from", "to")]
    columns += [Column(name="of single seeds", kind="text")]
    rows = [
        (*(row[key] for key in ("arm", "control", "artifact", "metric", "verdict", "effect", "lower", "upper")),
         " ".join(f"{effect:.6g}" for effect in row["effects"]))
        for row in verdicts
    ]  # fmt: skip
    return listed(columns, rows, elsewhere="The same is in study.json.")


def _risks(document: Mapping[str, Any]) -> Listed:
    """Mean risk and its spread at every tenth coverage in study.json, for each arm and file."""
    rows = [
        (
            label,
            name,
            100 * coverage,
            100 * arm["risk"]["mean"][i],
            100 * arm["risk"]["sd"][i] if arm["risk"]["sd"] else None,
        )
        for label, of in document["reliability"].items()
        for name, arm in of["arms"].items()
        for i, coverage in enumerate(of["coverages"])
        if i % 10 == 9
    ]
    columns = [Column(name=name, kind="name", choices=True) for name in ("file", "arm")]
    columns += [Column(name="coverage, %", kind=0)]
    columns += [Column(name=name, kind=3) for name in ("risk, %", "standard deviation")]
    return listed(columns, rows, elsewhere="The same is in study.json.")


def _bins(document: Mapping[str, Any]) -> Listed:
    """The bins of every reliability diagram."""
    rows = [
        (
            label,
            name,
            {"before": "without T", "after": "with T"}[when],
            number,
            row["confidence"],
            row["accuracy"],
        )
        for label, of in document["reliability"].items()
        for name, arm in of["arms"].items()
        for when, bins in arm["bins"].items()
        for number, row in enumerate(bins or (), start=1)
    ]
    columns = [Column(name=name, kind="name", choices=True) for name in ("file", "arm", "probabilities")]
    columns += [Column(name="bin", kind=0)]
    columns += [Column(name=name, kind=4) for name in ("mean confidence", "accuracy")]
    return listed(columns, rows, elsewhere="The same is in study.json.")


def _reliability(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """File -> its rows, the risk-coverage figure, and the reliability diagram of each arm."""
    styles = study_plots.line_styles(document["arms"])
    fitted = {label: of for label, of in document["reliability"].items() if of["arms"]}
    every = [
        row
        for of in fitted.values()
        for arm in of["arms"].values()
        for bins in arm["bins"].values()
        for row in bins or ()
    ]
    low = min((min(row["confidence"], row["accuracy"]) for row in every), default=0.0) - 0.03
    curves = {label: {name: arm["risk"] for name, arm in of["arms"].items()} for label, of in fitted.items()}
    # The same axis for all files, so that they can be compared.
    ends = [end for by in curves.values() for curve in by.values() for end in _upper(curve)]
    highest = 1.05 * max(ends, default=0.0) or 0.01
    return {
        label: {
            "arms": of["arms"],
            "risk": study_plots.risk_coverage(of["coverages"], curves[label], styles, highest),
            "diagrams": {name: study_plots.reliability(arm["bins"], low) for name, arm in of["arms"].items()},
        }
        for label, of in fitted.items()
    }


def _upper(curve: Mapping[str, Any]) -> list[float]:
    """The upper edge of a curve's band."""
    return [mean + sd for mean, sd in zip(curve["mean"], curve["sd"] or [0.0] * len(curve["mean"]), strict=True)]


def _number(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _flops(value: float) -> str:
    for name, unit in (("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if value >= unit:
            return f"{value / unit:,.3g} {name}FLOP"
    return f"{value:,.0f} FLOP"
