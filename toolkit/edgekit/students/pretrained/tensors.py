"""Tensors by name from third-party .safetensors or .npz files: nothing is unpickled, anything odd is refused before reading."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import EdgekitError, IntegrityError, MissingExtra, RecipeError

Array = NDArray[np.float32]
SUFFIXES = (".safetensors", ".npz")
# Several times the largest published network as float32: a larger file is not a network, and would fill the memory.
_MOST_BYTES = 2 * 1024**3
_ENCRYPTED = 0x1  # of a zip member's flag bits


def arrays(path: Path) -> dict[str, Array]:
    """All tensors of a .safetensors or .npz file by their names, as float32.

    Raises:
        RecipeError: no such file, another suffix, or a tensor that is not floating point or is empty.
        IntegrityError: the file is damaged, not a plain .npz, too large, or contains values that are not finite.
        MissingExtra: a .safetensors file, and the package is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise RecipeError(
            f"{path.name} must be a .safetensors or .npz file. A PyTorch .pt or .pth file may run code when it is read; save its "
            "state_dict as .safetensors on the machine it came from."
        )
    if not path.is_file():
        raise RecipeError(f"The checkpoint {path} does not exist.")
    by_name = _safetensors(path) if path.suffix == ".safetensors" else _npz(path)
    return {name: _float32(path, name, array) for name, array in by_name.items()}


def _float32(path: Path, name: str, array: NDArray[np.floating]) -> Array:
    if array.dtype.kind != "f":
        raise RecipeError(f"Tensor {name!r} of {path.name} is {array.dtype}; expected floating point.")
    if not array.ndim or not array.size:
        raise RecipeError(
            f"Tensor {name!r} of {path.name} has the shape {array.shape}; expected axes, and none of size 0."
        )
    with np.errstate(over="ignore"):
        values = np.asarray(array, np.float32)
    if not np.isfinite(values).all():
        raise IntegrityError(f"Tensor {name!r} of {path.name} contains values that are not finite as float32.")
    return values


def _safetensors(path: Path) -> dict[str, NDArray[np.floating]]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError:
        raise MissingExtra("Reading a .safetensors file", "safetensors") from None
    try:
        by_name: dict[str, NDArray[np.floating]] = load_file(path)
    # A TypeError or KeyError: a number format that NumPy does not have.
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise IntegrityError(
            f"{path.name} cannot be read as .safetensors: {str(error) or type(error).__name__}"
        ) from error
    return by_name


def _npz(path: Path) -> dict[str, NDArray[np.floating]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _refuse_odd(path, members)
            by_name: dict[str, NDArray[np.floating]] = {}
            for member in members:
                with archive.open(member) as stream:
                    by_name[member.filename.removesuffix(".npy")] = np.lib.format.read_array(stream, allow_pickle=False)
            return by_name
    except EdgekitError:
        raise
    # For damaged files zipfile, zlib and NumPy's header parser raise a dozen types, and MemoryError for a false shape.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise IntegrityError(f"{path.name} cannot be read as .npz: {reason}") from error


def _refuse_odd(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse what numpy.savez does not write, before anything is unpacked."""
    names = [member.filename for member in members]
    for member in members:
        odd = {
            "is not an .npy array": not member.filename.endswith(".npy"),
            "is encrypted": bool(member.flag_bits & _ENCRYPTED),
            "uses another compression": member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
            "occurs twice": names.count(member.filename) > 1,
        }
        if problems := [what for what, is_so in odd.items() if is_so]:
            raise IntegrityError(
                f"{path.name} cannot be read as .npz: its member {member.filename!r} {problems[0]}; expected a numpy.savez file."
            )
    if (total := sum(member.file_size for member in members)) > _MOST_BYTES:
        raise IntegrityError(
            f"{path.name} unpacks to {total:,} bytes; expected at most {_MOST_BYTES:,}, several times the largest published "
            "network."
        )
