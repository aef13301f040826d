"""The parts that a source lacks: test, and val and cal cut from train."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgekit.data import whole
from edgekit.data.sizes import (
    TEST_SHARE,
    VAL_AND_CAL_SHARE,
    Bounds,
    Portion,
    apportion,
    bounds_of_test,
    bounds_of_val_and_cal,
    by_share,
    sizes,
)
from edgekit.data.splits import clips_of, deal, groups_of, hold_out, hold_out_groups, joined, take
from edgekit.errors import DataError
from edgekit.recipe import AudioSection
from edgekit.types import FrontEnd, RawData, Split

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How to cut parts. by: "class" keeps the shares of the classes, "group" keeps each group on one side."""

    by: Literal["class", "group"]
    seed: int

    def parts(self, raw: RawData, test: Portion | None, held: Portion) -> tuple[RawData, dict[str, float | int]]:
        """`raw` with all parts, and the `data` keys that were "auto" as the numbers that cut the same parts again.

        Args:
            test: share or number cut from train if `raw` has no test; None = none is cut, and test is empty.
            held: share or number of the rest, half each for val and cal if `raw` lacks them.

        Raises:
            DataError: there are too few samples or groups.
        """
        train, own = raw.train, raw.test
        sizes: dict[str, float | int] = {}
        counts = _counts(train)
        wanted = _AutoSizes.of(counts, test=own is None and test == "auto")
        if own is None and test is None:
            own = take(train, np.zeros(0, np.int64))
        elif own is None:
            assert test is not None
            (train, own), number = self._first(test, wanted.test, partial(self._test, train, auto=test == "auto"))
            sizes |= {"test_fraction": number} if test == "auto" else {}
            if test != "auto":
                wanted = _AutoSizes.of(_counts(train), test=False)
        val, cal = raw.val, raw.cal
        if val is None or cal is None:
            work = partial(self._split_val_and_cal, train, val, cal, auto=held == "auto")
            (train, val, cal), number = self._first(held, wanted.held, work)
            sizes |= {"val_fraction": number} if held == "auto" else {}
        return dataclasses.replace(raw, train=train, val=val, cal=cal, test=own), sizes

    @staticmethod
    def _first(portion: Portion, auto: Sequence[float | int], work: Callable[[float | int], _T]) -> _T:
        """The result of `work` for the portion; for "auto" the first it accepts: a class may be too small for a share."""
        *tried, last = auto if portion == "auto" else (portion,)
        for each in tried:
            with contextlib.suppress(DataError):
                return work(each)
        return work(last)

    def _test(self, train: Split, portion: float | int, *, auto: bool) -> tuple[tuple[Split, Split], float | int]:
        bounds = bounds_of_test(_counts(train))
        return self._one(train, portion, bounds, "data.test_fraction", auto=auto)

    def _one(
        self, split: Split, portion: float | int, bounds: Bounds, option: str, *, auto: bool
    ) -> tuple[tuple[Split, Split], float | int]:
        """((the rest, one part), the portion as a number that can be met)."""
        if self.by == "group":
            share = portion / len(clips_of(split)[0]) if isinstance(portion, int) else portion
            return hold_out_groups(split, share, self.seed, option=option), portion
        if not isinstance(portion, int):
            return hold_out(split, portion, self.seed, option=option), portion
        given = _given(split, portion, bounds, self.seed, option, auto=auto)
        rest, held = deal(split, given, self.seed)
        return (rest, held), int(given.sum())

    def _split_val_and_cal(
        self, train: Split, val: Split | None, cal: Split | None, portion: float | int, *, auto: bool
    ) -> tuple[tuple[Split, Split, Split], float | int]:
        """((the rest, val, cal), the portion as a number that can be met)."""
        option, count = "data.val_fraction", isinstance(portion, int)
        if val is None and cal is None and self.by == "class":
            if not count:
                return self._halves(train, portion), portion
            given = _given(
                train, int(portion), bounds_of_val_and_cal(_counts(train), 2), self.seed, option, auto=auto, into=2
            )
            rest, first, second = deal(train, given, self.seed, into=2)
            return (rest, first, second), int(given.sum())
        # Both from train, not one from the other: what is held out may be a single group.
        half, total = int(portion) // 2 if count else portion / 2, portion
        for name in [name for name, own in (("val", val), ("cal", cal)) if own is None]:
            (train, part), size = self._one(train, half, bounds_of_val_and_cal(_counts(train), 1), option, auto=auto)
            val, cal = (part, cal) if name == "val" else (val, part)
            total = 2 * size if count else portion
        assert val is not None
        assert cal is not None
        return (train, val, cal), total

    def _halves(self, train: Split, share: float) -> tuple[Split, Split, Split]:
        option = "data.val_fraction"
        rest, held = hold_out(train, share, self.seed, option=option)
        try:
            return rest, *hold_out(held, 0.5, self.seed, option=option)
        except DataError:
            raise DataError(
                f"{share:.0%} of {len(train):,} training samples are too few for validation and calibration: each needs every "
                "class. Add samples, raise data.val_fraction, leave it at auto, or provide the parts yourself."
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _AutoSizes:
    """What "auto" tries for test, and for val and cal: a share, then a count, or a count alone (`edgekit.data.sizes`)."""

    test: tuple[float | int, ...]
    held: tuple[float | int, ...]

    @classmethod
    def of(cls, counts: NDArray[np.int64], *, test: bool) -> _AutoSizes:
        """For a set with these numbers of samples per class; test: whether test is cut too."""
        n, classes, rarest = int(counts.sum()), int((counts >= 3).sum()), int(counts[counts > 0].min())
        own, held = sizes(n, classes, test=test)
        if by_share(n, rarest, classes, test=test):
            return cls(test=(TEST_SHARE, own), held=(VAL_AND_CAL_SHARE, held))
        return cls(test=(own,), held=(held,))


def _counts(split: Split) -> NDArray[np.int64]:
    """(K,) samples of each class, or clips of each class."""
    counts: NDArray[np.int64] = np.bincount(split.y[clips_of(split)[0]])
    return counts


def _given(
    split: Split, wanted: int, bounds: Bounds, seed: int, option: str, *, auto: bool, into: int = 1
) -> NDArray[np.int64]:
    """(K,) how many samples of each class to hold out. "auto" takes what is available; an explicit number is met or refused."""
    counts, possible = _counts(split), int(bounds[1].sum())
    if not auto and wanted > possible:
        raise DataError(
            f"Cannot hold out {wanted:,} of {counts.sum():,} samples ({option}): at most {possible:,}, so that training keeps "
            "enough of every class. Lower it, or leave it at auto."
        )
    if min(wanted, possible) < into:
        raise DataError(
            f"{counts.sum():,} samples of {(counts > 0).sum():,} classes are too few to hold out some for test, validation and "
            "calibration: training keeps at least 2 of each class. Add samples, or provide the parts yourself."
        )
    return apportion(wanted, counts, bounds, seed)


def cut_messages(raw: RawData, cut: RawData) -> Iterator[str]:
    """Messages about parts that were cut: the size of test, and the classes of which a part has no sample."""
    if raw.test is None and cut.test:
        yield f"The source has no test part: {len(cut.test):,} of {len(raw.train):,} samples were split off as test."
    for part, what in (
        ("test", "accuracy"),
        ("val", "gates and the learning curve"),
        ("cal", "temperature and threshold"),
    ):
        split: Split | None = getattr(cut, part)
        if getattr(raw, part) is not None or split is None or not len(split):
            continue
        lacking = [raw.classes[k] for k in np.setdiff1d(cut.train.y, split.y)]
        if lacking:
            names = ", ".join(map(repr, lacking[:3])) + (", ..." if len(lacking) > 3 else "")
            yield (
                f"{part} has no sample of {len(lacking):,} of {len(raw.classes):,} classes ({names}): for them, {what} cannot be "
                "judged."
            )


def shared_group_messages(train: Split, test: Split) -> Iterator[str]:
    """A message about groups that are in both parts, if there are any."""
    if train.group is None or test.group is None:
        return
    if shared := sorted(set(train.group.tolist()) & set(test.group.tolist())):
        yield (
            f"{len(shared)} groups are in both train and test, such as {shared[0]!r}; data.leave_out tests on a group that "
            "training has not seen."
        )


def read_off_test(front_end: FrontEnd, audio: AudioSection) -> list[str]:
    """Notes for when test is cut from the source's training clips: defaults derived from all clips depend on test clips too."""
    read_off = {
        "clip_s": f"length, {front_end.clip_s:g} s",
        "sample_rate": f"sample rate, {front_end.sample_rate:,} Hz",
    }
    return [
        f"The clips' {what}, was derived from all clips, including those of the test part; data.audio.{name} sets it."
        for name, what in read_off.items()
        if getattr(audio, name) is None
    ]


def without(raw: RawData, group: str) -> RawData:
    """`raw` with the samples of `group`, from whichever part, as its test part."""
    parts = whole.parts_of(raw)
    if any(split.group is None for split in parts.values()):
        groups_of(raw.train)  # the error, if train has none
        raise DataError(f"{raw.name}: only some parts have groups; data.leave_out needs one for every sample.")
    everything = joined(*parts.values())
    known = groups_of(everything)
    if group not in known:
        names = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
        raise DataError(f"{raw.name} has no group {group!r} to leave out; its groups are {names}.")

    def rest_of(split: Split) -> Split:
        return take(split, np.flatnonzero(split.group != group))

    rest = rest_of(joined(parts["train"], parts["test"]) if "test" in parts else parts["train"])
    own: dict[str, Any] = {name: rest_of(parts[name]) for name in ("val", "cal") if name in parts}
    if empty := next((name for name, split in own.items() if not len(split)), None):
        raise DataError(f"{raw.name}: {empty} has only samples of the left-out group {group!r}.")
    test = take(everything, np.flatnonzero(everything.group == group))
    changed = dataclasses.replace(raw, train=rest, test=test, **own)
    whole.check(changed)
    return changed
