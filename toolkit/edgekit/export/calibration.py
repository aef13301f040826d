"""Choosing, checking and recording the samples from which the ranges of an int8 file are calibrated."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.audio import reading
from edgekit.data.decode import SUFFIXES
from edgekit.data.listing import files_in
from edgekit.data.pixels import to_float
from edgekit.data.pool import load_pool
from edgekit.errors import DataError
from edgekit.recipe import QuantizationSection
from edgekit.runs.files import sha256_file
from edgekit.types import Dataset, Split

# All samples together use less than this share of [0, 1]: they were scaled twice, or are empty.
_LEAST_RANGE = 1 / 16
_LEAST_DISTINCT = 0.1
_FEW = 16
_STREAM_POOL = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """samples: (M, H, W, C) float32 in [0, 1]. facts: their source, their number, the digest of their ids."""

    samples: NDArray[np.float32]
    facts: Mapping[str, Any]


def choose(section: QuantizationSection, dataset: Dataset, kept: Split, seed: int, *, factor: int = 1) -> Calibration:
    """`section.calibration_samples` (times `factor`) samples from `section.calibration` or the curated training set `kept`.

    Samples of the training set are balanced over its classes; unlabeled ones are drawn at random.

    Raises:
        DataError: the pool cannot be read, or the samples are unusable (see `lint`).
    """
    count = section.calibration_samples * factor
    reference = to_float(kept.x[calibration_index(kept.y, 256, seed)])
    if section.calibration:
        pool, _ = load_pool(section.calibration, shape=dataset.input.shape, front_end=dataset.input.front_end)
        index = np.sort(np.random.default_rng([seed, _STREAM_POOL]).permutation(len(pool))[:count])
        samples, ids, per_class = to_float(pool.x[index]), pool.ids[index], None
    else:
        index = calibration_index(kept.y, count, seed)
        samples, ids = to_float(kept.x[index]), kept.ids[index]
        per_class = np.bincount(kept.y[index], minlength=len(dataset.classes)).tolist()
    findings = lint(samples, reference if section.calibration else None)
    facts = {
        "source": section.calibration or "curated training set",
        "samples": len(samples),
        "ids_sha256": hashlib.sha256("\n".join(ids.tolist()).encode()).hexdigest(),
        "per_class": per_class,
        "warnings": findings,
    }
    return Calibration(samples=samples, facts=facts)


def calibration_index(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """`count` sample indices (or all, if fewer), as evenly over the classes as possible, ascending."""
    rng = np.random.default_rng([seed, 3])
    count = min(count, len(labels))
    pools = [rng.permutation(np.flatnonzero(labels == k)) for k in np.unique(labels)]
    rounds = [pool[depth] for depth in range(max(map(len, pools))) for pool in pools if depth < len(pool)]
    return np.sort(np.array(rounds[:count], np.int64))


def source_digest(spec: str) -> str:
    """A pool's identity in a stage cache: a file's digest; for a folder the names, sizes and times of its files. "" for none."""
    path = Path(spec).expanduser()
    if not spec or not path.exists():
        return ""
    if path.is_file() and path.suffix.lower() != ".csv":
        return sha256_file(path)
    root = path if path.is_dir() else path.parent
    facts = [(name, (root / name).stat()) for name in files_in(root, SUFFIXES + reading.SUFFIXES).files]
    entries = [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in facts]
    return hashlib.sha256("\n".join([sha256_file(path)] * path.is_file() + entries).encode()).hexdigest()


def lint(samples: NDArray[np.float32], reference: NDArray[np.float32] | None = None) -> list[str]:
    """Look for anything that makes calibration useless or doubtful.

    Args:
        samples: (M, H, W, C) float32, meant to be in [0, 1].
        reference: (N, H, W, C) float32 training samples to compare with, or None.

    Returns:
        What is doubtful, one sentence each: few or repeated samples, many constant ones, a brightness or contrast different from
        the reference (a mean off by half of its standard deviation, or twice or half that deviation).

    Raises:
        DataError: no samples, NaN or infinite values, values outside [0, 1], all values in a tiny part of it, every sample
            constant, or hardly any two that differ.
    """
    if not len(samples):
        raise DataError("Calibration has no samples; provide at least one.")
    least, most = float(samples.min()), float(samples.max())
    if not np.isfinite([least, most]).all():
        raise DataError("Calibration samples contain NaN or infinite values; expected values in [0, 1].")
    if least < -1e-3 or most > 1 + 1e-3:
        hint = "divide by 255" if least >= 0 and most <= 255 else "convert them to pixel / 255"
        raise DataError(f"Calibration samples range over [{least:.4g}, {most:.4g}]; expected [0, 1]: {hint}.")
    flat = samples.reshape(len(samples), -1)
    constant = float((np.ptp(flat, axis=1) == 0).mean())
    if constant == 1:
        raise DataError("Every calibration sample is one constant value; expected real samples.")
    if most - least < _LEAST_RANGE:
        raise DataError(
            f"Calibration samples use only [{least:.4g}, {most:.4g}] of [0, 1]; expected most of it. Were they divided by 255 "
            "twice?"
        )
    distinct = len({row.tobytes() for row in flat})
    if len(flat) > 1 and distinct <= max(1, _LEAST_DISTINCT * len(flat)):
        raise DataError(
            f"Only {distinct} of {len(flat)} calibration samples are distinct; use distinct samples of what the device will see."
        )
    findings = []
    if distinct < len(flat) / 2:
        findings.append(f"Only {distinct} of {len(flat)} calibration samples are distinct.")
    if distinct < _FEW:
        findings.append(f"{distinct} calibration samples are few; 100 or more give more stable ranges.")
    if constant > _LEAST_DISTINCT:
        findings.append(f"{constant:.0%} of the calibration samples are one constant value.")
    return findings + ([] if reference is None else _shifted(flat, reference))


def _shifted(flat: NDArray[np.float32], reference: NDArray[np.float32]) -> list[str]:
    mean, spread = float(flat.mean()), float(flat.std())
    expected_mean, expected_spread = float(reference.mean()), float(reference.std())
    if abs(mean - expected_mean) <= 0.5 * expected_spread and 0.5 <= spread / max(expected_spread, 1e-9) <= 2:
        return []
    return [
        f"Calibration samples have mean {mean:.3f} and standard deviation {spread:.3f}; the training set has"
        f" {expected_mean:.3f} and {expected_spread:.3f}. Ranges calibrated on them may not fit."
    ]
