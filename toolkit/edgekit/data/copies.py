"""Copies of an image as the user sees them: groups within one part, and leaks from one part into another.

Samples with equal pixels share a `kind`; near pairs are pairs of kinds. Blank images belong to neither: they are a separate
finding, and all look alike.
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

# A part, and the parts whose images it must not contain: those used to fit or tune anything before it is measured.
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
    """The copies among N images; near as in `check`."""
    _, first, inverse = np.unique(sketches.digests, return_index=True, return_inverse=True)
    kinds = np.where(sketches.blank, -1, inverse).astype(np.int64)
    if near == 1:
        return Copies(kinds=kinds, pairs={}, near=None, complete=True)
    rows = first[~sketches.blank[first]]
    near_pairs = duplicates.near_pairs(sketches.gray[rows], sketches.color[rows], near)
    ends = zip(kinds[rows[near_pairs.first]].tolist(), kinds[rows[near_pairs.second]].tolist(), strict=True)
    pairs = dict(zip(ends, near_pairs.similarity.tolist(), strict=True))
    return Copies(kinds=kinds, pairs=pairs, near=near_pairs.near, complete=near_pairs.complete)


def groups(copies: Copies, samples: Sequence[Sample]) -> list[Group]:
    """Groups within each part: exact ones, then near ones (linked pairs, with the exact copies of their members)."""
    result = []
    for members in _by_part(copies, samples).values():
        result += [
            Group(samples=tuple(samples[i] for i in rows), exact=True, similarity=1.0)
            for rows in members.values()
            if len(rows) > 1
        ]
        links = {ends: value for ends, value in copies.pairs.items() if ends[0] in members and ends[1] in members}
        for kinds, weakest in _components(links):
            rows = sorted(i for kind in kinds for i in members[kind])
            result.append(Group(samples=tuple(samples[i] for i in rows), exact=False, similarity=weakest))
    return sorted(result, key=lambda group: (-group.exact, -group.similarity))


def leaks(copies: Copies, samples: Sequence[Sample]) -> list[Leak]:
    """Each sample of val, cal and test with its closest copy in a part that was used before."""
    parts = _by_part(copies, samples)
    neighbors: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for (a, b), similarity in copies.pairs.items():
        neighbors[a].append((similarity, b))
        neighbors[b].append((similarity, a))
    result = []
    for part, seen in _SEEN_BEFORE.items():
        for kind, rows in parts.get(part, {}).items():
            # (exact, similarity) decides; among equals the first is taken, train before val before cal.
            partners = [
                (other == kind, similarity, parts[source][other][0])
                for source in seen
                for similarity, other in [(1.0, kind), *neighbors.get(kind, [])]
                if other in parts.get(source, {})
            ]
            if partners:
                exact, similarity, partner = max(partners, key=lambda row: row[:2])
                result += [
                    Leak(sample=samples[i], partner=samples[partner], exact=exact, similarity=similarity) for i in rows
                ]
    return sorted(result, key=lambda leak: (-leak.exact, -leak.similarity))


def _by_part(copies: Copies, samples: Sequence[Sample]) -> dict[str, dict[int, list[int]]]:
    """part -> kind -> indices, without blank images."""
    parts: dict[str, dict[int, list[int]]] = {}
    for i, (sample, kind) in enumerate(zip(samples, copies.kinds.tolist(), strict=True)):
        if kind >= 0:
            parts.setdefault(sample.part, {}).setdefault(kind, []).append(i)
    return parts


def _components(links: Mapping[tuple[int, int], float]) -> list[tuple[list[int], float]]:
    """Connected components of kinds, each with its weakest link."""
    if not links:
        return []
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = np.array(list(links), np.int64).reshape(-1, 2)
    kinds, place = np.unique(pairs, return_inverse=True)
    place = place.reshape(-1, 2)
    edges = coo_array((np.ones(len(pairs)), (place[:, 0], place[:, 1])), shape=(len(kinds), len(kinds)))
    count, group = connected_components(edges, directed=False)
    weakest = np.ones(count)
    np.minimum.at(weakest, group[place[:, 0]], np.fromiter(links.values(), np.float64, len(links)))
    return [(kinds[group == number].tolist(), float(weakest[number])) for number in range(count)]
