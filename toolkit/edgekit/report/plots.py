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
_WRITTEN, _BARS = 20, 40  # maximum number of classes named in a matrix, and with a bar
_PANEL = 4.6  # inches: two side by side on a wide page, and still readable on a phone
# Colors of many lines, distinguishable with any color vision (after Okabe and Ito): on white -> on a dark page.
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
    # Laid out once; by itself, matplotlib would draw the whole figure for it and again for the file.
    figure.get_layout_engine().execute(figure)
    figure.set_layout_engine("none")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=themed)
    image = _themed(buffer.getvalue().decode()).encode() if themed else buffer.getvalue()
    return "data:image/svg+xml;base64," + base64.b64encode(image).decode()


def _themed(image: str) -> str:
    """SVG whose colors are variables: an image knows the color scheme of its page, but not the page's own variables."""
    light, dark = (
        "".join(f"--{color[1:]}:{value};" for color, value in values.items())
        for values in ({color: color for color in _DARK}, _DARK)
    )
    for color in _DARK:
        image = image.replace(f": {color}", f": var(--{color[1:]})")
    style = f"<style>:root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    return image.replace("<defs>", f"<defs>{style}", 1)


def removed_per_class(per_class: Mapping[str, Mapping[str, int]]) -> str:
    """Kept and removed samples of each class, with the removed share; with very many classes, those that lost most."""
    most = sorted(per_class, key=lambda name: -per_class[name]["dropped"])[:_BARS]
    names = [name for name in per_class if name in most]
    figure, subplots = _figure(7.2, 0.6 + 0.34 * len(names))
    axes = subplots()
    kept = np.array([per_class[n]["kept"] for n in names])
    gone = np.array([per_class[n]["dropped"] for n in names])
    axes.barh(names, kept, color=BLUE, label="kept")
    axes.barh(names, gone, left=kept, color=ORANGE, label="removed")
    for row, (before, lost) in enumerate(zip(kept + gone, gone, strict=True)):
        axes.text(before, row, f" {lost / before if before else 0:.1%}", va="center", fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel("training samples")
    axes.set_xlim(right=max(1, (kept + gone).max()) * 1.12)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return _uri(figure, themed=True)


def learning_curves(training: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Loss and accuracy per epoch of each trained network: title -> figure."""
    figures = {}
    for role, model in training.items():
        history = model["history"]
        epochs = history.get("epoch") or np.arange(1, len(history["loss"]) + 1)
        for key, label in (("loss", "cross-entropy"), ("accuracy", "accuracy")):
            figure, subplots = _figure(_PANEL, 2.7)
            axes = subplots()
            axes.plot(epochs, history[key], color=GRAY, label="training")
            axes.plot(epochs, history[f"val_{key}"], color=BLUE, label="validation")
            axes.set(xlabel="epoch", ylabel=label)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.legend(frameon=False, fontsize=9)
            figures[f"{role} {model['architecture']}, {label}"] = _uri(figure, themed=True)
    return figures


def confusion_matrix(matrix: NDArray[np.int64], classes: Sequence[str]) -> str:
    """Rows are true classes, columns predicted ones; shade = share of the row."""
    size = max(3.6, 0.52 * len(classes) + 1.6) if len(classes) <= _WRITTEN else 8.0
    figure, subplots = _figure(size, size)
    axes = subplots()
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    # Blue with transparency: works on a light and on a dark page alike.
    shade = np.empty((*share.shape, 4))
    shade[..., :3] = [int(BLUE[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    shade[..., 3] = share
    axes.imshow(shade, interpolation="nearest")
    if len(classes) <= _WRITTEN:
        for i, j in np.ndindex(*matrix.shape):
            if matrix[i, j]:
                color = "white" if share[i, j] > 0.55 else INK
                cell = axes.text(j, i, matrix[i, j], ha="center", va="center", fontsize=8, color=color)
                cell.set_in_layout(False)
        axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
        axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="predicted", ylabel="true")
    axes.spines[:].set_visible(False)
    return _uri(figure, themed=True)


def reliability_diagrams(panels: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]) -> dict[str, str]:
    """Accuracy over mean confidence in equal-mass bins; the diagonal is perfect calibration: title -> figure.

    Args:
        panels: title -> name of a line -> its bins (`edgekit.evidence.metrics.reliability_bins`).
    """
    every = [r for lines in panels.values() for rows in lines.values() for r in rows]
    low = min(min(r["confidence"], r["accuracy"]) for r in every) - 0.03
    figures = {}
    for title, lines in panels.items():
        figure, subplots = _figure(_PANEL, 3.9)
        axes = subplots()
        axes.plot([0, 1], [0, 1], color=GRAY, linestyle=":", label="perfect")
        for (name, rows), color in zip(lines.items(), COLORS, strict=False):
            confidence, accuracy = ([r[key] for r in rows] for key in ("confidence", "accuracy"))
            axes.plot(confidence, accuracy, "o-", markersize=4, color=color, label=name)
        axes.set(xlabel="mean confidence", ylabel="accuracy", xlim=(low, 1.02), ylim=(low, 1.02))
        axes.legend(frameon=False, fontsize=9)
        figures[title] = _uri(figure, themed=True)
    return figures


def risk_coverage(
    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]], points: Mapping[str, tuple[float, float]]
) -> str:
    """Share of errors among the accepted predictions over the share accepted.

    Args:
        curves: name -> ((M,) coverages, (M,) risks). points: name -> (coverage, risk) of its operating threshold.
    """
    figure, subplots = _figure(_PANEL, 3.9)
    axes = subplots()
    for (name, (coverage, risk)), color in zip(curves.items(), COLORS, strict=False):
        axes.plot(coverage, risk, color=color, label=name)
        if name in points:
            axes.plot(*points[name], "o", markersize=6, color=color)
    axes.set(xlabel="coverage (share accepted)", ylabel="risk (errors among them)", xlim=(0, 1.02))
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9)
    return _uri(figure, themed=True)
