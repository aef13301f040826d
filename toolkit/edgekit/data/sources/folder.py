"""A folder of images or clips by class: `root/<class>/...`, or `root/train/<class>/...` beside `test/`, `val/` and `cal/`.

The parts may be written in any case, and `training/`, `testing/`, `valid/`, `validation/` and `calibration/` too. In the layout
of Speech Commands, `testing_list.txt` and `validation_list.txt` name the clips of test and val, and `_background_noise_/` is no
class.

Images are PNG, JPEG, BMP or WebP at any depth under their class, clips WAV, FLAC or OGG; if there are both, the more numerous
kind is the data set. Ids are paths relative to the root. An optional `groups.csv` at the root (`path,group`) says who or what
each sample comes from. Without a test part the test part is cut from train (data.test_fraction).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.data import tables
from edgekit.data.audio import reading
from edgekit.data.audio.clips import is_audio, raw_parts
from edgekit.data.decode import SUFFIXES
from edgekit.data.images import read_images
from edgekit.data.labels import names_in_order
from edgekit.data.listing import files_in, loose_files, subfolders, unused_files_notes
from edgekit.data.splits import PART_NAMES, parts_of
from edgekit.errors import DataError
from edgekit.types import RawData, ReadOptions

_LISTS = {"testing_list.txt": "test", "validation_list.txt": "val"}
_NOISE = "_background_noise_"
GROUPS = "groups.csv"
_KINDS = "PNG, JPEG, BMP or WebP image, and no WAV, FLAC or OGG file"


def read(spec: str, options: ReadOptions) -> RawData:
    """Read the folder of images or clips at `spec`.

    Raises:
        DataError: no samples, an empty class, only one class, a test class that train lacks, unreadable files or folders,
            sizes that differ without `options.image_size`.
    """
    root = Path(spec)
    named, notes = _folders(root)
    files: list[str] = []
    labels: list[str] = []
    parts: list[str] = []
    folders: list[str] = []
    listed = {} if "" not in named else _listed(root)
    others = loose_files(root, ignored=(GROUPS, *_LISTS) if listed else (GROUPS,))
    for folder, part in named.items():
        others += loose_files(root / folder) if folder else Counter()
        names = subfolders(root / folder)
        if not names and part == "train":
            raise DataError(f"{root / folder} has no class folders; samples go into {root / folder}/<class>/.")
        if not names:
            notes.append(f"{root / folder} has no class folders, so its files have no labels and are not used.")
        if _NOISE in names:
            names.remove(_NOISE)
            notes.append(f"{root / folder / _NOISE} holds noise to mix in, so it is no class: not used.")
        for label in names:
            listing = files_in(root / folder / label, SUFFIXES + reading.SUFFIXES)
            if not listing.files:
                raise DataError(f"The class folder {root / folder / label} has no {_KINDS}.")
            prefix = f"{folder}/{label}/" if folder else f"{label}/"
            files += [prefix + name for name in listing.files]
            labels += [label] * len(listing.files)
            parts += [part] * len(listing.files)
            folders += [prefix] * len(listing.files)
            others += listing.others
    if listed:
        parts = [listed.get(name, part) for name, part in zip(files, parts, strict=True)]
        if lost := sorted(set(listed) - set(files)):
            raise DataError(
                f"{root}: its lists of parts name {len(lost):,} files that are not there, such as {lost[0]!r}."
            )
        notes.append(f"{' and '.join(name for name in _LISTS if (root / name).is_file())} in {root} decide the parts.")
    sound = 2 * sum(map(is_audio, files)) > len(files)
    chosen = [i for i, name in enumerate(files) if is_audio(name) == sound]
    others += Counter(Path(name).suffix.lower() for name in files if is_audio(name) != sound)
    if lacking := sorted(set(folders) - {folders[i] for i in chosen}):
        kind = "clip" if sound else "image"
        raise DataError(
            f"The class folder {root / lacking[0]} has no {kind}, but others have; a data set must have one kind."
        )
    files, labels, parts = ([each[i] for i in chosen] for each in (files, labels, parts))
    notes += (
        unused_files_notes(others, str(root), "clips of a class (WAV, FLAC, OGG)")
        if sound
        else unused_files_notes(others, str(root))
    )
    return _read(root, files, np.array(labels), np.array(parts), options, notes)


def _read(
    root: Path,
    files: list[str],
    labels: NDArray[np.str_],
    parts: NDArray[np.str_],
    options: ReadOptions,
    notes: list[str],
) -> RawData:
    classes = names_in_order(labels[parts == "train"])
    if not classes:
        raise DataError(f"{root} has no samples to train on: its lists of parts name all of them.")
    if len(classes) == 1:
        inner = root / Path(files[int(np.argmax(parts == "train"))]).parts[0]
        inner = inner if inner.name == classes[0] else inner / classes[0]
        hint = f" Its folders may be the classes: --data {inner}." if subfolders(inner) else ""
        raise DataError(f"{root} has samples of one class only, {classes[0]!r}; a classifier needs at least 2.{hint}")
    for part in ("test", "val", "cal"):
        if strange := sorted(set(labels[parts == part].tolist()) - set(classes)):
            raise DataError(
                f"{root}: {part} has the class {strange[0]!r}, which train lacks (train has {_some(classes)})."
            )
    group = _groups(root, files)
    number = {name: k for k, name in enumerate(classes)}
    y = np.array([number[label] for label in labels.tolist()], np.int64)
    if is_audio(files[0]):
        parts_read = raw_parts(root, files, y, parts, group, options)
        parts_read["notes"] = (*notes, *parts_read["notes"])
        return RawData(name=root.resolve().name, source=f"audio folder {root}", classes=classes, **parts_read)
    x, good, skipped = read_images(
        lambda i: (root / files[i]).read_bytes(),
        lambda i: files[i],
        len(files),
        size=options.image_size,
        skip_bad=options.skip_bad,
    )
    ids = np.array(files)[good]
    return RawData(
        name=root.resolve().name,
        source=f"image folder {root}",
        classes=classes,
        skipped=skipped,
        notes=tuple(notes),
        **parts_of(parts[good], x, y[good], ids, None if group is None else group[good]),
    )


def _folders(root: Path) -> tuple[dict[str, str], list[str]]:
    """(folder -> the part whose classes it holds, "" = all of `root` is train; notes)."""
    top = subfolders(root)
    named = {name: PART_NAMES[name.lower()] for name in top if name.lower() in PART_NAMES}
    if "train" not in named.values():
        if named:
            raise DataError(
                f"{root} has {', '.join(named)}/ but no train/; put the training samples into train/<class>/."
            )
        named = {"": "train"}
    if len(set(named.values())) < len(named):
        raise DataError(f"{root} has two folders of one part ({', '.join(named)}); keep only one.")
    notes: list[str] = []
    if "" not in named and (unused := [name for name in top if name not in named]):
        train = next(name for name, part in named.items() if part == "train")
        notes.append(f"{root} has {train}/, so these folders next to it are not used: {', '.join(unused[:5])}.")
    return named, notes


def _listed(root: Path) -> dict[str, str]:
    """Path below `root` -> its part, as the lists in the layout of Speech Commands say; {} = there are none."""
    found: dict[str, str] = {}
    for name, part in _LISTS.items():
        if not (root / name).is_file():
            continue
        try:
            lines = (root / name).read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{root / name} cannot be read as text: {error}.") from None
        for path in filter(None, map(str.strip, lines)):
            if found.setdefault(path, part) != part:
                raise DataError(f"{path!r} is in both {' and '.join(_LISTS)} of {root}; a sample has one part.")
    return found


def _groups(root: Path, files: list[str]) -> NDArray[np.str_] | None:
    path = root / GROUPS
    if not path.is_file():
        return None
    rows = tables.read_rows(path, needed=("path", "group"))
    known: dict[str, str] = {}
    for line, row in rows:
        name = Path(row["path"]).as_posix()
        if known.setdefault(name, row["group"]) != row["group"]:
            raise DataError(
                f"{path}, line {line}: {name!r} has the group {row['group']!r} here and {known[name]!r} above; a sample has one."
            )
    missing = [name for name in files if name not in known]
    if missing:
        raise DataError(
            f"{path} has no line for {len(missing):,} files, the first {missing[0]!r}; every sample needs one."
        )
    return np.array([known[name] for name in files])


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
