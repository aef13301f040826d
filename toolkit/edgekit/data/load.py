"""spec -> Dataset: find the source, check the data, cut validation and calibration parts, fingerprint all of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekit import registry
from edgekit.data.fingerprint import fingerprint
from edgekit.data.splits import hold_out
from edgekit.errors import DataError, UnknownName
from edgekit.types import Dataset, InputSpec, RawData, Split

_PATH_SOURCES = ("idx", "npz")


def load(spec: str, *, val_fraction: float = 0.1, seed: int = 42) -> Dataset:
    """Load a labeled image data set.

    Args:
        spec: a named source (`registry.SOURCES`), an IDX folder or a .npz file.
        val_fraction: share of train held out by class; one half is val, the other cal, unless the source has its own.
        seed: of the split.

    Returns:
        A Dataset whose arrays are read-only; x is (N, H, W, C) uint8 or float32 in [0, 1].

    Raises:
        UnknownName: `spec` is neither a name nor an existing path.
        DataError: files are missing or damaged, labels are out of range, or a class has no training sample.
    """
    raw = _read(spec)
    _check(raw)
    train, val, cal = raw.train, raw.val, raw.cal
    if val is None and cal is None:
        train, held = hold_out(train, val_fraction, seed)
        val, cal = hold_out(held, 0.5, seed)
    elif val is None:
        train, val = hold_out(train, val_fraction / 2, seed)
    elif cal is None:
        train, cal = hold_out(train, val_fraction / 2, seed)
    assert val is not None and cal is not None
    _, height, width, channels = train.x.shape
    return Dataset(
        name=raw.name,
        source=raw.source,
        classes=raw.classes,
        input=InputSpec(shape=(height, width, channels), mirrored=raw.mirrored),
        train=train,
        val=val,
        cal=cal,
        test=raw.test,
        fingerprint=fingerprint(raw.classes, train, val, cal, raw.test),
    )


def _read(spec: str) -> RawData:
    if spec in registry.SOURCES and spec not in _PATH_SOURCES:
        source = spec
    else:
        path = Path(spec).expanduser()
        if path.is_dir():
            source = "idx"
        elif path.is_file():
            if path.suffix != ".npz":
                raise DataError(
                    f"{spec} is not a data set that edgekit reads: expected a folder with IDX files or a .npz file."
                )
            source = "npz"
        elif "/" in spec or path.suffix:
            raise DataError(
                f"{spec} does not exist: expected a folder with IDX files, a .npz file or a named data set."
            )
        else:
            raise UnknownName("data set", spec, [name for name in registry.SOURCES if name not in _PATH_SOURCES])
        spec = str(path)
    raw: RawData = registry.load("sources", source)(spec)
    return raw


def _check(raw: RawData) -> None:
    classes = len(raw.classes)
    shape = raw.train.x.shape[1:]
    parts: dict[str, Split | None] = {"train": raw.train, "val": raw.val, "cal": raw.cal, "test": raw.test}
    for name, split in parts.items():
        if split is None:
            continue
        if len(split) == 0:
            raise DataError(f"{raw.name}: {name} has no samples.")
        if split.x.shape[1:] != shape:
            raise DataError(f"{raw.name}: {name} images are {split.x.shape[1:]}, but train images are {shape}.")
        if split.y.min() < 0 or split.y.max() >= classes:
            raise DataError(
                f"{raw.name}: {name} labels run from {split.y.min()} to {split.y.max()}; expected 0 to {classes - 1}."
            )
    if split_types := {split.x.dtype.name for split in parts.values() if split is not None} - {raw.train.x.dtype.name}:
        raise DataError(
            f"{raw.name}: train images are {raw.train.x.dtype}, others {', '.join(split_types)}; use one type."
        )
    if len(set(raw.classes)) < classes:
        twice = next(name for name in raw.classes if raw.classes.count(name) > 1)
        raise DataError(f"{raw.name}: two classes are named {twice!r}; names must differ.")
    if classes < 2:
        raise DataError(f"{raw.name} has {classes} class; a classifier needs at least 2.")
    empty = np.flatnonzero(np.bincount(raw.train.y, minlength=classes) == 0)
    if empty.size:
        names = ", ".join(f"{raw.classes[k]!r} (label {k})" for k in empty[:5])
        raise DataError(
            f"{raw.name}: no training sample of {names}; every class needs some, or remove it from the classes."
        )
