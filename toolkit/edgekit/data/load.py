"""spec -> Dataset: find the source, check the data, split off the parts that the source lacks, fingerprint all of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit import registry
from edgekit.data.decode import resize
from edgekit.data.fingerprint import fingerprint
from edgekit.data.folds import with_fold
from edgekit.data.images import LazyImages, skipped_message
from edgekit.data.noise import limited, with_wrong_labels
from edgekit.data.parts import Cut, cut_messages, read_off_test, shared_group_messages, without
from edgekit.data.splits import frozen, take
from edgekit.data.whole import check, parts_of
from edgekit.errors import DataError, UnknownName
from edgekit.recipe import AudioSection, DataSection, data_of
from edgekit.types import Dataset, InputSpec, RawData, ReadOptions, Split

# Sources that read a path, or what follows their prefix; the others are names themselves.
_PREFIXED = ("hf", "tfds")
_PATH_SOURCES = ("idx", "npz", "folder", "csv")
_EXPECTED = "a folder of images or clips by class, a folder with IDX files or train.csv, a .npz or .csv file, hf:NAME, tfds:NAME"


def load(spec: str, *, seed: int = 42, split: bool = True, **options: Any) -> Dataset:
    """Load a labeled data set of images or of audio clips.

    Args:
        spec: a named source (`registry.SOURCES`), a folder of images or clips, a CSV, IDX or .npz path, "hf:NAME" or "tfds:NAME".
        seed: seed of the split.
        split: False leaves the parts as they are stored; parts that the source lacks are then empty.
        options: the other values of the recipe's data section (`recipe.DataSection` describes them): val_fraction,
            test_fraction, image_size, skip_bad, leave_out, split_by, cv, fold, limit, noise, audio; None = the default.

    Returns:
        A Dataset whose arrays are read-only; x is (N, H, W, C) uint8 or float32 in [0, 1]; for clips (N, T, F, 1) float32.

    Raises:
        TypeError: an unknown option. RecipeError: a value that it cannot have.
        UnknownName: `spec` is neither a name nor an existing path.
        MissingExtra: the source needs packages that are not installed.
        DataError: files are missing or damaged, labels are out of range, a class has no training sample, ...
    """
    for name in options:
        if name not in DataSection.model_fields:
            raise TypeError(f"load() got an unexpected keyword argument {name!r}")
    values = {name: value for name, value in options.items() if value is not None}
    section = data_of(spec=spec, **values)
    raw = _checked(section)
    return _cut(raw, section, seed) if split else _uncut(raw)


def load_section(section: DataSection, seed: int) -> Dataset:
    """The data set of a recipe's data section; seed: of the split, where the section has none. Raises as `load` does."""
    return _cut(_checked(section), section, seed if section.seed is None else section.seed)


def resolved(section: DataSection, dataset: Dataset) -> DataSection:
    """The section with the numbers of `dataset`, loaded by it, in place of "auto", so that it cuts the same parts again."""
    return section.model_copy(update=dict(dataset.portions))


def _checked(section: DataSection) -> RawData:
    """All samples of the source, resized if the section says so, and checked; parts that the source lacks are not cut yet."""
    size, options = section.image_size, section.audio.options
    raw = _read(section.spec, ReadOptions(image_size=size, skip_bad=section.skip_bad, audio=options))
    if raw.front_end is None and section.audio != AudioSection():
        raise DataError(
            f"{raw.name} contains images, but the recipe's data.audio describes how to read clips; remove it."
        )
    if raw.front_end is not None and size:
        raise DataError(
            f"{raw.name} contains clips, which data.image_size cannot resize; set data.audio (clip_s, hop_ms, n_mels) instead."
        )
    if size:
        raw = _resized(raw, size)
    try:
        check(raw)
    except DataError as error:
        raise DataError(f"{error} {skipped_message(raw.skipped)}" if raw.skipped else str(error)) from None
    return raw


def _cut(whole: RawData, section: DataSection, seed: int) -> Dataset:
    """`whole` in the four parts that the section asks for, its training samples limited and mislabeled as it says."""
    given = whole if section.leave_out is None else without(whole, section.leave_out)
    given = given if section.cv is None else with_fold(given, section.cv, section.fold, seed)
    untested = section.cv is not None and given.test is None
    share = None if untested else section.test_fraction
    raw, portions = Cut(by=section.split_by, seed=seed).parts(given, share, section.val_fraction)
    val, cal, test = raw.val, raw.cal, raw.test
    assert val is not None
    assert cal is not None
    assert test is not None
    notes = [*whole.notes, *cut_messages(given, raw)]
    if raw.front_end is not None and (section.leave_out is not None or section.fold is not None or given.test is None):
        notes += read_off_test(raw.front_end, section.audio)
    notes += shared_group_messages(raw.train, test)
    train, flipped, changes = _changed(raw.train, raw.classes, section, seed)
    return Dataset(
        name=raw.name,
        source=raw.source,
        classes=raw.classes,
        input=_input(raw),
        train=train,
        val=val,
        cal=cal,
        test=test,
        fingerprint=fingerprint(raw.classes, train, val, cal, test, front_end=raw.front_end),
        own_val=whole.val is not None,
        portions=portions,
        flipped=flipped,
        root=raw.root,
        skipped=raw.skipped,
        notes=(*notes, *changes),
    )


def _changed(
    train: Split, classes: tuple[str, ...], section: DataSection, seed: int
) -> tuple[Split, NDArray[np.str_] | None, list[str]]:
    """`train` with as many samples and wrong labels as the section asks for; which were mislabeled; and a sentence on each."""
    notes: list[str] = []
    if section.limit is not None and section.limit < len(train):
        number, train = len(train), limited(train, section.limit, seed)
        notes.append(f"Training samples: {len(train):,} of {number:,}, as data.limit says.")
    flipped = None
    if (noise := section.noise) is not None:
        train, flipped = with_wrong_labels(train, classes, noise, seed)
        notes.append(
            f"{noise.kind.capitalize()} noise: {len(flipped):,} of {len(train):,} training labels "
            f"({len(flipped) / len(train):.1%}) were made wrong on purpose."
        )
    return train, flipped, notes


def _uncut(raw: RawData) -> Dataset:
    """The parts as they are stored, which is what a check looks at; a set too small to be split can be checked too."""
    nothing = take(raw.train, np.zeros(0, np.int64))
    val, cal, test = (part if part is not None else nothing for part in (raw.val, raw.cal, raw.test))
    return Dataset(
        name=raw.name,
        source=raw.source,
        classes=raw.classes,
        input=_input(raw),
        train=raw.train,
        val=val,
        cal=cal,
        test=test,
        fingerprint=fingerprint(raw.classes, raw.train, val, cal, test, front_end=raw.front_end),
        own_val=raw.val is not None,
        root=raw.root,
        skipped=raw.skipped,
        notes=raw.notes,
    )


def _input(raw: RawData) -> InputSpec:
    _, height, width, channels = raw.train.x.shape
    spec = InputSpec(shape=(height, width, channels), mirrored=raw.mirrored)
    if raw.front_end is None:
        return spec
    return dataclasses.replace(spec, preprocessing=raw.front_end.summary, front_end=raw.front_end)


def _read(spec: str, options: ReadOptions) -> RawData:
    prefix, colon, rest = spec.partition(":")
    named = [name for name in registry.SOURCES if name not in _PATH_SOURCES + _PREFIXED]
    if colon and prefix in _PREFIXED:
        source, spec = prefix, rest
    elif spec in named:
        source = spec
    else:
        path = Path(spec).expanduser()
        source, spec = _source_of(path, spec, named), str(path)
    raw: RawData = registry.load("sources", source)(spec, options)
    return raw


def _source_of(path: Path, spec: str, named: list[str]) -> str:
    if path.is_dir():
        if any(path.glob("*-images*ubyte*")) or any(path.glob("*-labels*ubyte*")):
            return "idx"
        return "csv" if (path / "train.csv").is_file() else "folder"
    if path.is_file():
        if path.suffix.lower() not in (".npz", ".csv"):
            raise DataError(f"{spec} is not a data set that edgekit reads: expected {_EXPECTED}.")
        return path.suffix.lower()[1:]
    if "/" in spec or path.suffix:
        raise DataError(f"{spec} does not exist: expected {_EXPECTED}, or a named data set.")
    raise UnknownName("data set", spec, named)


def _resized(raw: RawData, size: tuple[int, int]) -> RawData:
    """The arrays of sources that hold arrays; those that decode files have done it already."""
    changed: dict[str, Any] = {
        name: dataclasses.replace(split, x=frozen(resize(split.x[:], size)))
        for name, split in parts_of(raw).items()
        if not isinstance(split.x, LazyImages) and split.x.shape[1:3] != size
    }
    return dataclasses.replace(raw, **changed)
