"""The real images shipped with edgekit: 10,000 + 2,000 of Fashion-MNIST, used when --data is not given."""

from __future__ import annotations

from pathlib import Path

from edgekit.data import idx
from edgekit.data.splits import split_of
from edgekit.errors import DataError
from edgekit.types import RawData, ReadOptions

_NAME = "fashion-mnist-mini"
_CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def folder() -> Path:
    """Where the shipped set is: inside the installed package, or in the source tree's calibration_data/."""
    package = Path(__file__).parents[2]
    for candidate in (package / "calibration_data" / _NAME, package.parents[1] / "calibration_data" / _NAME):
        if candidate.is_dir():
            return candidate
    raise DataError(
        f"The shipped data set {_NAME} is missing from this installation; reinstall edgekit or pass --data."
    )


def read(spec: str, options: ReadOptions) -> RawData:
    """Read the shipped set; `spec` is its name."""
    parts = idx.read_folder(folder())
    return RawData(
        name=_NAME,
        source="10,000 + 2,000 Fashion-MNIST images shipped with edgekit (Zalando Research, MIT)",
        classes=_CLASSES,
        train=split_of("train", *parts["train"]),
        test=split_of("test", *parts["test"]),
        mirrored=True,
    )
