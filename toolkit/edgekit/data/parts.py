"""The parts that a source lacks: test, and val and cal out of train."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edgekit.data import whole
from edgekit.data.splits import groups_of, hold_out, hold_out_groups, joined, take
from edgekit.errors import DataError
from edgekit.sections import AudioSection
from edgekit.types import FrontEnd, RawData, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How parts are cut off. by: "class" keeps the shares of the classes, "group" keeps each group on one side."""

    by: Literal["class", "group"]
    seed: int

    def __call__(self, split: Split, fraction: float, **option: str) -> tuple[Split, Split]:
        """(the rest, what was cut off)."""
        return (hold_out_groups if self.by == "group" else hold_out)(split, fraction, self.seed, **option)

    def test(
        self, raw: RawData, leave_out: str | None, fraction: float, audio: AudioSection
    ) -> tuple[RawData, list[str]]:
        """`raw` with a test part: the group `leave_out`, its own, or a share of its training samples; and what to tell of it."""
        told = []
        if leave_out is not None:
            cut = _without(raw, leave_out)
        elif raw.test is None:
            rest, held = self(raw.train, fraction, option="data.test_fraction")
            cut = dataclasses.replace(raw, train=rest, test=held)
            told.append(
                f"The source has no test part: {len(held):,} of {len(raw.train):,} samples were cut off as test."
            )
        else:
            return raw, told
        if raw.front_end is not None:
            told += _read_off_test(raw.front_end, audio)
        return cut, told

    def held_out(self, raw: RawData, fraction: float) -> tuple[Split, Split, Split, Split]:
        """(train, val, cal, test); what the source lacks of val and cal is cut from train, half of `fraction` each."""
        train, val, cal, test = raw.train, raw.val, raw.cal, raw.test
        assert test is not None
        if val is None and cal is None and self.by == "class":
            train, val, cal = self._both(train, fraction)
        # Each from train, not one from the other: what is held out may be a single group.
        if val is None:
            train, val = self(train, fraction / 2)
        if cal is None:
            train, cal = self(train, fraction / 2)
        return train, val, cal, test

    def _both(self, train: Split, fraction: float) -> tuple[Split, Split, Split]:
        rest, held = self(train, fraction)
        try:
            return rest, *self(held, 0.5)
        except DataError:
            raise DataError(
                f"{fraction:.0%} of {len(train):,} training samples are too few for validation and calibration: each needs "
                "every class. Add samples, raise data.val_fraction, or give parts of your own."
            ) from None


def shared_told(train: Split, test: Split) -> Iterator[str]:
    """What to tell of groups that are in both parts, if any are."""
    if train.group is None or test.group is None:
        return
    if shared := sorted(set(train.group.tolist()) & set(test.group.tolist())):
        yield f"{len(shared)} groups are in both train and test, such as {shared[0]!r}; data.leave_out tests on a new one."


def _read_off_test(made: FrontEnd, audio: AudioSection) -> list[str]:
    """Where the test part is cut from the source's training clips, they have a say in what is read off them all."""
    read_off = {"clip_s": f"length, {made.clip_s:g} s", "sample_rate": f"sample rate, {made.sample_rate:,} Hz"}
    return [
        f"The clips' {told}, was taken from all clips, those of the test part too; data.audio.{name} fixes it."
        for name, told in read_off.items()
        if getattr(audio, name) is None
    ]


def _without(raw: RawData, group: str) -> RawData:
    """`raw` with the samples of `group`, from whatever part, as its test part."""
    parts = whole.parts_of(raw)
    if any(split.group is None for split in parts.values()):
        groups_of(raw.train)  # the error, if train has none
        raise DataError(f"{raw.name}: only some parts have groups; data.leave_out needs one for every sample.")
    everything = joined(*parts.values())
    known = groups_of(everything)
    if group not in known:
        names = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
        raise DataError(f"{raw.name} has no group {group!r} to leave out; its groups are {names}.")

    def without(split: Split) -> Split:
        return take(split, np.flatnonzero(split.group != group))

    rest = without(joined(parts["train"], parts["test"]) if "test" in parts else parts["train"])
    own: dict[str, Any] = {name: without(parts[name]) for name in ("val", "cal") if name in parts}
    if empty := next((name for name, split in own.items() if not len(split)), None):
        raise DataError(f"{raw.name}: {empty} has only samples of the group {group!r}, which is left out.")
    test = take(everything, np.flatnonzero(everything.group == group))
    changed = dataclasses.replace(raw, train=rest, test=test, **own)
    whole.check(changed)
    return changed
