"""spec -> Dataset: find the source, check the data, cut the parts the source lacks, fingerprint all of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgekit import registry
from edgekit.data.decode import resize
from edgekit.data.fingerprint import fingerprint
from edgekit.data.folds import with_fold
from edgekit.data.images import LazyImages, skipped_told
from edgekit.data.noise import limited, with_wrong_labels
from edgekit.data.parts import Cut, cut_told, read_off_test, shared_told, without
from edgekit.data.sizes import Portion
from edgekit.data.splits import frozen, take
from edgekit.data.whole import check, parts_of
from edgekit.errors import DataError, UnknownName
from edgekit.recipe import DataSection, NoiseSection
from edgekit.sections import AudioSection
from edgekit.types import Dataset, InputSpec, RawData, ReadOptions

# Sources that read a path, or what follows their prefix; all others are names themselves.
_PREFIXED = ("hf", "tfds")
_PATH_SOURCES = ("idx", "npz", "folder", "csv")
_EXPECTED = "a folder of images or clips by class, a folder with IDX files or train.csv, a .npz or .csv file, hf:NAME, tfds:NAME"


def load_section(section: DataSection, seed: int) -> Dataset:
    """`load` with the values of a recipe's data section."""
    values = {name: getattr(section, name) for name in DataSection.model_fields}
    own = values.pop("seed")
    return load(values.pop("spec"), seed=seed if own is None else own, **values)


def resolved(section: DataSection, dataset: Dataset) -> DataSection:
    """The section with the numbers of `dataset`, loaded by it, in the place of "auto": it cuts the same parts again."""
    return section.model_copy(update=dict(dataset.portions))


def load(
    spec: str,
    *,
    val_fraction: Portion = "auto",
    seed: int = 42,
    test_fraction: Portion = "auto",
    image_size: tuple[int, int] | None = None,
    skip_bad: bool = False,
    leave_out: str | None = None,
    split_by: Literal["class", "group"] = "class",
    cv: int | None = None,
    fold: int | None = None,
    limit: int | None = None,
    noise: NoiseSection | None = None,
    audio: AudioSection | None = None,
    split: bool = True,
) -> Dataset:
    """Load a labeled data set of images or of audio clips.

    Args:
        spec: a named source (`registry.SOURCES`), a folder of images or clips, a CSV, IDX or .npz path, "hf:NAME" or "tfds:NAME".
        val_fraction: share of train held out, or a number of samples; one half is val, the other cal, unless the source has its
            own. "auto" follows the size of the set (`edgekit.data.sizes`).
        seed: of the split.
        test_fraction: share of all samples that becomes test where the source has none, or a number of samples, or "auto".
        image_size: (H, W) to resize all images to; None = as they are, and then all must be of one size.
        skip_bad: leave unreadable files out (`Dataset.skipped`), instead of an error that lists them.
        leave_out: the group that becomes test; all other samples of train and test are trained on.
        split_by: "class" keeps the class shares in the parts cut from train; "group" keeps each group on one side.
        cv: cut no test part, since the training samples are tested by so many folds. fold: the one, from 1, that is test.
        limit: the most training samples, drawn by class after val and cal were cut.
        noise: wrong labels to put into train.
        audio: how clips become samples; None = the section's defaults.
        split: False leaves the parts as they are stored; those that the source lacks are then empty.

    Returns:
        A Dataset whose arrays are read-only; x is (N, H, W, C) uint8 or float32 in [0, 1]; of clips (N, T, F, 1) float32.

    Raises:
        UnknownName: `spec` is neither a name nor an existing path.
        MissingExtra: the source needs packages that are not installed.
        DataError: files are missing or damaged, labels are out of range, a class has no training sample, ...
    """
    audio = audio or AudioSection()
    raw = _read(spec, ReadOptions(image_size=image_size, skip_bad=skip_bad, audio=audio.options))
    if raw.front_end is None and audio != AudioSection():
        raise DataError(f"{raw.name} holds images, but the recipe's data.audio says how clips are read; leave it out.")
    if raw.front_end is not None and image_size:
        raise DataError(
            f"{raw.name} holds clips, which data.image_size does not resize; data.audio (clip_s, hop_ms, n_mels) decides it."
        )
    if image_size:
        raw = _resized(raw, image_size)
    try:
        check(raw)
    except DataError as error:
        raise DataError(f"{error} {skipped_told(raw.skipped)}" if raw.skipped else str(error)) from None
    if not split:
        return _uncut(raw)
    notes = list(raw.notes)
    given, own_val = raw if leave_out is None else without(raw, leave_out), raw.val is not None
    given = given if cv is None else with_fold(given, cv, fold, seed)
    untested = cv is not None and given.test is None
    raw, portions = Cut(by=split_by, seed=seed).parts(given, None if untested else test_fraction, val_fraction)
    train, val, cal, test = raw.train, raw.val, raw.cal, raw.test
    assert val is not None
    assert cal is not None
    assert test is not None
    notes += cut_told(given, raw)
    if raw.front_end is not None and (leave_out is not None or fold is not None or given.test is None):
        notes += read_off_test(raw.front_end, audio)
    notes += shared_told(train, test)
    if limit is not None and limit < len(train):
        number, train = len(train), limited(train, limit, seed)
        notes.append(f"Training samples: {len(train):,} of {number:,}, as data.limit says.")
    flipped = None
    if noise is not None:
        train, flipped = with_wrong_labels(train, raw.classes, noise, seed)
        notes.append(
            f"{noise.kind.capitalize()} noise: {len(flipped):,} of {len(train):,} training labels "
            f"({len(flipped) / len(train):.1%}) were made wrong on purpose."
        )
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
        own_val=own_val,
        portions=portions,
        flipped=flipped,
        root=raw.root,
        skipped=raw.skipped,
        notes=tuple(notes),
    )


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
    return dataclasses.replace(spec, preprocessing=raw.front_end.told, front_end=raw.front_end)


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
