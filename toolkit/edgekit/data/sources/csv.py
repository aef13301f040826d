"""A CSV file, or a folder with `train.csv`: pixels (`label,pixel0,pixel1,...`, the Kaggle Digit Recognizer form) or a list of
files, images or clips (`path,label` and optionally `group` and `split`, paths relative to the CSV). Paths may lead anywhere: the
list is the user's own, and files are only decoded as images or clips.

`test.csv` beside `train.csv` is the test part if it has labels. Without one, test is cut from train (data.test_fraction).
Ids are `train/0`, `train/1`, ... for pixels, in file order, and the paths for files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.data import tables
from edgekit.data.audio.clips import is_audio, raw_parts
from edgekit.data.images import read_images
from edgekit.data.labels import names_in_order
from edgekit.data.splits import PART_NAMES, parts_of
from edgekit.errors import DataError
from edgekit.types import RawData, ReadOptions


def read(spec: str, options: ReadOptions) -> RawData:
    """Read the CSV file or folder at `spec`.

    Raises:
        DataError: neither form, an invalid row (with its line number), or images that cannot be read.
    """
    path, other, notes = _files(Path(spec))
    if "path" in tables.header(path):
        return _of_files(path, other, options, notes)
    return _of_pixels(path, other, options, notes)


def _files(path: Path) -> tuple[Path, Path | None, tuple[str, ...]]:
    """(train, labeled test or None, notes)."""
    if not path.is_dir():
        return path, None, ()
    train, test = path / "train.csv", path / "test.csv"
    if not test.is_file():
        return train, None, ()
    if "label" in tables.header(test):
        return train, test, ()
    return (
        train,
        None,
        (f"{test} has no labels: test is cut from train.csv. The file can be used as an unlabeled pool.",),
    )


def _of_pixels(path: Path, other: Path | None, options: ReadOptions, notes: tuple[str, ...]) -> RawData:
    if "label" not in tables.header(path):
        raise DataError(
            f"{path} has no column 'label'; expected a header such as label,pixel0,pixel1,... or path,label."
        )
    files = [path] if other is None else [path, other]
    read = [tables.read_pixels(file, options.image_size) for file in files]
    if read[-1].x.shape[1:] != read[0].x.shape[1:]:
        raise DataError(
            f"{path} and {other} have images of different sizes: {read[0].x.shape[1:3]}, {read[1].x.shape[1:3]}."
        )
    parts = np.concatenate(
        [
            _part_names(table.described["split"], file) if "split" in table.described else np.full(len(table.x), name)
            for table, file, name in zip(read, files, ("train", "test"), strict=False)
        ]
    )
    groups = [table.described.get("group") for table in read]
    classes, y = _labels(path, np.concatenate([table.described["label"] for table in read]), parts)
    ids = np.concatenate([np.char.add(f"{name}/", np.arange(len(table.x)).astype(str))
                          for table, name in zip(read, ("train", "test"), strict=False)])  # fmt: skip
    return RawData(
        name=_name(path),
        source=f"CSV file {path}" + (f" and {other.name}" if other else ""),
        classes=classes,
        notes=notes,
        **parts_of(
            parts,
            np.concatenate([table.x for table in read]),
            y,
            ids,
            None if any(g is None for g in groups) else np.concatenate([g for g in groups if g is not None]),
        ),
    )


def _of_files(path: Path, other: Path | None, options: ReadOptions, notes: tuple[str, ...]) -> RawData:
    names: list[str] = []
    labels: list[str] = []
    parts: list[str] = []
    groups: list[str] = []
    where: dict[str, str] = {}
    for file, part in ((path, "train"), (other, "test")):
        if file is None:
            continue
        for line, row in tables.read_rows(file, needed=("path", "label")):
            name = Path(row["path"]).as_posix()
            if name in where:
                raise DataError(
                    f"{file}, line {line}: {name!r} is already listed ({where[name]}); expected one line per sample."
                )
            where[name] = f"{file.name}, line {line}"
            if "split" in row and row["split"].lower() not in PART_NAMES:
                raise DataError(f"{file}, line {line}: split is {row['split']!r}; expected {', '.join(PART_NAMES)}.")
            if "group" in row and not row["group"]:
                raise DataError(f"{file}, line {line}: group is empty.")
            names.append(name)
            labels.append(row["label"])
            parts.append(PART_NAMES[row["split"].lower()] if "split" in row else part)
            groups += [row["group"]] if "group" in row else []
    classes, y = _labels(path, np.array(labels), np.array(parts))
    group = np.array(groups) if len(groups) == len(names) else None
    if (clips := sum(map(is_audio, names))) == len(names):
        parts_read = raw_parts(path.parent, names, y, np.array(parts), group, options)
        parts_read["notes"] = notes + parts_read["notes"]
        source = f"CSV file {path}, {len(names):,} clips"
        return RawData(name=_name(path), source=source, classes=classes, **parts_read)
    if clips:
        raise DataError(
            f"{path} lists {clips:,} clips among {len(names) - clips:,} other files; a data set must have one kind."
        )
    x, good, skipped = read_images(
        lambda i: (path.parent / names[i]).read_bytes(),
        lambda i: names[i],
        len(names),
        size=options.image_size,
        skip_bad=options.skip_bad,
    )
    return RawData(
        name=_name(path),
        source=f"CSV file {path}, {len(names):,} files",
        classes=classes,
        skipped=skipped,
        notes=notes,
        **parts_of(
            np.array(parts)[good],
            x,
            y[good],
            np.array(names)[good],
            None if group is None else group[good],
        ),
    )


def _labels(path: Path, labels: NDArray[np.str_], parts: NDArray[np.str_]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    classes = names_in_order(labels[parts == "train"])
    if strange := sorted(set(labels.tolist()) - set(classes)):
        raise DataError(f"{path}: no training sample has the label {strange[0]!r}, but other samples do.")
    number = {name: k for k, name in enumerate(classes)}
    return classes, np.array([number[label] for label in labels.tolist()], np.int64)


def _part_names(split: NDArray[np.str_], path: Path) -> NDArray[np.str_]:
    if strange := sorted({name for name in split.tolist() if name.lower() not in PART_NAMES}):
        raise DataError(f"{path}: split is {strange[0]!r} in a row; expected {', '.join(PART_NAMES)}.")
    return np.array([PART_NAMES[name.lower()] for name in split.tolist()])


def _name(path: Path) -> str:
    return path.resolve().parent.name if path.name == "train.csv" else path.stem
