"""Size, latency and accuracy of a run's files together: which ones no other file beats in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.evidence.proportion import wilson
from edgekit.report import plots

_MARKERS = "osD^vPX*<>ph"


def points(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One point per file.

    Args:
        rows: see `edgekit.report.html.artifact_rows`.

    Returns:
        name, size_bytes, accuracy, lower and upper (its 95 % Wilson interval), front (no file is smaller and as accurate, or as
        small and more accurate), and latencies: target -> (p50_ms, threads) with the fewest threads measured, where it is not
        emulated.
    """
    result = []
    for row in rows:
        shown = fewest_threads([m for m in row["latencies"] if not m["emulated"]])
        lower, upper = wilson(row["test"]["accuracy"], row["test"]["n"])
        result.append(
            {"name": row["name"], "size_bytes": row["size_bytes"], "accuracy": row["test"]["accuracy"]}
            | {"lower": lower, "upper": upper}
            | {"latencies": {m["target"]: (m["p50_ms"], m["threads"]) for m in shown}}
        )
    best = front([(row["size_bytes"], row["accuracy"]) for row in result])
    return [row | {"front": place in best} for place, row in enumerate(result)]


def fewest_threads(latencies: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """For each target the measurement with the fewest threads, targets in the order of measurement."""
    return [
        min((m for m in latencies if m["target"] == target), key=lambda m: m["threads"])
        for target in dict.fromkeys(m["target"] for m in latencies)
    ]


def front(values: Sequence[tuple[float, float]]) -> set[int]:
    """The indices of (cost, accuracy) pairs that are not dominated: none costs no more, is as accurate, and better in one."""
    return {
        i
        for i, (cost, good) in enumerate(values)
        if not any(c <= cost and g >= good and (c, g) != (cost, good) for c, g in values)
    }


def plot(points: Sequence[Mapping[str, Any]], measured_on: str = "test") -> dict[str, str]:
    """Accuracy over size, and over latency where something was measured: title -> figure; filled markers are on the front."""
    targets = list(dict.fromkeys(target for row in points for target in row["latencies"]))
    markers = {row["name"]: _MARKERS[i % len(_MARKERS)] for i, row in enumerate(points)}
    sizes = [(row["name"], row["size_bytes"] / 1024, row) for row in points]
    label = f"{measured_on} accuracy, %"
    figures = {"size": _figure([(plots.BLUE, sizes)], markers, ("file size, KB", label), {})}
    if targets:
        colors = dict(zip(targets, [*plots.LINES] * (1 + len(targets) // len(plots.LINES)), strict=False))
        latencies = [
            (colors[t], [(row["name"], row["latencies"][t][0], row) for row in points if t in row["latencies"]])
            for t in targets
        ]
        figures["latency"] = _figure(latencies, markers, ("median latency, ms", label), colors)
    return figures


def _figure(
    sets: Sequence[tuple[str, Sequence[tuple[str, float, Mapping[str, Any]]]]],
    markers: Mapping[str, str],
    labels: tuple[str, str],
    colors: Mapping[str, str],
) -> str:
    """sets: color, and (file, cost, point) of each file. colors: of targets, for the legend."""
    figure, subplots = plots._figure(4.6, 4.1)
    axes = subplots()
    axes.locator_params(axis="x", nbins=6)
    for color, marks in sets:
        _draw(axes, marks, markers, color)
    costs = [cost for _, marks in sets for _, cost, _ in marks]
    if max(costs) > 20 * min(costs) > 0:
        axes.set_xscale("log")
    else:
        axes.set_xlim(0, 1.12 * max(costs))
    for name, marker in markers.items():
        axes.plot([], [], marker, color=plots.INK, label=name, markersize=6, markerfacecolor="none")
    for target, color in colors.items():
        axes.plot([], [], "-", color=color, linewidth=4, label=target)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return plots._uri(figure, themed=True)


def _draw(
    axes: Any, marks: Sequence[tuple[str, float, Mapping[str, Any]]], markers: Mapping[str, str], color: str
) -> None:
    best = front([(cost, row["accuracy"]) for _, cost, row in marks])
    for place, (name, cost, row) in enumerate(marks):
        low, middle, high = (100 * row[key] for key in ("lower", "accuracy", "upper"))
        axes.plot([cost, cost], [low, high], color=plots.GRAY, linewidth=1, zorder=1)
        face = color if place in best else "none"
        axes.plot([cost], [middle], markers[name], color=color, markersize=8, markerfacecolor=face, zorder=3)
    line = sorted((marks[place][1], 100 * marks[place][2]["accuracy"]) for place in best)
    axes.plot(*zip(*line, strict=True), ":", color=color, linewidth=1.2, zorder=2)
