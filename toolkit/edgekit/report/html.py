"""report.html: one self-contained page (nothing from the network) from report.json and the run's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.evidence import metrics, temperature
from edgekit.evidence.by_class import FEWEST
from edgekit.evidence.risk_coverage import RiskCoverage
from edgekit.evidence.weighted import METRICS
from edgekit.inference.evaluate import load_logits, load_predictions, stored_predictions
from edgekit.report import answer, changes, classes, gallery, numbers, page, pareto, plots, study_plots
from edgekit.report.document import reported_split

_FORESTS = ("accuracy", "augrc")


def render(document: Mapping[str, Any], root: Path) -> str:
    """The page of the run in folder `root`, with report.json `document`."""
    rows, names = artifact_rows(document), document["dataset"]["classes"]
    shipped = next(row for row in rows if row["name"] == document["run"]["shipped"])
    changed = changes.load(root, shipped["name"], reported_split(document))
    points = pareto.points(rows)
    figures, tables = _figures(document, root)
    by_class = changes.per_class(changed, names)
    # Computed from the predictions, so that reports of older versions have it too.
    recalls = {
        row["name"]: {"n": row["n"], "recall": row["right"] / row["n"] if row["n"] else None} for row in by_class
    }
    tested = "test" if reported_split(document) == "test" else "cross-validated"
    return page.fill(
        "report.html.j2",
        r=document,
        rows=rows,
        shipped=shipped,
        answer=answer.answer(document, shipped, changed),
        tested=tested,
        validity=answer.validity,
        pareto=points,
        figures=figures | {"pareto": pareto.plot(points, tested)},
        tables=tables | {"samples": changes.samples(changed, names)},
        by_class=by_class,
        recalls=classes.rows(recalls, classes.trained_on(document)),
        fewest=FEWEST,
        changed=changed,
        pictures=changes.pictures(root, changed, names) if changed.quantized else [],
        removed=gallery.thumbnails(root / "curation/gallery.npz", names),
    )


def artifact_rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per artifact: size, metrics on test (or of the folds, `reported_split`), latencies; `here`: on this machine."""
    rows, split = [], reported_split(document)
    for artifact in document["artifacts"]:
        test = next(e for e in document["evaluations"] if e["artifact"] == artifact["name"] and e["split"] == split)
        latencies = [m for m in document["measurements"] if m["artifact"] == artifact["name"]]
        here = [m for m in latencies if m["target"] == "host"]
        rows.append(artifact | {"test": test, "latencies": latencies, "here": here})
    return rows


def differences(comparisons: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Metric -> a forest plot of A - B of all comparisons that have intervals."""
    judged = [row for row in comparisons if "differences" in row]
    figures = {}
    for metric in _FORESTS if judged else ():
        rows = [
            {"arm": row["a"], "control": f"{row['b']} ({row['split']})", "metric": metric, "verdict": "", "effects": []}
            | {"higher_is_better": METRICS[metric].higher_is_better}
            | {name: row["differences"][metric][name] for name in ("effect", "lower", "upper")}
            for row in judged
        ]
        figures[metric] = study_plots.forest(rows, metric == "accuracy", themed=True)
    return figures


def _figures(document: Mapping[str, Any], root: Path) -> tuple[dict[str, Any], dict[str, numbers.Listed]]:
    """The figures, and the numbers of those that are in no other table."""
    shipped, reliability = document["run"]["shipped"], document.get("reliability", {})
    before, after, curves, points, matrix = {}, {}, {}, {}, None
    for name in dict.fromkeys(("model_float32.tflite", shipped)):
        stored = stored_predictions(root, name, reported_split(document))
        _, labels, probabilities = load_predictions(stored)
        p = probabilities.astype(np.float64)
        confidence, error = p.max(axis=1), p.argmax(axis=1) != labels
        before[name] = metrics.reliability_bins(confidence, error)
        curve = RiskCoverage(confidence, error)
        curves[name] = curve
        if name in reliability:
            raw = load_logits(stored)
            logits = temperature.logits_of(p) if raw is None else raw
            scaled = temperature.apply(logits, reliability[name]["temperature"]).max(axis=1)
            after[name] = metrics.reliability_bins(scaled, error)
            if reliability[name]["operating"]["risk"] is not None:
                points[name] = reliability[name]["operating"]["coverage"], reliability[name]["operating"]["risk"]
        if name == shipped:
            matrix = metrics.confusion(p.argmax(axis=1), labels, p.shape[1])
    assert matrix is not None
    panels = {"without temperature": before} | ({"with temperature": after} if after else {})
    names = document["dataset"]["classes"]
    risks = {name: (curve.accepted / curve.n, curve.errors / curve.accepted) for name, curve in curves.items()}
    figures = {
        "removed": plots.removed_per_class(document["curation"]["per_class"]),
        "curves": plots.learning_curves(document["training"]),
        "confusion": plots.confusion_matrix(matrix, names),
        "reliability": plots.reliability_diagrams(panels),
        "risk_coverage": plots.risk_coverage(risks, points),
        "differences": differences(document["comparisons"]),
    }
    return figures, {
        "epochs": numbers.epochs(document["training"]),
        "confusions": numbers.confusions(matrix, names),
        "reliability": numbers.reliability(panels),
        "risks": numbers.risks(curves),
        "differences": numbers.differences(document["comparisons"]),
    }
