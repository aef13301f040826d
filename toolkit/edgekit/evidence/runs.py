"""The runs behind a verdict: which arms, on which test samples, and which RNG seeds count."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError, IntegrityError, UnknownName, UsageError
from edgekit.evidence.weighted import METRICS

Run = tuple[NDArray[Any] | None, NDArray[np.int64], NDArray[Any]]
"""(ids (N,) or None, labels (N,), probabilities (N, K) or right (N,) bool) of one run on test."""
Arms = Mapping[str, Mapping[int, Run | None]]
"""Arm -> RNG seed -> its run; None for a run that failed."""


def arms_of(arms: Arms, comparisons: Sequence[tuple[str, str]], metrics: Sequence[str]) -> list[str]:
    """The arms that are compared, each once."""
    if not comparisons or not metrics:
        raise UsageError("Nothing to judge: pass at least one (arm, control) and one metric.")
    for metric in metrics:
        if metric not in METRICS:
            raise UnknownName("metric", metric, METRICS)
    wanted = list(dict.fromkeys(name for pair in comparisons for name in pair))
    for name in wanted:
        if name not in arms:
            raise UnknownName("arm", name, arms)
    same = next((a for a, b in comparisons if a == b), None)
    if same is not None:
        raise UsageError(f"Arm {same!r} cannot be compared with itself.")
    return wanted


def same_samples(arms: Arms, wanted: Sequence[str]) -> int:
    """The number of test samples, which must be the same ones in every run."""
    first: tuple[str, Run] | None = None
    for name in wanted:
        for seed, run in arms[name].items():
            if run is None:
                continue
            where = f"{name} (seed {seed})"
            ids, labels, predicted = run
            if len(predicted) != len(labels) or (ids is not None and len(ids) != len(labels)):
                raise DataError(f"{where} has {len(labels)} labels, but {len(predicted)} predictions or other ids.")
            if first is None:
                first = where, run
            elif not (_equal(first[1][0], ids) and _equal(first[1][1], labels)):
                raise IntegrityError(
                    f"{first[0]} and {where} were tested on different samples ({len(first[1][1])} and {len(labels)} ids and "
                    "labels, in order): they cannot be paired. Test both on the same split."
                )
    if first is None:
        raise DataError("None of the runs to judge finished.")
    return len(first[1][1])


def _equal(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b)


def unfit(run: Run | None) -> str | None:
    """Why a run cannot be used, or None."""
    if run is None:
        return "failed"
    if not np.isfinite(run[2]).all():
        return "has probabilities that are not finite numbers"
    return None


def paired_seeds(
    arms: Arms, arm: str, control: str, reasons: Mapping[tuple[str, int], str | None]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """(seeds that count, why the others do not)."""
    seeds: list[int] = []
    excluded: list[str] = []
    seen: dict[bytes, int] = {}
    for seed in sorted({*arms[arm], *arms[control]}):
        missing = [(name, reasons.get((name, seed), "has no run")) for name in (arm, control)]
        if any(reason for _, reason in missing):
            excluded.append(f"seed {seed}: " + " and ".join(f"{name} {reason}" for name, reason in missing if reason))
            continue
        digest = hashlib.sha256()
        for name in (arm, control):
            run = arms[name][seed]
            assert run is not None
            digest.update(run[2].tobytes())
        before = seen.setdefault(digest.digest(), seed)
        if before == seed:
            seeds.append(seed)
        else:
            excluded.append(f"seed {seed}: same predictions as seed {before} in both arms")
    return tuple(seeds), tuple(excluded)
