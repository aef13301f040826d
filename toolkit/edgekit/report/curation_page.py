"""The curation gallery: what was edited and why, sample by sample, sortable and filterable, in one self-contained page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.report import page, thumbnails

_PICTURES_BYTES = 3_500_000
_DIGITS = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """The n samples that the page shows, and what the curation did to each.

    images: (n, H, W, C) uint8; larger ones than 64 pixels are shown smaller. given, suggested: (n,) labels; -1 = none suggested.
    columns: name -> (n,) scores, higher = more worth keeping; NaN is shown as a dash and sorted last.
    actions, reasons: n texts; actions are drop, relabel, weight or keep.
    """

    images: NDArray[np.uint8]
    ids: Sequence[str]
    given: NDArray[np.int64]
    suggested: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float32]]
    actions: Sequence[str]
    reasons: Sequence[str]

    def rows(self) -> list[list[Any]]:
        """The rows of the page's table. Raises ValueError if there are not as many samples as images."""
        texts = zip(
            self.ids,
            self.given,
            self.suggested,
            self.actions,
            self.reasons,
            *self.columns.values(),
            strict=True,
        )
        rows = [
            [str(name), int(label), int(other), str(action), str(reason), *(_number(value) for value in values)]
            for name, label, other, action, reason, *values in texts
        ]
        if len(rows) != len(self.images):
            raise ValueError(f"{len(self.images)} images for {len(rows)} samples")
        return rows


def render(
    samples: Samples,
    *,
    title: str,
    classes: Sequence[str],
    facts: Mapping[str, Any],
    warnings: Sequence[str],
    per_class: Sequence[tuple[int, int]],
) -> str:
    """The page of n samples.

    Args:
        title: heading of the page, plain text like all other texts here.
        facts: name -> value, the numbers behind the selection.
        per_class: (before, kept) of each class.

    Returns:
        The HTML text; about 2 MB for 2,000 samples of 28 x 28, below 5 MB for any images.
    """
    sheets = thumbnails.sheets(samples.images, _PICTURES_BYTES)
    rows, columns = samples.rows(), list(samples.columns)
    data = {
        "classes": list(classes),
        "scores": columns,
        "rows": rows,
        "sheet": {key: getattr(sheets, key) for key in ("columns", "rows", "width", "height")},
    }
    counts = {action: sum(row[3] == action for row in rows) for action in sorted({str(row[3]) for row in rows})}
    return page.fill(
        "curation.html.j2",
        scripts=("curation.js",),
        title=title,
        data=page.script_data(data),
        uris=sheets.uris,
        classes=classes,
        scores=columns,
        counts=counts,
        facts={name.replace("_", " "): _text(value) for name, value in facts.items()},
        warnings=warnings,
        bars=list(zip(classes, per_class, strict=True)),
        largest=max((before for before, _ in per_class), default=1),
        pixelated=max(sheets.width, sheets.height) <= 32,
    )


def _number(value: Any) -> float | None:
    number = float(value)
    return float(f"{number:.{_DIGITS}g}") if math.isfinite(number) else None


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "not known"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
