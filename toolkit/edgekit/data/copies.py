"""Copies of a picture as a user meets them: groups inside one part, and leaks from one part into another.

Samples with equal pixels share a `kind`; near pairs are pairs of kinds. Blank pictures are neither: they are a finding of
their own, and all look alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekit.data import duplicates
from edgekit.data.findings import Group, Leak, Sample
from edgekit.data.sketches import Sketches

# A part, and those whose pictures it must not hold: what fits or tunes anything before it is measured on.
_SEEN_BEFORE = {"val": ("train",), "cal": ("train",), "test": ("train", "val", "cal")}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Copies:
    """kinds: (N,) int64, equal = equal pixels, -1 = blank. pairs: (kind, kind) -> similarity.

    near: the threshold used, None = near pairs were not looked for. complete: as in `duplicates.NearPairs`.
    """

    kinds: NDArray[np.int64]
    pairs: Mapping[tuple[int, int], float]
    near: float | None
    complete: bool


def find(sketches: Sketches, near: float | None) -> Copies:
    """The copies among N pictures; near as in `check`."""
    _, first, inverse = np.unique(sketches.digests, return_index=True, return_inverse=True)
    kinds = np.where(sketches.blank, -1, inverse).astype(np.int64)
    if near == 1:
        return Copies(kinds=kinds, pairs={}, near=None, complete=True)
    rows = first[~sketches.blank[first]]
    found = duplicates.near_pairs(sketches.gray[rows], sketches.color[rows], near)
    ends = zip(kinds[rows[found.first]].tolist(), kinds[rows[found.second]].tolist(), strict=True)
    pairs = dict(zip(ends, found.similarity.tolist(), strict=True))
    return Copies(kinds=kinds, pairs=pairs, near=found.near, complete=found.complete)


def groups(copies: Copies, samples: Sequence[Sample]) -> list[Group]:
    """Groups inside each part: exact ones, then near ones (linked pairs, with the exact copies of their members)."""
    found = []
    for members in _by_part(copies, samples).values():
        found += [
            Group(samples=tuple(samples[i] for i in rows), exact=True, similarity=1.0)
            for rows in members.values()
            if len(rows) > 1
        ]
        links = {ends: value for ends, value in copies.pairs.items() if ends[0] in members and ends[1] in members}
        for kinds, weakest in _components(links):
            rows = sorted(i for kind in kinds for i in members[kind])
            found.append(Group(samples=tuple(samples[i] for i in rows), exact=False, similarity=weakest))
    return sorted(found, key=lambda group: (-group.exact, -group.similarity))


def leaks(copies: Copies, samples: Sequence[Sample]) -> list[Leak]:
    """Each sample of val, cal and test with its closest copy in a part that was seen before."""
    parts = _by_part(copies, samples)
    neighbors: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for (a, b), similarity in copies.pairs.items():
        neighbors[a].append((similarity, b))
        neighbors[b].append((similarity, a))
    found = []
    for part, seen in _SEEN_BEFORE.items():
        for kind, rows in parts.get(part, {}).items():
            # (exact, similarity) decides; of equals the first is taken, train before val before cal.
            partners = [
                (other == kind, similarity, parts[source][other][0])
                for source in seen
                for similarity, other in [(1.0, kind), *neighbors.get(kind, [])]
                if other in parts.get(source, {})
            ]
            if partners:
                exact, similarity, partner = max(partners, key=lambda row: row[:2])
                found += [
                    Leak(sample=samples[i], partner=samples[partner], exact=exact, similarity=similarity) for i in rows
                ]
    return sorted(found, key=lambda leak: (-leak.exact, -leak.similarity))


def _by_part(copies: Copies, samples: Sequence[Sample]) -> dict[str, dict[int, list[int]]]:
    """part -> kind -> indices, without blank pictures."""
    parts: dict[str, dict[int, list[int]]] = {}
    for i, (sample, kind) in enumerate(zip(samples, copies.kinds.tolist(), strict=True)):
        if kind >= 0:
            parts.setdefault(sample.part, {}).setdefault(kind, []).append(i)
    return parts


def _components(links: Mapping[tuple[int, int], float]) -> list[tuple[list[int], float]]:
    """Connected components of kinds, each with its weakest link."""
    root: dict[int, int] = {}

    def find_root(kind: int) -> int:
        while root.setdefault(kind, kind) != kind:
            root[kind] = kind = root[root[kind]]
        return kind

    for a, b in links:
        root[find_root(a)] = find_root(b)
    kinds: dict[int, list[int]] = defaultdict(list)
    for kind in root:
        kinds[find_root(kind)].append(kind)
    weakest: dict[int, float] = defaultdict(lambda: 1.0)
    for (a, _), similarity in links.items():
        top = find_root(a)
        weakest[top] = min(weakest[top], similarity)
    return [(members, weakest[top]) for top, members in kinds.items()]
