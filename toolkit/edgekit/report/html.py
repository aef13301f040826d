"""report.html: one self-contained page (no network, no script) from report.json and the run's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.bench.evaluate import load_logits, load_predictions, predictions_of
from edgekit.evidence import metrics, temperature
from edgekit.evidence.risk_coverage import RiskCoverage
from edgekit.evidence.weighted import METRICS
from edgekit.report import gallery, page, plots, study_plots

_FORESTS = ("accuracy", "augrc")


def render(document: Mapping[str, Any], root: Path) -> str:
    """The page of the run in folder `root`, whose report.json holds `document`."""
    return page.fill(
        "report.html.j2",
        r=document,
        rows=artifact_rows(document),
        figures=_figures(document, root),
        removed=gallery.thumbnails(root / "curation/gallery.npz", document["dataset"]["classes"]),
        shipped=next(row for row in artifact_rows(document) if row["name"] == document["run"]["shipped"]),
    )


def artifact_rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row an artifact: size, test metrics, latencies, and those of this machine (`here`)."""
    rows = []
    for artifact in document["artifacts"]:
        test = next(e for e in document["evaluations"] if e["artifact"] == artifact["name"] and e["split"] == "test")
        latencies = [m for m in document["measurements"] if m["artifact"] == artifact["name"]]
        here = [m for m in latencies if m["target"] == "host"]
        rows.append(artifact | {"test": test, "latencies": latencies, "here": here})
    return rows


def differences(comparisons: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Metric -> a forest plot of A - B of all comparisons that have intervals."""
    told = [row for row in comparisons if "differences" in row]
    figures = {}
    for metric in _FORESTS if told else ():
        rows = [
            {"arm": row["a"], "control": f"{row['b']} ({row['split']})", "metric": metric, "verdict": "", "effects": []}
            | {"higher_is_better": METRICS[metric].higher_is_better}
            | {name: row["differences"][metric][name] for name in ("effect", "lower", "upper")}
            for row in told
        ]
        figures[metric] = study_plots.forest(rows, metric == "accuracy")
    return figures


def _figures(document: Mapping[str, Any], root: Path) -> dict[str, Any]:
    shipped, told = document["run"]["shipped"], document.get("reliability", {})
    before, after, curves, points, matrix = {}, {}, {}, {}, None
    for name in dict.fromkeys(("model_float32.tflite", shipped)):
        stored = root / predictions_of(name, "test")
        _, labels, probabilities = load_predictions(stored)
        p = probabilities.astype(np.float64)
        confidence, error = p.max(axis=1), p.argmax(axis=1) != labels
        before[name] = metrics.reliability_bins(confidence, error)
        curve = RiskCoverage(confidence, error)
        curves[name] = curve.accepted / curve.n, curve.errors / curve.accepted
        if name in told:
            raw = load_logits(stored)
            logits = temperature.logits_of(p) if raw is None else raw
            scaled = temperature.apply(logits, told[name]["temperature"]).max(axis=1)
            after[name] = metrics.reliability_bins(scaled, error)
            if told[name]["operating"]["risk"] is not None:
                points[name] = told[name]["operating"]["coverage"], told[name]["operating"]["risk"]
        if name == shipped:
            matrix = metrics.confusion(p.argmax(axis=1), labels, p.shape[1])
    assert matrix is not None
    panels = {"as the files answer": before} | ({"with temperature": after} if after else {})
    return {
        "removed": plots.removed_per_class(document["curation"]["per_class"]),
        "curves": plots.learning_curves(document["training"]),
        "confusion": plots.confusion_matrix(matrix, document["dataset"]["classes"]),
        "reliability": plots.reliability_diagrams(panels),
        "risk_coverage": plots.risk_coverage(curves, points),
        "differences": differences(document["comparisons"]),
    }
