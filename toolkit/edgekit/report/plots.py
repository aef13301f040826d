"""The report's figures as self-contained SVG images (data URIs)."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

INK, BLUE, ORANGE, GRAY = "#1d2733", "#2563a8", "#d9662b", "#9aa5b1"
COLORS = (BLUE, ORANGE, INK)
# Lines of many, told apart with any color vision (after Okabe and Ito): color on white -> color on a dark page.
LINES = {
    "#0072b2": "#56b4e9",
    "#d55e00": "#ff8f4d",
    "#00856a": "#2fc79b",
    "#a8467f": "#e39cc5",
    "#8a6400": "#e6b93d",
    "#6a51a3": "#b3a5ea",
}
_DARK = {INK: "#e3e8ed", BLUE: "#79b0ec", ORANGE: "#ef8f5c", GRAY: "#77828e"} | LINES


def _figure(width: float, height: float) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "edgekit",
            "font.family": "sans-serif",
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": GRAY,
            "text.color": INK,
            "axes.labelcolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
        }
    )
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots


def _uri(figure: Any, *, themed: bool = False) -> str:
    """The figure as a data URI. themed: no background, and colors that follow the page's light or dark scheme."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=themed)
    image = _themed(buffer.getvalue().decode()).encode() if themed else buffer.getvalue()
    return "data:image/svg+xml;base64," + base64.b64encode(image).decode()


def _themed(image: str) -> str:
    """SVG whose colors are variables: an image sees the color scheme of its page, but not the page's own variables."""
    light, dark = (
        "".join(f"--{color[1:]}:{value};" for color, value in values.items())
        for values in ({color: color for color in _DARK}, _DARK)
    )
    for color in _DARK:
        image = image.replace(f": {color}", f": var(--{color[1:]})")
    style = f"<style>:root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    return image.replace("<defs>", f"<defs>{style}", 1)


def removed_per_class(per_class: Mapping[str, Mapping[str, int]]) -> str:
    """Kept and removed samples of each class, with the removed share."""
    figure, subplots = _figure(7.2, 0.6 + 0.34 * len(per_class))
    axes = subplots()
    names = list(per_class)
    kept = np.array([per_class[n]["kept"] for n in names])
    gone = np.array([per_class[n]["dropped"] for n in names])
    axes.barh(names, kept, color=BLUE, label="kept")
    axes.barh(names, gone, left=kept, color=ORANGE, label="removed")
    for row, (before, lost) in enumerate(zip(kept + gone, gone, strict=True)):
        axes.text(before, row, f" {lost / before:.1%}", va="center", fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel("training samples")
    axes.set_xlim(right=(kept + gone).max() * 1.12)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return _uri(figure)


def learning_curves(training: Mapping[str, Mapping[str, Any]]) -> str:
    """Loss and accuracy per epoch of each trained network."""
    figure, subplots = _figure(7.6, 2.7 * len(training))
    grid = np.atleast_2d(subplots(len(training), 2))
    for (left, right), (role, model) in zip(grid, training.items(), strict=True):
        history = model["history"]
        epochs = np.arange(1, len(history["loss"]) + 1)
        for axes, key, label in ((left, "loss", "cross-entropy"), (right, "accuracy", "accuracy")):
            axes.plot(epochs, history[key], color=GRAY, label="training")
            axes.plot(epochs, history[f"val_{key}"], color=BLUE, label="validation")
            axes.set(xlabel="epoch", ylabel=label, title=f"{role} {model['architecture']}")
            axes.xaxis.get_major_locator().set_params(integer=True)
        left.legend(frameon=False, fontsize=8)
    return _uri(figure)


def confusion_matrix(matrix: NDArray[np.int64], classes: Sequence[str]) -> str:
    """Rows are true classes, columns predicted ones; shade = share of the row."""
    size = max(3.6, 0.52 * len(classes) + 1.6)
    figure, subplots = _figure(size, size)
    axes = subplots()
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if len(classes) <= 20:
        for i, j in np.ndindex(*matrix.shape):
            if matrix[i, j]:
                color = "white" if share[i, j] > 0.55 else INK
                axes.text(j, i, matrix[i, j], ha="center", va="center", fontsize=8, color=color)
        axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
        axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="predicted", ylabel="true")
    axes.spines[:].set_visible(False)
    return _uri(figure)


def reliability_diagrams(panels: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]) -> str:
    """Accuracy over mean confidence in equal-mass bins; the diagonal is perfect calibration.

    Args:
        panels: title -> name of a line -> its bins (`edgekit.evidence.metrics.reliability_bins`).
    """
    figure, subplots = _figure(3.6 * len(panels) + 0.6, 3.9)
    grid = np.atleast_1d(subplots(1, len(panels), sharex=True, sharey=True))
    every = [r for lines in panels.values() for rows in lines.values() for r in rows]
    low = min(min(r["confidence"], r["accuracy"]) for r in every)
    for axes, (title, lines) in zip(grid, panels.items(), strict=True):
        axes.plot([0, 1], [0, 1], color=GRAY, linestyle=":", label="perfect")
        for (name, rows), color in zip(lines.items(), COLORS, strict=False):
            confidence, accuracy = ([r[key] for r in rows] for key in ("confidence", "accuracy"))
            axes.plot(confidence, accuracy, "o-", markersize=4, color=color, label=name)
        axes.set(xlabel="mean confidence", title=title, xlim=(low - 0.03, 1.02), ylim=(low - 0.03, 1.02))
    grid[0].set_ylabel("accuracy")
    grid[0].legend(frameon=False, fontsize=9)
    return _uri(figure)


def risk_coverage(
    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]], points: Mapping[str, tuple[float, float]]
) -> str:
    """Share of errors among the accepted answers over the share accepted.

    Args:
        curves: name -> ((M,) coverages, (M,) risks). points: name -> (coverage, risk) of its operating threshold.
    """
    figure, subplots = _figure(4.6, 3.9)
    axes = subplots()
    for (name, (coverage, risk)), color in zip(curves.items(), COLORS, strict=False):
        axes.plot(coverage, risk, color=color, label=name)
        if name in points:
            axes.plot(*points[name], "o", markersize=6, color=color)
    axes.set(xlabel="coverage (share accepted)", ylabel="risk (errors among them)", xlim=(0, 1.02))
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9)
    return _uri(figure)
