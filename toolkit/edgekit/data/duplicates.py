"""Which images are near copies of each other: a JPEG re-encoding, a brighter copy, the same product printed twice.

g is the gray sketch of an image with zero mean and unit norm, so that brightness and contrast do not matter. P are the first
principal components of the set (64, fewer in small sets); g' = g - P'Pg is what is particular to one image. g and h are
near copies when

    cos(g', h') >= near                   the particular details agree (that trousers look like trousers is in P)
    cos(g, h)   >= 1 - (1 - near) / 2     the images agree
    the same of 8 x 8 color sketches      the colors agree

The search is exhaustive: [Pg, |g'|] . [Ph, |h'|] >= cos(g, h) (Cauchy-Schwarz), so blocks of that product, 65 wide, give
every candidate, and N x N is never held in memory. Time grows with N squared. Not detected: mirrored, rotated, shifted or
cropped copies.

How similar different images are depends on the set, so `near` is derived from the set unless it is given: 1 - 0.14 (1 - q),
q = the 90 % quantile over 500 images of cos(g', h') to the fifth nearest one, which is not a copy as long as an image has at
most five copies. Plain, centered shapes of one class can be that similar without being copies: look at the pairs before
removing any.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DEFAULT, _LOWEST, _HIGHEST = 0.94, 0.8, 0.97
_QUERIES, _NEIGHBOR, _QUANTILE, _SHARE = 500, 5, 0.9, 0.14
_COMPONENTS, _FITTED, _PER_COMPONENT = 64, 5000, 50
_ROWS, _COLUMNS = 1024, 4096
_CROWDED, _FOLLOWED = (
    64,
    8,
)  # candidates per image in one block: above the first on average, only the best of each are followed


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NearPairs:
    """first, second: (M,) indices, first < second. similarity: (M,) float32, cos(g', h').

    near: the threshold on it.
    complete: every pair was followed; False where so many images are alike that only the best partners of each were.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    similarity: NDArray[np.float32]
    near: float
    complete: bool


def near_pairs(gray: NDArray[np.uint8], color: NDArray[np.uint8], near: float | None = None) -> NearPairs:
    """All pairs of near copies.

    Args:
        gray, color: from `Sketches`, without blank images and preferably without exact copies.
        near: smallest cos(g', h'), in (0, 1]; None = derived from the set.
    """
    basis = _principal_components(gray)
    near = _threshold(gray, basis) if near is None else near
    alike = 1 - (1 - near) / 2
    means, norms = _moments(gray)
    coordinates = np.concatenate([_unit(gray[rows]) @ basis for rows in _rows(len(gray))] or [np.zeros((0, 0))])
    rest = np.sqrt(np.maximum(0, 1 - np.square(coordinates).sum(axis=1))).astype(np.float32)
    pairs, complete = [], True
    for first, second, whole in _candidates(np.column_stack([coordinates, rest]), alike):
        complete &= whole
        for part in _rows(len(first)):
            i, j = first[part], second[part]
            cosine = _cosine(gray, i, j, means, norms)
            shared = np.einsum("ij,ij->i", coordinates[i], coordinates[j])
            particular = rest[i] * rest[j]
            # An image that P explains completely has no details of its own: the images themselves decide.
            detail = np.where(particular > 1e-5, (cosine - shared) / np.maximum(particular, 1e-5), cosine)
            good = (cosine >= alike) & (detail >= near)
            if color.shape[1]:
                good[good] = np.einsum("ij,ij->i", _unit(color[i[good]]), _unit(color[j[good]])) >= alike
            pairs.append((i[good], j[good], np.minimum(detail[good], 1)))
    empty = np.zeros(0, np.int64)
    columns = [np.concatenate(column) for column in zip(*pairs, strict=True)] if pairs else [empty, empty, empty]
    order = np.lexsort((columns[1], columns[0]))
    return NearPairs(
        first=columns[0][order].astype(np.int64),
        second=columns[1][order].astype(np.int64),
        similarity=columns[2][order].astype(np.float32),
        near=near,
        complete=complete,
    )


def _threshold(gray: NDArray[np.uint8], basis: NDArray[np.float32]) -> float:
    if basis.shape[1] == 0:
        return _DEFAULT
    queries = np.random.default_rng(0).permutation(len(gray))[:_QUERIES]
    details = _details(gray[queries], basis)
    nearest = np.full((len(queries), _NEIGHBOR), -1, np.float32)
    for rows in _rows(len(gray)):
        cosine = details @ _details(gray[rows], basis).T
        cosine[queries[:, None] == np.arange(len(gray))[rows]] = -1
        both = np.concatenate([nearest, cosine], axis=1)
        nearest = np.partition(both, both.shape[1] - _NEIGHBOR, axis=1)[:, -_NEIGHBOR:]
    quantile = float(np.quantile(nearest.min(axis=1), _QUANTILE))
    return float(np.clip(1 - _SHARE * (1 - quantile), _LOWEST, _HIGHEST))


def _details(gray: NDArray[np.uint8], basis: NDArray[np.float32]) -> NDArray[np.float32]:
    particular = _unit(gray)
    particular -= (particular @ basis) @ basis.T
    particular /= np.maximum(np.linalg.norm(particular, axis=1, keepdims=True), 1e-6)
    return particular


def _rows(count: int) -> list[slice]:
    return [slice(start, start + _COLUMNS) for start in range(0, count, _COLUMNS)]


def _unit(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    values = pixels.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)
    return values


def _moments(gray: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of each image, and its norm about that mean; exact, since the sums are of integers."""
    means, norms = np.zeros(len(gray)), np.zeros(len(gray))
    for rows in _rows(len(gray)):
        values = gray[rows].astype(np.int64)
        means[rows] = values.mean(axis=1)
        norms[rows] = np.sqrt(np.square(values).sum(axis=1) - values.shape[1] * np.square(means[rows]))
    return means, np.maximum(norms, 1e-6)


def _cosine(
    gray: NDArray[np.uint8],
    i: NDArray[np.int64],
    j: NDArray[np.int64],
    means: NDArray[np.float64],
    norms: NDArray[np.float64],
) -> NDArray[np.float64]:
    # In integers: on a bright, flat image little is left of the product after the means are subtracted.
    product = np.einsum("ij,ij->i", gray[i].astype(np.int32), gray[j].astype(np.int32))
    cosine: NDArray[np.float64] = (product - gray.shape[1] * means[i] * means[j]) / (norms[i] * norms[j])
    return cosine


def _principal_components(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h * w, D) orthonormal, from a fixed sample; D = 0 for fewer than 50 images."""
    sample = _unit(np.random.default_rng(0).permutation(gray)[:_FITTED] if len(gray) > _FITTED else gray)
    _, vectors = np.linalg.eigh(sample.T @ sample)
    wanted = min(_COMPONENTS, len(gray) // _PER_COMPONENT, gray.shape[1] // 2)
    return np.ascontiguousarray(vectors[:, vectors.shape[1] - wanted :], dtype=np.float32)


def _candidates(
    bounds: NDArray[np.float32], alike: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], bool]]:
    """Pairs (first < second) whose product of `bounds` reaches `alike`, block by block; False when a block was too full."""
    for top in range(0, len(bounds), _ROWS):
        for left in range(top, len(bounds), _COLUMNS):
            product = bounds[top : top + _ROWS] @ bounds[left : left + _COLUMNS].T
            if left == top:
                product[np.tril_indices(len(product), m=product.shape[1])] = -1
            hits = np.flatnonzero(product.ravel() >= alike - 1e-4)
            complete = len(hits) <= _CROWDED * len(product)
            if not complete:
                best = np.argpartition(-product, min(_FOLLOWED, product.shape[1] - 1), axis=1)[:, :_FOLLOWED]
                rows, columns = np.repeat(np.arange(len(best)), best.shape[1]), best.ravel()
                kept = product[rows, columns] >= alike - 1e-4
                rows, columns = rows[kept], columns[kept]
            else:
                rows, columns = np.divmod(hits, product.shape[1])
            yield rows + top, columns + left, complete
