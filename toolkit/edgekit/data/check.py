"""Is this data set fit for training and measuring? Copies, leaks, blank images, class balance and class names.

findings = check(load("photos/"))
drop = {sample.id for group in findings.duplicates if group.part == "train" for sample in group.samples[1:]}
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from edgekit.data import copies
from edgekit.data.findings import IMBALANCE, Findings, Sample
from edgekit.data.sketches import Sketches, chunks, sketch
from edgekit.errors import UsageError
from edgekit.types import Dataset, Reporter, Silent

PARTS = ("train", "val", "cal", "test")
_LONG_NAME = 60


def check(dataset: Dataset, *, near: float | None = None, reporter: Reporter | None = None) -> Findings:
    """Look at every sample once and report what is wrong with the set.

    Args:
        dataset: from `load`; with `skip_bad`, the files left out are among the findings.
        near: similarity (correlation of the details particular to a sample, see `data.duplicates`) above which two images count
            as near copies, in [0.5, 1]; 1 = only exact copies; None = a threshold that suits the set.
        reporter: receives the progress.

    Returns:
        The findings, each with the ids of its samples; groups and leaks sorted by similarity, highest first.

    Raises:
        UsageError: `near` is out of range.
    """
    if near is not None and not 0.5 <= near <= 1:
        raise UsageError(f"near is {near:g}; expected a similarity from 0.5 to 1 (1 = only exact copies).")
    reporter = reporter or Silent()
    splits = {part: getattr(dataset, part) for part in PARTS}
    samples = [
        Sample(part=part, row=row, id=name, label=label)
        for part, split in splits.items()
        for row, (name, label) in enumerate(zip(split.ids.tolist(), split.y.tolist(), strict=True))
    ]
    reporter.stage(f"Reading {len(samples):,} {dataset.input.noun} of {dataset.name}")
    sketches = _sketches(dataset, reporter)
    reporter.stage("Comparing them")
    pairs = copies.find(sketches, near)
    counts = {
        part: tuple(np.bincount(split.y, minlength=len(dataset.classes)).tolist()) for part, split in splits.items()
    }
    largest = max(counts["train"])
    return Findings(
        name=dataset.name,
        source=dataset.source,
        fingerprint=dataset.fingerprint,
        classes=dataset.classes,
        notes=dataset.notes,
        counts=counts,
        unreadable=dataset.skipped,
        ratio=largest / max(1, min(counts["train"])),
        rare=tuple(k for k, count in enumerate(counts["train"]) if count * IMBALANCE < largest),
        too_few=tuple(
            (part, k, count)
            for part in PARTS
            for k, count in enumerate(counts[part])
            if len(splits[part])
            and count < (2 if part == "train" else 1)  # a part that the source lacks is not a finding
        ),
        labels=tuple(label_problems(dataset.classes)),
        near=None if pairs.near is None else round(pairs.near, 4),
        complete=pairs.complete,
        duplicates=tuple(copies.groups(pairs, samples)),
        leaks=tuple(copies.leaks(pairs, samples)),
        blank=tuple(samples[i] for i in np.flatnonzero(sketches.blank)),
        cut=tuple(samples[i] for i in np.flatnonzero(sketches.cut)),
    )


def label_problems(classes: Sequence[str]) -> Iterator[tuple[int, str]]:
    """(class, what is wrong with its name): spaces at the ends, invisible characters, names that look the same."""
    folded = Counter(name.strip().casefold() for name in classes)
    for k, name in enumerate(classes):
        if not name.strip():
            yield k, "is empty"
            continue
        if name != name.strip():
            yield k, "starts or ends with a space"
        if any(unicodedata.category(letter)[0] == "C" for letter in name):
            yield k, "contains invisible characters"
        if folded[name.strip().casefold()] > 1:
            yield k, "differs from another name only in case or spaces"
        if len(name) > _LONG_NAME:
            yield k, f"is {len(name)} characters long"


def _sketches(dataset: Dataset, reporter: Reporter) -> Sketches:
    splits = [getattr(dataset, part) for part in PARTS]
    done, total, blocks = 0, sum(map(len, splits)), []
    for split in splits:
        for x in chunks(split.x):
            blocks.append(sketch(x))
            done += len(x)
            reporter.progress(done, total, dataset.input.noun)
    return Sketches(
        digests=np.concatenate([each.digests for each in blocks]),
        gray=np.concatenate([each.gray for each in blocks]),
        color=np.concatenate([each.color for each in blocks]),
        blank=np.concatenate([each.blank for each in blocks]),
        cut=np.concatenate([each.cut for each in blocks]),
    )
