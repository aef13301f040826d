"""How large to make the parts that a source lacks, and how many samples of each class they get.

`sizes` is the one function that decides; docs/explain/parts.md explains why. Its result is written to the run's
recipe.yaml: a share where the shares for large sets apply, a count of samples everywhere else, since a share would round.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgekit.evidence.temperature import LEAST

Portion = float | int | Literal["auto"]
Bounds = tuple[NDArray[np.int64], NDArray[np.int64]]  # (K,) minimum and maximum of each class

TEST_SHARE, VAL_AND_CAL_SHARE = 0.2, 0.1
LARGE = 10_000
LARGE_TRAIN = 7_200  # training samples left of LARGE
_EACH = 3  # samples of every class
_MOST_FLOOR = 400  # the size of a part of LARGE samples by the shares, so that the sizes are one curve


def sizes(n: int, classes: int, *, test: bool) -> tuple[int, int]:
    """(samples of test, samples of val and cal together) to cut from `n`.

    From 10,000 on, and wherever they are enough, the shares apply: a fifth is test, and a tenth of the rest val and cal.
    Below, every part gets max(40, 3 of each class) samples, and all of them together at most 30 % of `n`. Where that is too
    little for all, test comes first: at least half of it, and one sample of each class. Sizes never fall as `n` grows.

        n       2 classes: test, val, cal    10 classes       60 classes
        60      9    5    4                  10   4    4      12   3    3
        200     30   15   15                 30   15   15     40   10   10
        300     40   25   25                 40   25   25     60   15   15
        500     70   40   40                 70   40   40     75   38   37
        1,000   200  40   40                 200  40   40     150  75   75
        2,400   480  96   96                 480  96   96     360  180  180
        5,000   1000 200  200                1000 200  200    1000 200  200
        10,000  2000 400  400                2000 400  400    2000 400  400

    Args:
        n: samples, or clips whose segments stay together. classes: those with 3 samples or more; from others none is held out.
        test: whether test is cut too. If the source has its own, val and cal together may take the 30 %.
    """
    most = 3 * n // 10
    floor = min(max(LEAST, _EACH * classes), _MOST_FLOOR)
    if not test:
        return 0, max(min(most, 2 * floor), -(-n // 10))
    fifth = -(-n // 5)
    own = min(max(min(floor, most // 2), min(classes, 2 * most // 3), most - 2 * floor), fifth, max(0, most - 2))
    return own, max(min(most - own, 2 * floor), -(-(n - fifth) // 10))


def by_share(n: int, rarest: int, classes: int, *, test: bool) -> bool:
    """Whether `sizes` equals the shares for large sets, with 3 of the rarest class in each part."""
    fifth = -(-n // 5) if test else 0
    tenth = -(-(n - fifth) // 10)
    return n >= LARGE or (sizes(n, classes, test=test) == (fifth, tenth) and rarest * tenth >= 2 * _EACH * n)


def bounds_of_test(counts: NDArray[np.int64]) -> Bounds:
    """(minimum, maximum) of each class in test: 3 from 18 on, else 1, at most a third; the rest goes to the other parts."""
    most = counts // 3
    return np.minimum(most, np.clip(counts // 6, 1, _EACH)), most


def bounds_of_val_and_cal(counts: NDArray[np.int64], parts: int) -> Bounds:
    """(minimum, maximum) of each class in `parts` of val and cal: 3 for each, at most two fifths of what test left."""
    most = 2 * counts // 5
    return np.minimum(most, _EACH * parts), most


def apportion(wanted: int, counts: NDArray[np.int64], bounds: Bounds, seed: int) -> NDArray[np.int64]:
    """(K,) how many samples of each class make up `wanted`, or as many as `bounds` allow.

    First every class gets its minimum, one class after the other, the larger ones first; the rest follows the shares of the
    classes (Sainte-Laguë). Classes of equal size take turns by `seed`.
    """
    order = np.random.default_rng(seed).permutation(len(counts))
    order = order[np.argsort(-counts[order], kind="stable")]
    size, (least, most) = np.maximum(counts[order], 1), (bound[order] for bound in bounds)
    given = np.zeros(len(counts), np.int64)
    for _ in range(min(wanted, int(most.sum()))):
        below = given < least
        rank = np.where(below, given, np.inf) if below.any() else np.where(given < most, (given + 0.5) / size, np.inf)
        given[int(rank.argmin())] += 1
    out = np.empty_like(given)
    out[order] = given
    return out
