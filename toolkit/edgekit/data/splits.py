"""Splits: ids, class names, and the parts cut from train: stratified by class, or with every group on one side."""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from edgekit.data.images import LazyImages, join
from edgekit.errors import DataError
from edgekit.evidence.temperature import LEAST
from edgekit.types import Images, Split

_DRAWS = 64
_FEW = 100  # below this, one sample is a percentage point or more


class Parts(TypedDict):
    """The parts of a source, as the keyword arguments of RawData."""

    train: Split
    test: Split | None
    val: Split | None
    cal: Split | None


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, read-only."""
    array.setflags(write=False)
    return array


def split_of(part: str, x: NDArray[Any], y: NDArray[np.int64], group: NDArray[Any] | None = None) -> Split:
    """A Split whose ids are `part/0`, `part/1`, ... in array order."""
    ids = np.char.add(f"{part}/", np.arange(len(y)).astype(str))
    groups = None if group is None else frozen(group.astype(str))
    return Split(x=frozen(x), y=frozen(y), ids=frozen(ids), group=groups)


# What people call the parts, in any case.
PART_NAMES = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "val": "val", "valid": "val", "validation": "val",
    "cal": "cal", "calibration": "cal",
}  # fmt: skip


def parts_of(
    parts: NDArray[np.str_],
    x: Images,
    y: NDArray[np.int64],
    ids: NDArray[np.str_],
    group: NDArray[np.str_] | None,
    clip: NDArray[np.str_] | None = None,
    content: NDArray[np.uint8] | None = None,
) -> Parts:
    """The samples by the part each belongs to ("train", "test", "val" or "cal"); None for a part without samples.

    Raises:
        DataError: no sample belongs to train.
    """
    by_name: dict[str, Split | None] = {}
    whole = Split(x=x, y=y, ids=ids, group=group, clip=clip, content=content)
    for part in ("train", "test", "val", "cal"):
        index = np.flatnonzero(parts == part)
        by_name[part] = take(whole, index) if len(index) else None
    train = by_name["train"]
    if train is None:
        raise DataError("The data set has no training samples.")
    return Parts(train=train, test=by_name["test"], val=by_name["val"], cal=by_name["cal"])


def take(split: Split, index: NDArray[Any]) -> Split:
    """The samples of `split` at `index`, in that order; lazy images are not decoded."""

    def of(values: NDArray[Any] | None) -> NDArray[Any] | None:
        return None if values is None else frozen(values[index])

    return Split(
        x=split.x.take(index) if isinstance(split.x, LazyImages) else frozen(split.x[index]),
        y=frozen(split.y[index]),
        ids=frozen(split.ids[index]),
        group=of(split.group),
        clip=of(split.clip),
        content=of(split.content),
    )


def joined(*splits: Split) -> Split:
    """The samples of all splits, one split after the other; groups only if every split has them; same for clips and content."""

    def of(values: list[NDArray[Any] | None]) -> NDArray[Any] | None:
        given = [each for each in values if each is not None]
        return frozen(np.concatenate(given)) if len(given) == len(splits) else None

    return Split(
        x=join([split.x for split in splits]),
        y=frozen(np.concatenate([split.y for split in splits])),
        ids=frozen(np.concatenate([split.ids for split in splits])),
        group=of([split.group for split in splits]),
        clip=of([split.clip for split in splits]),
        content=of([split.content for split in splits]),
    )


def clips_of(split: Split) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(M,) the first sample of each clip and (N,) each sample's number in it, clips in order of their first samples.

    Where samples are not segments, each is its own clip.
    """
    return clips_in(split.clip, len(split))


def clips_in(clip: NDArray[np.str_] | None, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`clips_of` for the clips of `count` samples."""
    if clip is None:
        return np.arange(count), np.arange(count)
    _, first, number = np.unique(clip, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return first[order], place[number]


def class_names(given: tuple[str, ...], *labels: NDArray[np.int64]) -> tuple[str, ...]:
    """The class names: those given, or "0", "1", ... up to the largest label. Raises DataError if labels are out of range."""
    values = np.concatenate([np.ravel(y) for y in labels]) if labels else np.zeros(0, np.int64)
    if values.size == 0:
        raise DataError("The data set has no samples.")
    low, high = int(values.min()), int(values.max())
    if low < 0 or (given and high >= len(given)):
        limit = f"0 to {len(given) - 1}" if given else "0 upwards"
        raise DataError(f"Labels run from {low} to {high}; expected {limit}.")
    if not given and high >= values.size:
        raise DataError(f"Labels run up to {high} for {values.size} samples; expected 0, 1, ... without such gaps.")
    return given or tuple(str(k) for k in range(high + 1))


def hold_out(train: Split, share: float, seed: int, *, option: str = "data.val_fraction") -> tuple[Split, Split]:
    """Cut a stratified `share` from `train`: (rest, held out), both in data-set order; segments of a clip stay together.

    Raises:
        DataError: a class is too small to have a sample on each side; the message names the recipe key `option`.
    """
    from sklearn.model_selection import train_test_split

    clips = np.arange(len(train)) if train.clip is None else np.unique(train.clip, return_index=True)[1]
    try:
        rest, held = train_test_split(clips, test_size=share, random_state=seed, stratify=train.y[clips])
    except ValueError:
        counts = np.bincount(train.y[clips])
        rarest = int(np.where(counts == 0, counts.max() + 1, counts).argmin())
        raise DataError(
            f"Cannot hold out {share:.0%} of {len(clips)} training samples by class: label {rarest} has only "
            f"{counts[rarest]}. Add samples, raise {option}, leave it at auto, or provide the parts yourself."
        ) from None
    if train.clip is not None:
        rest, held = (np.flatnonzero(np.isin(train.clip, train.clip[some])) for some in (rest, held))
    return take(train, np.sort(rest)), take(train, np.sort(held))


def deal(train: Split, given: NDArray[np.int64], seed: int, *, into: int = 1) -> list[Split]:
    """[rest, part, ...]: draw `given` samples of each class from `train` and deal them in turn into `into` parts.

    The parts differ by at most one sample, in total and per class. All are in data-set order; segments of a clip stay together.

    Args:
        given: (K,) samples of each class, or clips.
    """
    rng = np.random.default_rng(seed)
    first, clip = clips_of(train)
    drawn = [rng.permutation(np.flatnonzero(train.y[first] == k))[:number] for k, number in enumerate(given)]
    part_of = np.full(len(first), into)
    order = np.concatenate(drawn)
    part_of[order] = np.arange(len(order)) % into
    return [take(train, np.flatnonzero(part_of[clip] == part)) for part in (into, *range(into))]


def hold_out_groups(train: Split, share: float, seed: int, *, option: str = "data.val_fraction") -> tuple[Split, Split]:
    """Cut about `share` of the samples from `train` by whole groups: (rest, held out), both in data-set order.

    Of 64 seeded orders of the groups, take the one that leaves every class in the rest, has most classes in the held-out part,
    and comes closest to the share.

    Raises:
        DataError: no groups, too few, or none can be held out without losing a class.
    """
    names = groups_of(train)
    if len(names) < 2:
        raise DataError(
            f"Cannot hold out {share:.0%} of the training samples by group: only {len(names)} group is left "
            f"({', '.join(names)}). Add groups, provide the parts yourself, or set data.split_by to class; {option} cannot help."
        )
    assert train.group is not None
    member = np.searchsorted(np.array(names), train.group)
    classes = int(train.y.max()) + 1
    table = np.zeros((len(names), classes), np.int64)
    np.add.at(table, (member, train.y), 1)
    present = int((table.sum(axis=0) > 0).sum())
    rng = np.random.default_rng(seed)
    best: tuple[tuple[int, int, float], NDArray[np.int64]] | None = None
    for _ in range(_DRAWS):
        order = rng.permutation(len(names))
        sizes = table[order].sum(axis=1).cumsum()[:-1]
        count = int(np.abs(sizes - share * len(train)).argmin()) + 1
        held = table[order[:count]].sum(axis=0)
        lost = present - int(((table.sum(axis=0) - held) > 0).sum())
        badness = (lost, present - int((held > 0).sum()), float(abs(held.sum() - share * len(train))))
        if best is None or badness < best[0]:
            best = badness, order[:count]
    assert best is not None
    if best[0][0]:
        raise DataError(
            f"Cannot hold out whole groups ({len(names)} groups): a class would have no training samples left. Add groups "
            "of every class, or set data.split_by to class."
        )
    out = np.isin(member, best[1])
    return take(train, np.flatnonzero(~out)), take(train, np.flatnonzero(out))


def few_samples_message(**parts: Split) -> str:
    """The warning about parts so small that shares of them are coarse, by name; "" if there are none."""
    few = {name: len(split) for name, split in parts.items() if len(split) < _FEW}
    if not few:
        return ""
    sizes = " and ".join(f"{count:,} samples of {name}" for name, count in few.items())
    return (
        f"{sizes} are few: one sample is {100 / min(few.values()):.1f} points of accuracy, and everything computed on them "
        "(learning curve, gates, temperature, threshold) is as coarse. Add data, raise data.val_fraction, or test the recipe on "
        "every sample with --cv 5."
        + (
            f" Temperature and threshold are not evaluated on fewer than {LEAST}."
            if few.get("cal", LEAST) < LEAST
            else ""
        )
    )


def groups_of(split: Split) -> list[str]:
    """The distinct groups, sorted. Raises DataError when the samples have none."""
    if split.group is None:
        raise DataError(
            "The data set has no groups; provide a group column (CSV), groups.csv (folder) or group_train (.npz)."
        )
    return sorted(set(split.group.tolist()))
