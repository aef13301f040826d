"""The findings of `edgekit data check` as text: the classes, then one line per question and a few examples below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgekit.data.findings import Findings, Group, Sample

_EXAMPLES, _IN_GROUP, _CLASSES, _WIDTH = 5, 4, 50, 28


def text(findings: Findings, page: Path | None) -> str:
    """The report; `page` is where the pictures are, None = no page was written."""
    sizes = ", ".join(f"{sum(counts):,} {part}" for part, counts in findings.counts.items())
    lines = [f"{findings.name}: {sizes}, {len(findings.classes)} classes", findings.source]
    lines += [f"note: {note}" for note in findings.notes]
    lines += ["", *_classes(findings), ""]
    for question, answer, examples in _questions(findings):
        lines.append(f"{'LOOK' if examples else 'ok':<5} {question:<24} {answer}")
        lines += [f"        {example}" for example in examples[:_EXAMPLES]]
        if len(examples) > _EXAMPLES:
            lines.append(f"        ... and {len(examples) - _EXAMPLES:,} more (--json lists all)")
    lines += ["", f"{findings.problems:,} findings to look at." if findings.problems else "Nothing found."]
    if page is not None:
        lines.append(f"page: {page}")
    elif findings.duplicates or findings.leaks or findings.blank or findings.cut:
        lines.append("--html FILE shows the pictures.")
    return "\n".join(_printable(line) for line in lines)


def _classes(findings: Findings) -> Iterator[str]:
    parts = list(findings.counts)
    width = min(_WIDTH, max(5, *(len(name) for name in findings.classes)))
    yield f"{'class':<{width}} " + " ".join(f"{part:>9}" for part in parts)
    for k, name in enumerate(findings.classes[:_CLASSES]):
        short = name if len(name) <= width else name[: width - 1] + "…"
        yield f"{short:<{width}} " + " ".join(f"{findings.counts[part][k]:>9,}" for part in parts)
    if len(findings.classes) > _CLASSES:
        yield f"... and {len(findings.classes) - _CLASSES:,} more classes (--json lists all)"


def _questions(findings: Findings) -> Iterator[tuple[str, str, Sequence[str]]]:
    """(question, answer, examples); no examples = nothing to look at."""
    names = findings.classes

    def shown(sample: Sample) -> str:
        return f"{sample.id} ({names[sample.label]})"

    def group(copies: Group) -> str:
        rest = len(copies.samples) - _IN_GROUP
        members = " = ".join(shown(sample) for sample in copies.samples[:_IN_GROUP])
        alike = "" if copies.exact else f"{copies.similarity:.3f}  "
        return f"{alike}{copies.part}: {members}" + (f" and {rest:,} more" if rest > 0 else "")

    files = findings.unreadable
    yield "unreadable files", f"{len(files):,}, left out" if files else "none", [f"{f.path}: {f.reason}" for f in files]
    few = [f"{names[k]} has {count} in {part}" for part, k, count in findings.too_few]
    rare = [f"{names[k]} has {findings.counts['train'][k]:,} in train" for k in findings.rare]
    yield "class balance", f"largest / smallest class of train = {findings.ratio:.3g}", rare + few
    odd = [f"class {k}, {names[k]!r}, {problem}" for k, problem in findings.labels]
    yield "class names", f"{len(odd)} odd" if odd else "fine", odd
    for kind, leaks in (
        ("exact", [leak for leak in findings.leaks if leak.exact]),
        ("near", [leak for leak in findings.leaks if not leak.exact]),
    ):
        if kind == "near" and findings.near is None:
            continue
        rows = [
            ("" if leak.exact else f"{leak.similarity:.3f}  ")
            + f"{leak.sample.part}: {shown(leak.sample)} = {leak.partner.part}: {shown(leak.partner)}"
            for leak in leaks
        ]
        parts = {part: sum(leak.sample.part == part for leak in leaks) for part in ("val", "cal", "test")}
        yield f"leaks, {kind}", ", ".join(f"{n:,} of {part}" for part, n in parts.items() if n) or "none", rows
    exact = [copies for copies in findings.duplicates if copies.exact]
    for question, groups in (
        ("copies, labels differ", [copies for copies in exact if copies.conflicting]),
        ("copies, one label", [copies for copies in exact if not copies.conflicting]),
        ("near copies", [copies for copies in findings.duplicates if not copies.exact]),
    ):
        if question == "near copies" and findings.near is None:
            yield question, "not looked for", []
            continue
        total = sum(len(copies.samples) for copies in groups)
        answer = f"{len(groups):,} group{'s' * (len(groups) > 1)} of {total:,} samples" if groups else "none"
        if question == "near copies":
            answer += f" at similarity {findings.near:.3f}"
            if not findings.complete:
                answer += "; so many are alike that only the closest of each were followed"
        yield question, answer, [group(copies) for copies in groups]
    for question, samples in (("blank pictures", findings.blank), ("cut-off pictures", findings.cut)):
        rows = [f"{sample.part}: {shown(sample)}" for sample in samples]
        yield question, f"{len(rows):,}" if rows else "none", rows


def _printable(line: str) -> str:
    """Control characters and undecodable bytes of file names must not reach the terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)
