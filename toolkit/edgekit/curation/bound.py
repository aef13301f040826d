"""The default limit on edits of each class: as many as the networks' predictions for that class support.

On few samples a network's errors look like wrong labels, above all in a rare class: without a limit, one class lost 14 of its 22
drawings, another none of 359. So a class may lose the set's estimated share of wrong labels, unless its own binomial interval
excludes that share, and never more than 10 % unless the whole set's noise is certainly above that; a class that the networks have
not learned loses nothing. How this was chosen and what it costs: docs/decisions/0011-class-bounds.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit import registry
from edgekit.curation import gate
from edgekit.curation.noise import estimated_noise, surest
from edgekit.data.sizes import LARGE_TRAIN
from edgekit.recipe import CurationSection
from edgekit.types import Signals

MOST = 0.1  # share of a class, unless the noise of the whole set is certainly above that
LARGE_CLASS = 500  # in a training part of LARGE_TRAIN; from there on a method's own count applies
_SUREST = 0.2  # share of each predicted class: there, a disagreement is the label's fault
# One-sided levels. A class's own evidence for more edits must be strong, since this picks the most extreme of many classes.
_SET_LEVEL, _MORE_LEVEL, _LESS_LEVEL = 0.05, 0.001, 0.05
_MOST_NAMED = 5


def applies(labels: NDArray[np.int64], section: CurationSection) -> bool:
    """Whether some class of these labels has a bound that rests on the networks' predictions, not on a number the user set."""
    set_by_user = section.budget is not None or section.max_edit is not None or section.balance
    set_by_user = set_by_user or section.max_class_edit is not None
    if set_by_user or section.method == "none" or registry.CURATIONS[section.method].subset:
        return False
    sizes = np.bincount(labels)
    return bool((~_large(sizes) & (sizes > 0)).any())


def _large(sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(K,) the classes that have no bound."""
    large: NDArray[np.bool_] = (sizes.sum() >= LARGE_TRAIN) & (sizes >= LARGE_CLASS)
    return large


def limits(signals: Signals, section: CurationSection) -> NDArray[np.int64]:
    """(K,) the maximum number of edits of each class; the class's size if it has no bound.

    A number that the user set (budget, max_edit, balance) is not bounded, nor are subset methods: the copy that `duplicates`
    keeps carries the same information as the others. `max_class_edit` is always a bound, whatever else is set.
    """
    sizes = np.bincount(signals.labels, minlength=signals.classes)
    if section.max_class_edit is not None:
        return _whole(section.max_class_edit * sizes)
    return np.where(_large(sizes), sizes, _supported(signals, sizes)) if applies(signals.labels, section) else sizes


def _supported(signals: Signals, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """(K,) edits of each class that the probabilities support (out-of-fold ones if available); 10 % without any."""
    p, labels = gate.judging(signals), signals.labels
    if p is None:
        return _whole(MOST * sizes)
    if gate.weakness(signals):
        return np.zeros_like(sizes)
    estimate, sure = estimated_noise(p, labels), surest(p, _SUREST)
    certain = float(_interval(estimate * len(sure), len(sure), _SET_LEVEL, _SET_LEVEL)[0])
    # Unless the set's noise is clearly above the level of clean sets, only its lower bound counts.
    common = estimate if certain > gate.CLEAN else min(estimate, certain)
    contradicted = sure[p[sure].argmax(axis=1) != labels[sure]]
    wrong = np.bincount(labels[contradicted], minlength=len(sizes))
    # A class with few samples to be sure of counts as if it had its fair share of them: three of four does not mean 75 %.
    seen = np.maximum(np.bincount(labels[sure], minlength=len(sizes)), np.ceil(_SUREST * sizes))
    low, high = _interval(wrong, seen, _MORE_LEVEL, _LESS_LEVEL)
    agreed = gate.class_agreement(p, labels, len(sizes))
    share = np.minimum(np.clip(common, low, high), 1 - agreed)
    share[agreed < gate.WEAK * (1 - certain)] = 0  # half of the labels that the set's noise leaves correct
    most: NDArray[np.int64] = np.minimum(np.round(share * sizes).astype(np.int64), _whole(max(MOST, certain) * sizes))
    return most


def _interval(
    count: NDArray[Any] | float, of: NDArray[Any] | int, below: float, above: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Clopper and Pearson's bounds of a share, `count` of `of`, at one-sided levels; 0 and 1 without observations."""
    from scipy.special import betaincinv

    count, of = np.asarray(count, np.float64), np.asarray(of, np.float64)
    rest = np.maximum(of - count, 0)
    low = np.where(count > 0, betaincinv(np.maximum(count, 1e-9), rest + 1, below), 0.0)
    high = np.where(rest > 0, betaincinv(count + 1, np.maximum(rest, 1e-9), 1 - above), 1.0)
    return low, high


def _whole(counts: NDArray[Any]) -> NDArray[np.int64]:
    return np.floor(counts + 1e-9).astype(np.int64)


def bounded(
    chosen: NDArray[np.int64], labels: NDArray[np.int64], most: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Mapping[int, tuple[int, int]]]:
    """Of the `chosen` samples, lowest score first, the first `most[k]` of each class k; and class -> (wanted, taken) if fewer."""
    given = labels[chosen]
    order = np.argsort(given, kind="stable")
    rank = np.empty(len(chosen), np.int64)
    rank[order] = np.arange(len(chosen)) - np.searchsorted(given[order], given[order])
    wanted = np.bincount(given, minlength=len(most))
    limited = {int(k): (int(wanted[k]), int(most[k])) for k in np.flatnonzero(wanted > most)}
    return chosen[rank < most[given]], limited


def limit_warnings(
    limited: Mapping[int, tuple[int, int]], names: Sequence[str], sizes: NDArray[np.int64], method: str
) -> list[str]:
    """One warning that names the classes whose edits were limited, the largest share first."""
    if not limited:
        return []
    ordered = sorted(limited, key=lambda k: (limited[k][1] - limited[k][0]) / sizes[k])
    each = [
        f"{limited[k][0]} of the {sizes[k]} samples of class {names[k]} ({limited[k][1]} edited)"
        for k in ordered[:_MOST_NAMED]
    ]
    more = f"; {len(ordered) - _MOST_NAMED} more classes are limited as well" if len(ordered) > _MOST_NAMED else ""
    return [
        f"{method!r} wanted to edit {'; '.join(each)}{more}: the networks' predictions for these classes support no more edits; "
        "to allow more, set --budget or --set curation.max_class_edit=SHARE"
    ]


def losses(dropped: NDArray[np.int64], names: Sequence[str], sizes: NDArray[np.int64], method: str) -> list[str]:
    """One warning that names the class that loses the largest share, if that is more than 10 %; (K,) dropped of each."""
    share = dropped / np.maximum(sizes, 1)
    worst = int(share.argmax())
    return [f"{method!r} drops {dropped[worst]} of the {sizes[worst]} samples of class {names[worst]}"] * bool(
        share[worst] > MOST
    )
