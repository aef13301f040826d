"""spec -> Dataset: find the source, check the data, cut the parts the source lacks, fingerprint all of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgekit import registry
from edgekit.data.decode import resize
from edgekit.data.fingerprint import fingerprint
from edgekit.data.images import LazyImages, skipped_told
from edgekit.data.noise import limited, with_wrong_labels
from edgekit.data.splits import frozen, groups_of, hold_out, hold_out_groups, joined, take
from edgekit.errors import DataError, UnknownName
from edgekit.recipe import DataSection, NoiseSection
from edgekit.sections import AudioSection
from edgekit.types import Dataset, FrontEnd, InputSpec, RawData, ReadOptions, Split

# Sources that read a path, or what follows their prefix; all others are names themselves.
_PREFIXED = ("hf", "tfds")
_PATH_SOURCES = ("idx", "npz", "folder", "csv")
_EXPECTED = "a folder of images or clips by class, a folder with IDX files or train.csv, a .npz or .csv file, hf:NAME, tfds:NAME"


def load_section(section: DataSection, seed: int) -> Dataset:
    """`load` with the values of a recipe's data section."""
    values = {name: getattr(section, name) for name in DataSection.model_fields}
    own = values.pop("seed")
    return load(values.pop("spec"), seed=seed if own is None else own, **values)


def load(
    spec: str,
    *,
    val_fraction: float = 0.1,
    seed: int = 42,
    test_fraction: float = 0.2,
    image_size: tuple[int, int] | None = None,
    skip_bad: bool = False,
    leave_out: str | None = None,
    split_by: Literal["class", "group"] = "class",
    limit: int | None = None,
    noise: NoiseSection | None = None,
    audio: AudioSection | None = None,
    split: bool = True,
) -> Dataset:
    """Load a labeled data set of images or of audio clips.

    Args:
        spec: a named source (`registry.SOURCES`), a folder of images or clips, a CSV, IDX or .npz path, "hf:NAME" or "tfds:NAME".
        val_fraction: share of train held out; one half is val, the other cal, unless the source has its own.
        seed: of the split.
        test_fraction: share of all samples that becomes test where the source has none.
        image_size: (H, W) to resize all images to; None = as they are, and then all must be of one size.
        skip_bad: leave unreadable files out (`Dataset.skipped`), instead of an error that lists them.
        leave_out: the group that becomes test; all other samples of train and test are trained on.
        split_by: "class" keeps the class shares in the parts cut from train; "group" keeps each group on one side.
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
        _check(raw)
    except DataError as error:
        raise DataError(f"{error} {skipped_told(raw.skipped)}" if raw.skipped else str(error)) from None
    if not split:
        return _uncut(raw)
    whole, notes = raw, list(raw.notes)
    cut = hold_out_groups if split_by == "group" else hold_out
    if leave_out is not None:
        raw = _leave_out(raw, leave_out)
    elif raw.test is None:
        rest, held = cut(raw.train, test_fraction, seed, option="data.test_fraction")
        raw = dataclasses.replace(raw, train=rest, test=held)
        notes.append(
            f"The source has no test part: {len(held):,} of {len(rest) + len(held):,} samples were cut off as test."
        )
    if raw.front_end is not None and (leave_out is not None or whole.test is None):
        notes += _read_off_test(raw.front_end, audio)
    assert raw.test is not None
    train, val, cal, test = raw.train, raw.val, raw.cal, raw.test
    if val is None and cal is None and split_by == "group":
        # Each from train, not one from the other: what is held out may be a single group.
        train, val = cut(train, val_fraction / 2, seed)
        train, cal = cut(train, val_fraction / 2, seed)
    elif val is None and cal is None:
        number = len(train)
        train, held = cut(train, val_fraction, seed)
        try:
            val, cal = cut(held, 0.5, seed)
        except DataError:
            raise DataError(
                f"{val_fraction:.0%} of {number:,} training samples are too few for validation and calibration: each needs every "
                "class. Add samples, raise data.val_fraction, or give parts of your own."
            ) from None
    elif val is None:
        train, val = cut(train, val_fraction / 2, seed)
    elif cal is None:
        train, cal = cut(train, val_fraction / 2, seed)
    assert val is not None and cal is not None
    if shared := _shared_groups(train, test):
        notes.append(
            f"{len(shared)} groups are in both train and test, such as {shared[0]!r}; data.leave_out tests on a new one."
        )
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
        own_val=raw.val is not None,
        flipped=flipped,
        root=raw.root,
        skipped=raw.skipped,
        notes=tuple(notes),
    )


def _read_off_test(made: FrontEnd, audio: AudioSection) -> list[str]:
    """Where the test part is cut from the source's training clips, they have a say in what is read off them all."""
    read_off = {"clip_s": f"length, {made.clip_s:g} s", "sample_rate": f"sample rate, {made.sample_rate:,} Hz"}
    return [
        f"The clips' {told}, was taken from all clips, those of the test part too; data.audio.{name} fixes it."
        for name, told in read_off.items()
        if getattr(audio, name) is None
    ]


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


def _parts(raw: RawData) -> dict[str, Split]:
    parts = {"train": raw.train, "val": raw.val, "cal": raw.cal, "test": raw.test}
    return {name: split for name, split in parts.items() if split is not None}


def _resized(raw: RawData, size: tuple[int, int]) -> RawData:
    """The arrays of sources that hold arrays; those that decode files have done it already."""
    changed: dict[str, Any] = {
        name: dataclasses.replace(split, x=frozen(resize(split.x[:], size)))
        for name, split in _parts(raw).items()
        if not isinstance(split.x, LazyImages) and split.x.shape[1:3] != size
    }
    return dataclasses.replace(raw, **changed)


def _leave_out(raw: RawData, group: str) -> RawData:
    parts = _parts(raw)
    if any(split.group is None for split in parts.values()):
        groups_of(raw.train)  # the error, if train has none
        raise DataError(f"{raw.name}: only some parts have groups; data.leave_out needs one for every sample.")
    whole = joined(*parts.values())
    known = groups_of(whole)
    if group not in known:
        names = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
        raise DataError(f"{raw.name} has no group {group!r} to leave out; its groups are {names}.")

    def without(split: Split) -> Split:
        return take(split, np.flatnonzero(split.group != group))

    rest = without(joined(parts["train"], parts["test"]) if "test" in parts else parts["train"])
    own: dict[str, Any] = {name: without(parts[name]) for name in ("val", "cal") if name in parts}
    if empty := next((name for name, split in own.items() if not len(split)), None):
        raise DataError(f"{raw.name}: {empty} has only samples of the group {group!r}, which is left out.")
    test = take(whole, np.flatnonzero(whole.group == group))
    changed = dataclasses.replace(raw, train=rest, test=test, **own)
    _check(changed)
    return changed


def _shared_groups(train: Split, test: Split) -> list[str]:
    if train.group is None or test.group is None:
        return []
    return sorted(set(train.group.tolist()) & set(test.group.tolist()))


def _check(raw: RawData) -> None:
    classes = len(raw.classes)
    shape = raw.train.x.shape[1:]
    parts = _parts(raw)
    noun = "images" if raw.front_end is None else "clips"
    for name, split in parts.items():
        if len(split) == 0:
            raise DataError(f"{raw.name}: {name} has no samples.")
        if split.x.shape[1:] != shape:
            raise DataError(f"{raw.name}: {name} {noun} are {split.x.shape[1:]}, but train {noun} are {shape}.")
        if split.y.min() < 0 or split.y.max() >= classes:
            raise DataError(
                f"{raw.name}: {name} labels run from {split.y.min()} to {split.y.max()}; expected 0 to {classes - 1}."
            )
        if split.group is not None and len(split.group) != len(split):
            raise DataError(f"{raw.name}: {name} has {len(split)} samples but {len(split.group)} groups.")
    if split_types := {split.x.dtype.name for split in parts.values()} - {raw.train.x.dtype.name}:
        raise DataError(
            f"{raw.name}: train images are {raw.train.x.dtype}, others {', '.join(split_types)}; use one type."
        )
    ids, counts = np.unique(np.concatenate([split.ids for split in parts.values()]), return_counts=True)
    if len(twice := ids[counts > 1]):
        raise DataError(
            f"{raw.name}: {len(twice):,} ids occur more than once, such as {str(twice[0])!r}; ids must differ."
        )
    if len(set(raw.classes)) < classes:
        name = next(name for name in raw.classes if raw.classes.count(name) > 1)
        raise DataError(f"{raw.name}: two classes are named {name!r}; names must differ.")
    if classes < 2:
        raise DataError(f"{raw.name} has {classes} class; a classifier needs at least 2.")
    empty = np.flatnonzero(np.bincount(raw.train.y, minlength=classes) == 0)
    if empty.size:
        names = ", ".join(f"{raw.classes[k]!r} (label {k})" for k in empty[:5])
        raise DataError(
            f"{raw.name}: no training sample of {names}; every class needs some, or remove it from the classes."
        )
