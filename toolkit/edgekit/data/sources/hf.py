"""`hf:NAME` of the Hugging Face Hub, or `hf:/local/folder` with parquet files or an image folder; needs the extra "hf".

The image column is the first of type Image; the label column is `label`, or the only ClassLabel; a column `group` is the group.
Only data files are read: no code of a data set is ever executed. Ids are `train/0`, `train/1`, ...
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.images import read_images
from edgekit.data.labels import names_in_order
from edgekit.data.splits import parts_of
from edgekit.errors import DataError
from edgekit.runs.cache import cache_root
from edgekit.types import RawData, ReadOptions

_PARTS = {
    "train": "train",
    "test": "test",
    "validation": "val",
    "valid": "val",
    "val": "val",
    "dev": "val",
    "cal": "cal",
}


def read(spec: str, options: ReadOptions) -> RawData:
    """Read the data set `spec`: what follows "hf:".

    Raises:
        DataError: it cannot be found or downloaded, has no train split, or no image and label column.
    """
    tables, notes = _splits(spec)
    image, label = _columns(spec, tables["train"].features)
    encoded = {part: table.select_columns([image]).cast_column(image, _undecoded()) for part, table in tables.items()}
    order = [(part, i) for part, table in tables.items() for i in range(len(table))]

    def content(number: int) -> bytes:
        part, i = order[number]
        held = encoded[part][i][image] or {}
        return held["bytes"] if held.get("bytes") is not None else Path(held["path"]).read_bytes()

    x, good, skipped = read_images(
        content,
        lambda number: "{}/{}".format(*order[number]),
        len(order),
        size=options.image_size,
        skip_bad=options.skip_bad,
    )
    names = getattr(tables["train"].features[label], "names", None)
    given = np.concatenate([np.array(table[label][:], dtype=None if names else str) for table in tables.values()])
    classes = tuple(names or names_in_order(given.tolist()))
    number = {name: k for k, name in enumerate(classes)}
    y = given.astype(np.int64) if names else np.array([number[name] for name in given.tolist()], np.int64)
    group: NDArray[np.str_] | None = None
    if all("group" in table.features for table in tables.values()):
        group = np.concatenate([np.array(table["group"][:], dtype=str) for table in tables.values()])
    return RawData(
        name=Path(spec).name,
        source=f"Hugging Face data set {spec}",
        classes=classes,
        skipped=skipped,
        notes=notes,
        **parts_of(
            np.array([part for part, _ in order])[good],
            x,
            y[good],
            np.array(["{}/{}".format(*each) for each in order])[good],
            None if group is None else group[good],
        ),
    )


def _splits(spec: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    import datasets

    shown = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = Path(spec).expanduser()
            if path.suffix == ".parquet" and path.is_file():
                splits = datasets.load_dataset(
                    "parquet", data_files=str(path), cache_dir=str(cache_root() / "data" / "hf")
                )
            else:
                splits = datasets.load_dataset(
                    str(path) if path.is_dir() else spec, cache_dir=str(cache_root() / "data" / "hf")
                )
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise DataError(f"hf:{spec} cannot be loaded: {str(error).splitlines()[0]}") from None
    finally:
        if not shown:
            datasets.enable_progress_bars()
    tables: dict[str, Any] = {}
    notes = []
    for name, table in splits.items():
        part = _PARTS.get(str(name))
        if part is None or part in tables:
            notes.append(f"hf:{spec}: the split {name!r} is not used.")
        else:
            tables[part] = table
    if "train" not in tables:
        raise DataError(f"hf:{spec} has no train split; it has {', '.join(map(str, splits))}.")
    _, label = _columns(spec, tables["train"].features)
    for part in [part for part in tables if part != "train"]:
        # The Hub's convention for labels that are withheld.
        if label not in tables[part].features or set(np.unique(tables[part][label][:]).tolist()) == {-1}:
            notes.append(f"hf:{spec}: {part} has no labels and is not used.")
            del tables[part]
    return tables, tuple(notes)


def _undecoded() -> Any:
    import datasets

    return datasets.Image(decode=False)


def _columns(spec: str, features: Any) -> tuple[str, str]:
    import datasets

    images = [name for name, kind in features.items() if isinstance(kind, datasets.Image)]
    labels = [name for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    if not images:
        raise DataError(f"hf:{spec} has no image column; its columns are {', '.join(features)}.")
    if "label" in features:
        return images[0], "label"
    if len(labels) == 1:
        return images[0], labels[0]
    raise DataError(f"hf:{spec} has no column 'label'; its columns are {', '.join(features)}.")
