"""CSV files: rows by column name with their line numbers, and tables of pixels read with Arrow for speed.

UTF-8 with or without a byte order mark, a header line, comma-separated, fields quoted or not, blank lines allowed.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError

# Columns that describe an image; all other columns of a table with labels are its pixels.
DESCRIBING = ("label", "group", "split")
_HEADERS = "label,pixel0,pixel1 or path,label"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PixelTable:
    """x: (N, H, W, 1) uint8. described: column -> (N,) str, of the columns in DESCRIBING that the file has."""

    x: NDArray[np.uint8]
    described: dict[str, NDArray[np.str_]]


def header(path: Path) -> list[str]:
    """The column names, as written except for spaces around them.

    Raises:
        DataError: the file cannot be read, is empty, has no header line or other separators, or two columns have the same name.
    """
    names = next((row for _, row in _lines(path)), None)
    if names is None:
        raise DataError(f"{path} is empty; expected a header line such as {_HEADERS}.")
    if other := next((sep for sep in ";\t|" if len(names) == 1 and sep in names[0]), None):
        raise DataError(
            f"{path} separates its columns by {other!r}; expected commas. Save it again as comma-separated CSV."
        )
    counted = names[0].isdigit() and names == [str(int(names[0]) + i) for i in range(len(names))]
    if all(_is_number(name) for name in names) and not counted:  # pandas numbers columns without names
        raise DataError(
            f"{path} has no header line: its first line is {_some(names)}. Put one first, such as {_HEADERS}."
        )
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"{path} has two columns named {twice!r}; names must differ.")
    return names


def read_rows(path: Path, needed: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """(line number, column -> text) of each row; columns in `needed` are never empty, and Windows' paths are read as such.

    Raises:
        DataError: as for `header`, or a column is missing, or a row is invalid; with its line number.
    """
    names = header(path)
    if missing := [name for name in needed if name not in names]:
        raise DataError(f"{path} has no column {missing[0]!r}; its columns are {', '.join(names[:8])}.")
    rows = []
    for line, values in _rows(path, names):
        row = dict(zip(names, values, strict=True))
        if empty := next((name for name in needed if not row[name]), None):
            raise DataError(f"{path}, line {line}: {empty} is empty.")
        if "\\" in row.get("path", "") and not (path.parent / row["path"]).exists():
            row["path"] = row["path"].replace("\\", "/")
        rows.append((line, row))
    if not rows:
        raise DataError(f"{path} has a header but no rows.")
    return rows


def read_pixels(path: Path, size: tuple[int, int] | None) -> PixelTable:
    """Read a table with one image per row, in the Kaggle form `label,pixel0,pixel1,...`; columns not in DESCRIBING are pixels.

    Args:
        size: (H, W) if known to have as many pixels; else the images are square.

    Raises:
        DataError: as for `header`, or not square, or a value that is not a whole number from 0 to 255; with its line number.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow

    names = header(path)
    pixels = [name for name in names if name not in DESCRIBING]
    height, width = _shape(path, len(pixels), size)
    raw = next(row for _, row in _lines(path, strip=False))  # Arrow looks up columns by their names as written
    try:
        table = arrow.read_csv(
            path,
            read_options=arrow.ReadOptions(block_size=16 * 1024**2),
            convert_options=arrow.ConvertOptions(
                column_types={
                    written: pa.string() if name in DESCRIBING else pa.uint8()
                    for written, name in zip(raw, names, strict=True)
                },
                null_values=[],
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(_first_fault(path, names) or f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from None
    if not table.num_rows:
        raise DataError(f"{path} has a header but no rows.")
    table = table.rename_columns(names)
    x = np.empty((table.num_rows, len(pixels)), np.uint8)
    for i, name in enumerate(pixels):
        x[:, i] = table.column(name).to_numpy()
    described = {
        name: np.char.strip(np.array(table.column(name).to_pylist(), dtype=str)) for name in DESCRIBING if name in names
    }
    if any((values == "").any() for values in described.values()):
        raise DataError(_first_fault(path, names) or f"{path} has an empty field.")
    return PixelTable(x=x.reshape(-1, height, width, 1), described=described)


def _shape(path: Path, pixels: int, size: tuple[int, int] | None) -> tuple[int, int]:
    if size and size[0] * size[1] == pixels:
        return size
    side = math.isqrt(pixels)
    if pixels < 4 or side * side != pixels:
        raise DataError(
            f"{path} has {pixels} pixel columns, which do not form a square gray image; expected label,pixel0,pixel1,... or "
            "path,label. If the images are not square, pass --image-size HxW."
        )
    return side, side


def _first_fault(path: Path, names: list[str]) -> str:
    """What is wrong in the first row that Arrow could not read; "" if nothing is found."""
    try:
        for line, values in _rows(path, names):
            for name, value in zip(names, values, strict=True):
                if name in DESCRIBING and not value:
                    return f"{path}, line {line}: {name} is empty."
                if name not in DESCRIBING and not (value.isdigit() and int(value) <= 255):
                    return f"{path}, line {line}: {name} is {value!r}; expected a whole number from 0 to 255."
    except DataError as error:
        return str(error)
    return ""


def _rows(path: Path, names: list[str]) -> Iterator[tuple[int, list[str]]]:
    lines = _lines(path)
    next(lines)
    for line, values in lines:
        if len(values) != len(names):
            raise DataError(f"{path}, line {line}: {len(values)} fields, but the header has {len(names)} columns.")
        yield line, values


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _some(names: list[str]) -> str:
    return ",".join(names[:4]) + (",..." if len(names) > 4 else "")


def _lines(path: Path, *, strip: bool = True) -> Iterator[tuple[int, list[str]]]:
    line = 0
    try:
        with open(path, "rb") as start:
            if start.read(2) in _UTF_16:
                raise DataError(f"{path} is encoded in UTF-16; expected UTF-8. Save it again as CSV in UTF-8.")
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                if any("\0" in field for field in row):  # as csv itself says up to Python 3.10
                    raise csv.Error("line contains NUL")
                line = reader.line_num
                if row and any(row):
                    yield line, [field.strip() if strip else field for field in row]
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}, line {line + 1}: not readable as CSV in UTF-8 ({error}).") from None
