"""The identity of a data set: SHA-256 over its samples, labels, ids and class names, independent of where the bytes came from."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from edgekit.data.images import LazyImages
from edgekit.types import FrontEnd, Split


def fingerprint(classes: tuple[str, ...], *splits: Split, front_end: FrontEnd | None = None) -> str:
    """SHA-256 (hexadecimal) of the splits' content, in the given order.

    For lazy images their encoded bytes are hashed, and for audio the files' bytes and the parameters of the front end:
    features may differ in their last bits from machine to machine.
    """
    digest = hashlib.sha256(json.dumps(list(classes)).encode())
    if front_end is not None:
        digest.update(front_end.digest.encode())
    for split in splits:
        digest.update(f"{split.x.dtype.str}{split.x.shape}".encode())
        if split.content is not None:
            digest.update(np.ascontiguousarray(split.content).data)
        elif isinstance(split.x, LazyImages):
            digest.update(split.x.digest())
        else:
            digest.update(np.ascontiguousarray(split.x).data)
        digest.update(np.ascontiguousarray(split.y, dtype="<i8").data)
        digest.update("\n".join(split.ids.tolist()).encode())
        if split.group is not None:
            digest.update("\n".join(split.group.tolist()).encode())
    return digest.hexdigest()


def sample_digest(x: np.ndarray) -> str:
    """SHA-256 (hexadecimal) of one sample's bytes."""
    return hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest()
