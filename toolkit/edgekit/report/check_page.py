"""The page of `edgekit data check --html`: the findings with pictures, in one self-contained file."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.data.findings import Findings, Group, Sample
from edgekit.report import page, thumbnails
from edgekit.types import Dataset

_LEAKS, _GROUPS, _IN_GROUP, _SINGLES, _FILES = 60, 40, 6, 24, 500
_BYTES = 3_500_000


def render(findings: Findings, dataset: Dataset) -> str:
    """The page of `findings` on `dataset`: at most some 600 thumbnails, and how many more there are."""
    groups = {kind: _first(rows, _GROUPS) for kind, rows in by_kind(findings.duplicates).items()}
    leaks = _first(findings.leaks, _LEAKS)
    singles = {"blank": _first(findings.blank, _SINGLES), "cut": _first(findings.cut, _SINGLES)}
    pictures = _pictures(
        dataset,
        [sample for shown, _ in groups.values() for group in shown for sample in group.samples[:_IN_GROUP]]
        + [sample for leak in leaks[0] for sample in (leak.sample, leak.partner)]
        + [sample for shown, _ in singles.values() for sample in shown],
    )
    return page.fill(
        "check.html.j2",
        f=findings,
        groups=groups,
        leaks=leaks,
        singles=singles,
        files=_first(findings.unreadable, _FILES),
        pictures=pictures,
        in_group=_IN_GROUP,
        sizes={part: sum(counts) for part, counts in findings.counts.items()},
        largest=max(map(max, findings.counts.values())),
    )


def by_kind(duplicates: Sequence[Group]) -> dict[str, list[Group]]:
    """conflicting: exact copies with different labels; exact: with one label; near: the rest."""
    kinds: dict[str, list[Group]] = {"conflicting": [], "exact": [], "near": []}
    for group in duplicates:
        kinds["near" if not group.exact else "conflicting" if group.conflicting else "exact"].append(group)
    return kinds


def _first(rows: Sequence[Any], count: int) -> tuple[Sequence[Any], int]:
    """The first rows, and how many remain."""
    return rows[:count], max(0, len(rows) - count)


def _pictures(dataset: Dataset, samples: Sequence[Sample]) -> dict[Sample, str]:
    """Sample -> data URI. Each image is read once, a few at a time."""
    wanted = sorted(set(samples), key=lambda sample: (sample.part, sample.row))
    images = []
    for part, own in itertools.groupby(wanted, key=lambda sample: sample.part):
        rows = np.array([sample.row for sample in own], np.int64)
        images += list(thumbnails.small(getattr(dataset, part).x, rows, sound=dataset.input.front_end is not None))
    return dict(zip(wanted, thumbnails.uris(np.array(images, np.uint8), _BYTES), strict=True))
