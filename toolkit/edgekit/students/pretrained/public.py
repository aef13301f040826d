"""Public weights by name, such as `--weights imagenet`: a file on this machine, downloaded once to where Keras looks for it.

The files are those of keras.applications without their heads, trained on pixels in [-1, 1] in RGB. They are downloaded without
Keras, before any work starts: Keras' own download has no time limit, verifies none of these files and takes seconds to import.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

from edgekit import registry
from edgekit.errors import DataError, IntegrityError
from edgekit.recipe import StudentSection
from edgekit.runs.files import write_atomic

# BASE_WEIGHT_PATH of keras/src/applications/mobilenet_v2.py, with the sides of the images that its files were trained on.
SERVER = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
_SIDES = (96, 128, 160, 192, 224)
_ALPHAS = {"035-1280": "0.35", "050-1280": "0.5"}
_TIMEOUT_SECONDS = 30
_MAGIC = b"\x89HDF\r\n\x1a\n"


def start_of(student: StudentSection, input_shape: tuple[int, int, int]) -> Path | None:
    """Where the file that the student's training starts from is, or will be; None = random weights.

    Raises:
        DataError: public weights are for images of 1 or 3 colors, and these have a different number.
    """
    if student.weights not in registry.PUBLIC_WEIGHTS:
        return Path(student.start) if student.start else None
    if input_shape[2] not in (1, 3):
        raise DataError(
            f"Weights {student.weights!r} are for networks with gray or RGB images; the data have {input_shape[2]} channels."
        )
    return _cache() / file_name(student.width, max(input_shape[:2]))


def fetched(student: StudentSection, input_shape: tuple[int, int, int]) -> Path | None:
    """`start_of`, downloading public weights that are not there yet.

    Raises:
        DataError: they cannot be downloaded, or as for `start_of`.
        IntegrityError: the download or the file already there is not valid. DiskFull: no space left for it.
    """
    path = start_of(student, input_shape)
    if path is None or student.weights not in registry.PUBLIC_WEIGHTS:
        return path
    url = SERVER + path.name
    if not path.is_file():
        _fetch(url, path)
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise IntegrityError(f"{path} is not an HDF5 file; expected the weights {url}. Remove it, or replace it.")
    return path


def file_name(width: str, side: int) -> str:
    """Keras' file name for a width and the images' longer side: the one for the nearest side it was trained on."""
    nearest = min(_SIDES, key=lambda known: abs(known - side))
    return f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{_ALPHAS[width]}_{nearest}_no_top.h5"


def _cache() -> Path:
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def _fetch(url: str, path: Path) -> None:
    try:
        # The standard library's, which goes through HTTPS_PROXY and gives the headers.
        with urllib.request.build_opener().open(url, timeout=_TIMEOUT_SECONDS) as answer:
            content, hashes = answer.read(), answer.headers.get_all("x-goog-hash") or []
    except urllib.error.HTTPError as error:
        error.close()
        raise _missing(url, path, f"HTTP {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise _missing(url, path, str(getattr(error.reason, "strerror", None) or error.reason)) from None
    except (
        OSError,
        HTTPException,
        ValueError,
    ) as error:  # while reading: a broken connection, an invalid proxy address
        raise _missing(url, path, str(error) or type(error).__name__) from None
    _check(url, content, ",".join(hashes))
    try:
        write_atomic(path, content)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written: {error.strerror}. Set KERAS_HOME to a folder that you can write to, or download {url} by "
            "hand and pass the file with --weights FILE."
        ) from None


def _missing(url: str, path: Path, reason: str) -> DataError:
    # A message of urllib may contain a proxy's password.
    reason = re.sub(r"//[^/@\s]+@", "//", reason.splitlines()[0] if reason else "no answer")
    return DataError(
        f"{url} could not be downloaded ({reason}). Set HTTPS_PROXY if this network has a proxy, or download it by hand and put "
        f"it into {path.parent} (or wherever KERAS_HOME points), or pass the file with --weights FILE."
    )


def _check(url: str, content: bytes, hashes: str) -> None:
    """Compare with the digest that the server reports for its file: Keras pins none for these networks."""
    match = re.search(r"md5=([A-Za-z0-9+/]+=*)", hashes)
    digest = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
    if not content.startswith(_MAGIC) or (match and match.group(1) != digest):
        what = f"its MD5 is {digest}, the server's {match.group(1)}" if match else "it is not an HDF5 file"
        raise IntegrityError(
            f"{url} was not downloaded correctly ({what}); nothing was kept. Try again, or download it by hand and pass the file "
            "with --weights FILE."
        )
