"""A folder with MNIST-style IDX files (gzip or not). An optional labels.txt names the classes, one per line."""

from __future__ import annotations

from pathlib import Path

from edgekit.data import idx
from edgekit.data.splits import class_names, split_of
from edgekit.errors import DataError
from edgekit.types import RawData, ReadOptions


def read(spec: str, options: ReadOptions) -> RawData:
    """Read the IDX folder at `spec`; raises DataError like `idx.read_folder`."""
    folder = Path(spec)
    parts = idx.read_folder(folder)
    names = folder / "labels.txt"
    try:
        lines = tuple(names.read_text().split("\n")) if names.is_file() else ()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{names} cannot be read as text: {error}.") from None
    given = tuple(line.strip() for line in lines if line.strip())
    return RawData(
        name=folder.resolve().name,
        source=f"IDX folder {folder}",
        classes=class_names(given, *(y for _, y in parts.values())),
        train=split_of("train", *parts["train"]),
        test=split_of("test", *parts["test"]),
    )
