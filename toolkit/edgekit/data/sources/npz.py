"""A NumPy .npz file: x_train, y_train and optionally x_test, y_test, x_val, y_val, x_cal, y_cal, group_*, classes.

Images are (N, H, W) or (N, H, W, C), uint8, or float in [0, 1]; labels are integers from 0. Never unpickled.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.splits import class_names, split_of
from edgekit.errors import DataError
from edgekit.types import RawData, ReadOptions, Split


def read(spec: str, options: ReadOptions) -> RawData:
    """Read the .npz file at `spec`. Raises DataError for a missing, damaged or pickled part."""
    path = Path(spec)
    arrays = read_arrays(path)
    missing = [key for key in ("x_train", "y_train") if key not in arrays]
    if missing:
        raise DataError(f"{path} has no {', '.join(missing)}; it contains {', '.join(sorted(arrays)) or 'nothing'}.")
    for part in ("test", "val", "cal"):
        if (f"x_{part}" in arrays) != (f"y_{part}" in arrays):
            raise DataError(f"{path} has only one of x_{part} and y_{part}; provide both or neither.")
    given = tuple(str(name) for name in np.ravel(arrays["classes"])) if "classes" in arrays else ()
    labels = [_labels(arrays[f"y_{part}"], f"{path}: y_{part}") for part in ("train", "test") if f"y_{part}" in arrays]
    return RawData(
        name=path.stem,
        source=f".npz file {path}",
        classes=class_names(given, *labels),
        train=_split(arrays, "train", path),
        test=_split(arrays, "test", path) if "x_test" in arrays else None,
        val=_split(arrays, "val", path) if "x_val" in arrays else None,
        cal=_split(arrays, "cal", path) if "x_cal" in arrays else None,
    )


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        # Opened here, since NumPy leaves the file open if the archive is damaged.
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise DataError(f"{path} is a single array, not a .npz file with named ones.")
            return {key: file[key] for key in file.files}
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is not a readable .npz file: {error}.") from None
    except ValueError:
        raise DataError(
            f"{path} is not an .npz file, or contains Python objects or a damaged array; save plain arrays."
        ) from None


def _labels(y: NDArray[Any], where: str) -> NDArray[np.int64]:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise DataError(f"{where} must be one integer label per sample, found shape {y.shape} of {y.dtype}.")
    return y.astype(np.int64)


def images_of(x: NDArray[Any], where: str) -> NDArray[Any]:
    """(N, H, W, C) uint8 or float32 in [0, 1] from a stored array. Raises DataError that names `where`."""
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4:
        raise DataError(f"{where} must be (N, H, W) or (N, H, W, C), found shape {x.shape}.")
    if x.dtype.kind == "f":
        x = x.astype(np.float32)
        if not np.isfinite(x).all():
            raise DataError(f"{where} contains NaN or infinity ({int((~np.isfinite(x)).sum())} values).")
        if x.size and (x.min() < 0 or x.max() > 1):
            raise DataError(
                f"{where} has floats from {x.min():g} to {x.max():g}; floats must be in [0, 1]. "
                "Divide by 255, or save the pixels as uint8."
            )
    elif x.dtype != np.uint8:
        raise DataError(f"{where} has dtype {x.dtype}; expected uint8 pixels, or floats in [0, 1].")
    return x


def _split(arrays: dict[str, NDArray[Any]], part: str, path: Path) -> Split:
    x = images_of(arrays[f"x_{part}"], f"{path}: x_{part}")
    y = _labels(arrays[f"y_{part}"], f"{path}: y_{part}")
    if len(x) != len(y):
        raise DataError(f"{path}: {part} has {len(x)} images but {len(y)} labels; they must match.")
    group = arrays.get(f"group_{part}")
    if group is not None and group.shape != y.shape:
        raise DataError(
            f"{path}: group_{part} must have one group per sample, found shape {group.shape} for {len(y)} samples."
        )
    return split_of(part, x, y, group)
