"""`tfds:NAME` of TensorFlow Datasets, or `tfds:/prepared/folder` (with dataset_info.json); needs the extra "tfds".

Read as a random-access source, which needs no TensorFlow in this process. Preparing a set that is not there yet does need it,
and runs in a separate process. Image and label are the features `image` and `label`; `group` is the group. Ids are `train/0`, ...
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.data.images import read_images
from edgekit.data.splits import parts_of
from edgekit.errors import DataError
from edgekit.runs.cache import cache_root
from edgekit.types import RawData, ReadOptions

_PARTS = {"train": "train", "test": "test", "validation": "val", "valid": "val", "val": "val", "cal": "cal"}
_PREPARE = (
    "import sys, tensorflow_datasets as tfds; "
    "tfds.builder(sys.argv[1], data_dir=sys.argv[2], file_format='array_record').download_and_prepare()"
)


def read(spec: str, options: ReadOptions) -> RawData:
    """Read the data set `spec`: what follows "tfds:".

    Raises:
        DataError: no such set or folder, it cannot be downloaded, is not image classification, or is not in array_record files.
    """
    import tensorflow_datasets as tfds

    builder = _builder(spec)
    features = builder.info.features
    for key in ("image", "label"):
        if key not in features:
            raise DataError(f"tfds:{spec} has no feature {key!r}; it has {', '.join(features)}.")
    tables: dict[str, Any] = {}
    notes = []
    for name in builder.info.splits:
        part = _PARTS.get(name)
        if part is None or part in tables:
            notes.append(f"tfds:{spec}: the split {name!r} is not used.")
            continue
        try:
            tables[part] = builder.as_data_source(split=name, decoders={"image": tfds.decode.SkipDecoding()})
        except (NotImplementedError, OSError) as error:
            raise DataError(
                f"tfds:{spec} does not allow random access: {str(error).splitlines()[0]}. Prepare it with "
                f"`tfds build {builder.info.name} --file_format=array_record`."
            ) from None
    if "train" not in tables:
        raise DataError(f"tfds:{spec} has no train split; it has {', '.join(builder.info.splits)}.")
    order = [(part, i) for part, table in tables.items() for i in range(len(table))]
    x, good, skipped = read_images(
        lambda number: tables[order[number][0]][order[number][1]]["image"],
        lambda number: "{}/{}".format(*order[number]),
        len(order),
        size=options.image_size,
        skip_bad=options.skip_bad,
    )
    rows = [tables[part][i] for part, i in (order[number] for number in good)] if "group" in features else None
    labels = np.array([tables[order[number][0]][order[number][1]]["label"] for number in good], np.int64)
    return RawData(
        name=builder.info.name,
        source=f"TensorFlow Datasets {builder.info.full_name}",
        classes=tuple(features["label"].names),
        skipped=skipped,
        notes=tuple(notes),
        **parts_of(
            np.array([order[number][0] for number in good]),
            x,
            labels,
            np.array(["{}/{}".format(*order[number]) for number in good]),
            None if rows is None else np.array([_text(row["group"]) for row in rows]),
        ),
    )


def _builder(spec: str) -> Any:
    import tensorflow_datasets as tfds

    if (Path(spec).expanduser() / "dataset_info.json").is_file():
        return tfds.builder_from_directory(str(Path(spec).expanduser()))
    if "/" in spec and Path(spec).expanduser().is_dir():
        raise DataError(f"tfds:{spec} is not a prepared data set: the folder has no dataset_info.json.")
    root = os.environ.get("TFDS_DATA_DIR") or str(cache_root() / "data" / "tfds")
    try:
        builder = tfds.builder(spec, data_dir=root, file_format="array_record")
    except ValueError as error:  # DatasetNotFoundError is one; its message continues with every known name
        raise DataError(f"tfds:{spec}: {str(error).splitlines()[0]}") from None
    if not builder.is_prepared():
        _prepare(spec, root)
        builder = tfds.builder(spec, data_dir=root, file_format="array_record")
    return builder


def _prepare(spec: str, root: str) -> None:
    # Not `tfds build`, which imports apache_beam, which tensorflow-datasets does not depend on.
    command = [sys.executable, "-c", _PREPARE, spec, root]
    print("$", *command, file=sys.stderr, flush=True)
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise DataError(f"tfds:{spec} could not be prepared: {last}")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
