"""What `check` reports on a data set, as values whose ids a caller can act on, and as one plain document.

The document (schema 1; keys are added, never renamed):

    schema, name, source, fingerprint, classes
    notes         [what the user should know about how the source was read]
    counts        {part: [samples of class 0, 1, ...]}
    unreadable    [{path, reason}]
    imbalance     {ratio, rare: [class], too_few: [{part, class, samples}]}
    labels        [{class, problem}]
    near          the similarity from which on two images count as near copies, null = not looked for
    complete      false where so many images are alike that not every near pair was followed
    duplicates    [{part, exact, conflicting, similarity, samples: [sample]}]
    leaks         [{exact, conflicting, similarity, sample, partner}]
    blank, cut    [sample]
    problems      how many of the findings above need a response (unreadable + too_few + labels + duplicates + ...)

A sample is {part, id, class}; conflicting = the labels differ; similarity is 1 for exact copies and the weakest link of a group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.types import Skipped

SCHEMA = 1
IMBALANCE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A sample of the checked set. part: train, val, cal or test. row: its index in that split. label: its class."""

    part: str
    row: int
    id: str
    label: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Samples of one part that show the same image, in data-set order. similarity: 1, or that of the weakest link."""

    samples: tuple[Sample, ...]
    exact: bool
    similarity: float

    @property
    def part(self) -> str:
        return self.samples[0].part

    @property
    def conflicting(self) -> bool:
        """The same image has different labels."""
        return len({sample.label for sample in self.samples}) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A held-out sample and its closest copy in a part that is used for training or tuning."""

    sample: Sample
    partner: Sample
    exact: bool
    similarity: float

    @property
    def conflicting(self) -> bool:
        """The same image has different labels."""
        return self.sample.label != self.partner.label


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """All findings on one data set.

    counts: part -> samples of each class. too_few: (part, class, samples): train needs 2 of each class, other parts 1.
    ratio: largest over smallest class of train. rare: classes of train with less than a tenth of the largest.
    labels: (class, problem with its name). near: the threshold used, None = near copies were not looked for.
    complete: False where so many images are alike that not every near pair was followed.
    blank: (nearly) constant images. cut: images whose lower part is missing.
    """

    name: str
    source: str
    fingerprint: str
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    unreadable: tuple[Skipped, ...]
    ratio: float
    rare: tuple[int, ...]
    too_few: tuple[tuple[str, int, int], ...]
    labels: tuple[tuple[int, str], ...]
    near: float | None
    complete: bool
    duplicates: tuple[Group, ...]
    leaks: tuple[Leak, ...]
    blank: tuple[Sample, ...]
    cut: tuple[Sample, ...]

    @property
    def problems(self) -> int:
        """How many findings need a response; imbalance counts as one."""
        lists = (self.unreadable, self.too_few, self.labels, self.duplicates, self.leaks, self.blank, self.cut)
        return sum(len(rows) for rows in lists) + bool(self.rare)


def document(findings: Findings) -> dict[str, Any]:
    """The findings as one JSON-ready document, described at the top of this file."""
    names = findings.classes

    def plain(sample: Sample) -> dict[str, Any]:
        return {"part": sample.part, "id": sample.id, "class": names[sample.label]}

    return {
        "schema": SCHEMA,
        "name": findings.name,
        "source": findings.source,
        "fingerprint": findings.fingerprint,
        "classes": list(names),
        "notes": list(findings.notes),
        "counts": {part: list(counts) for part, counts in findings.counts.items()},
        "unreadable": [{"path": file.path, "reason": file.reason} for file in findings.unreadable],
        "imbalance": {
            "ratio": findings.ratio,
            "rare": [names[k] for k in findings.rare],
            "too_few": [{"part": part, "class": names[k], "samples": n} for part, k, n in findings.too_few],
        },
        "labels": [{"class": names[k], "problem": problem} for k, problem in findings.labels],
        "near": findings.near,
        "complete": findings.complete,
        "duplicates": [
            {
                "part": group.part,
                "exact": group.exact,
                "conflicting": group.conflicting,
                "similarity": group.similarity,
                "samples": [plain(sample) for sample in group.samples],
            }
            for group in findings.duplicates
        ],
        "leaks": [
            {
                "exact": leak.exact,
                "conflicting": leak.conflicting,
                "similarity": leak.similarity,
                "sample": plain(leak.sample),
                "partner": plain(leak.partner),
            }
            for leak in findings.leaks
        ],
        "blank": [plain(sample) for sample in findings.blank],
        "cut": [plain(sample) for sample in findings.cut],
        "problems": findings.problems,
    }
