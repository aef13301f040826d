"""The figures of a study as self-contained SVG images (data URIs), for a light and a dark page."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.report import plots

_COLORS = {"better": plots.BLUE, "worse": plots.ORANGE}
_WIDTH = 4.6  # inches: two side by side on a wide page, and still readable on a phone
_NAME = 44  # characters of a comparison's name in a line
_LINE, _INTERVAL = 0.165, 0.4  # inches: a line of the name, and the interval under it
_CONTROLS: Mapping[str, Any] = {"random": ":", "matched": "--", "full-of": "-.", "flops": (0, (6, 2, 1, 2, 1, 2))}
_MARKERS = ("", "o", "s", "^")


def forest(
    rows: Sequence[Mapping[str, Any]],
    percent: bool,
    *,
    limits: tuple[float, float] | None = None,
    themed: bool = False,
) -> str:
    """Effect and 95 % interval of each comparison under its name, small dots for its RNG seeds.

    The arm has the higher value to the right of 0.

    Args:
        rows: verdicts of one metric. percent: in percentage points. limits: range of the axis, default: `spanned` of rows.
        themed: for a page whose figures have no background, see `plots._uri`.
    """
    names = [textwrap.wrap(f"{row['arm']} − {row['control']}", _NAME) for row in rows]
    heights = [_LINE * len(name) + _INTERVAL for name in names]
    figure, subplots = plots._figure(_WIDTH, 0.7 + sum(heights))
    axes = subplots()
    scale = 100 if percent else 1
    top = 0.0
    for row, name, height in zip(rows, names, heights, strict=True):
        color = _COLORS.get(row["verdict"], plots.INK)
        text_style = {"va": "top", "fontsize": 9, "transform": axes.get_yaxis_transform()}
        axes.text(0, top, "\n".join(name), linespacing=1.1, **text_style)
        value = f"{100 * row['effect']:+.2f}" if percent else f"{row['effect']:+#.2g}"
        axes.text(1, top, value, ha="right", color=color, fontweight="bold", **text_style)
        position = top + height - 0.22
        # Not through the names.
        axes.plot([0, 0], [position - 0.12, position + 0.16], color=plots.GRAY, linewidth=1)
        seeds = [scale * effect for effect in row["effects"]]
        # Below the interval, which would hide them.
        axes.plot(seeds, [position + 0.1] * len(seeds), "o", color=plots.GRAY, markersize=3)
        if row["lower"] is not None:
            axes.plot([scale * row["lower"], scale * row["upper"]], [position] * 2, color=color, linewidth=2)
        axes.plot([scale * row["effect"]], [position], "D", color=color, markersize=5)
        top += height
    axes.set(xlim=[scale * limit for limit in limits or spanned(rows)], ylim=(top, -0.05), yticks=[])
    axes.locator_params(axis="x", nbins=5)
    axes.spines["left"].set_visible(False)
    direction = "higher is better" if rows[0]["higher_is_better"] else "lower is better"
    unit = ", percentage points" if percent else ""
    axes.set_xlabel(f"effect on {rows[0]['metric']}{unit} ({direction})")
    return plots._uri(figure, themed=themed)


def spanned(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """The range of an axis that shows 0 and the seeds, effects and intervals of all `rows`, with a margin."""
    ends = [row[key] for row in rows for key in ("lower", "upper", "effect") if row[key] is not None]
    values = [0.0, *ends, *(effect for row in rows for effect in row["effects"])]
    margin = 0.04 * (max(values) - min(values)) or 1e-3
    return min(values) - margin, max(values) + margin


def line_styles(arms: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Arm -> its line style: all data in black, controls dashed, one color each.

    If there are more lines than colors, controls have the color of their arm.

    Args:
        arms: of study.json, each with `name`, `kind` and `of`.
    """
    colors = list(plots.LINES)
    colored = [arm["name"] for arm in arms if arm["kind"] != "full"]
    alone = len(colored) <= len(colors)
    leaders = [arm["name"] for arm in arms if (arm["name"] in colored if alone else arm["kind"] == "arm")]
    styles: dict[str, dict[str, Any]] = {}
    for arm in arms:
        style: dict[str, Any] = {"color": plots.INK, "linestyle": _CONTROLS.get(arm["kind"], "-")}
        leader = arm["name"] if alone or arm["kind"] == "arm" else arm["of"]
        if leader in leaders:
            place = leaders.index(leader)
            style["color"] = colors[place % len(colors)]
            # Colors repeat after the last one; the markers distinguish their lines.
            style["marker"] = _MARKERS[place // len(colors) % len(_MARKERS)]
        styles[arm["name"]] = style
    return styles


def risk_coverage(
    coverages: Sequence[float],
    curves: Mapping[str, Mapping[str, Any]],
    styles: Mapping[str, Mapping[str, Any]],
    highest: float,
) -> str:
    """Errors among the most confident predictions, in percent, over the share that is accepted; a band for their spread.

    Args:
        curves: arm -> `mean` and `sd` over RNG seeds (sd may be None), per coverage. styles: see `line_styles`.
        highest: risk at which the axis ends.
    """
    columns = 1 if max(map(len, curves)) > 24 else 2
    names = {name: "\n".join(textwrap.wrap(name, _NAME)) for name in curves}
    lines = sum(name.count("\n") + 1 for name in names.values())
    figure, subplots = plots._figure(_WIDTH, 3.6 + 0.2 * -(-lines // columns))
    axes = subplots()
    x = [100 * coverage for coverage in coverages]
    for name, curve in curves.items():
        mean = [100 * risk for risk in curve["mean"]]
        style = styles[name]
        if curve["sd"] is not None:
            low, high = ([y + sign * 100 * sd for y, sd in zip(mean, curve["sd"], strict=True)] for sign in (-1, 1))
            axes.fill_between(x, low, high, color=style["color"], alpha=0.13 if len(curves) < 8 else 0.05, linewidth=0)
        axes.plot(x, mean, label=names[name], linewidth=1.6, markevery=9, markersize=4, **style)
    axes.set(
        xlabel="coverage: predictions accepted, %",
        ylabel="risk: errors among them, %",
        xlim=(0, 101),
        ylim=(0, 100 * highest),
    )
    figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=9, handlelength=3.2)
    return plots._uri(figure, themed=True)


def reliability(bins: Mapping[str, Sequence[Mapping[str, float]] | None], low: float) -> str:
    """Accuracy over mean confidence of one arm and file, before and after temperature scaling; the diagonal is perfect.

    Args:
        bins: `before` and `after` (or None). low: where both axes start, so that figures are comparable.
    """
    figure, subplots = plots._figure(2.9, 2.7)
    axes = subplots()
    axes.plot([0, 1], [0, 1], color=plots.GRAY, linewidth=1)
    for key, color, line, label in (
        ("before", plots.BLUE, "o-", "without T"),
        ("after", plots.ORANGE, "s--", "with T"),
    ):
        if rows := bins[key]:
            x, y = ([row[name] for row in rows] for name in ("confidence", "accuracy"))
            axes.plot(x, y, line, markersize=3.5, linewidth=1.4, color=color, label=label)
    axes.set(xlabel="mean confidence", ylabel="accuracy", xlim=(low, 1.02), ylim=(low, 1.02))
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    return plots._uri(figure, themed=True)
