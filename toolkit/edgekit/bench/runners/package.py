"""Which release of a Python package a library file is from, proven by its digest in the package's own list of files."""

from __future__ import annotations

import base64
import csv
from pathlib import Path

from edgekit.runs.files import sha256_file


def runtime_of(library: Path) -> str | None:
    """ "ai-edge-litert 2.3.0" for the libLiteRt.so of an unpacked wheel of that release; None for a file of unknown origin."""
    path = library.resolve()
    digest = base64.urlsafe_b64encode(bytes.fromhex(sha256_file(path))).decode().rstrip("=")
    for record in sorted(path.parent.parent.glob("*.dist-info/RECORD")):
        with record.open(newline="", encoding="utf-8", errors="replace") as file:
            listed = {row[0]: row[1] for row in csv.reader(file) if len(row) >= 2}
        if listed.get(f"{path.parent.name}/{path.name}") == f"sha256={digest}":
            name, _, version = record.parent.name.removesuffix(".dist-info").partition("-")
            return f"{name.replace('_', '-')} {version}"
    return None
