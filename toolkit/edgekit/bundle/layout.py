"""The files that every bundle has, and the templates for the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from edgekit.bundle import golden as goldens
from edgekit.bundle.golden import Golden
from edgekit.bundle.measured import measured
from edgekit.bundle.subject import Subject

_TEMPLATES = Path(__file__).parent / "templates"


def common(subject: Subject, content: bytes, metadata: Mapping[str, Any], prefix: str = "") -> dict[str, bytes]:
    """The model, labels.txt and metadata.json, under `prefix`."""
    labels = "".join(f"{name}\n" for name in subject.classifier.classes)
    return {
        f"{prefix}{subject.artifact.name}": content,
        f"{prefix}labels.txt": labels.encode(),
        f"{prefix}metadata.json": as_json(metadata),
    }


def golden_files(subject: Subject, golden: Golden, prefix: str = "golden/") -> dict[str, bytes]:
    """The golden vectors with golden.json, under `prefix`."""
    contents = goldens.files(golden)
    contents["golden.json"] = as_json(goldens.document(golden, subject.classifier.classes))
    return {f"{prefix}{name}": content for name, content in contents.items()}


def copied(folder: str, prefix: str = "") -> dict[str, bytes]:
    """The files of a template folder that are copied unchanged; those to be filled in end in .j2."""
    root = _TEMPLATES / folder
    return {
        f"{prefix}{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix not in (".j2", ".pyc")
    }


def filled(folder: str, prefix: str = "", **values: Any) -> dict[str, bytes]:
    """The other files of that folder, filled in with `values`."""
    root = _TEMPLATES / folder
    # Not HTML: nothing is escaped automatically; the code templates escape what goes into literals (`c_string`).
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(root),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["c_string"] = c_string
    return {
        f"{prefix}{path.relative_to(root).as_posix().removesuffix('.j2')}": environment.get_template(
            path.relative_to(root).as_posix()
        )
        .render(values)
        .encode()
        for path in sorted(root.rglob("*.j2"))
    }


def readme_values(subject: Subject, golden: Golden) -> dict[str, Any]:
    """The values used in every README."""
    return {
        "name": subject.name,
        "artifact": subject.artifact,
        "classes": subject.classifier.classes,
        "golden": golden,
        "measured": measured(subject),
        "waveform": subject.is_waveform,
        "clips": subject.classifier.front_end is not None,
        "front_end": subject.classifier.front_end,
    }


def as_json(value: Any) -> bytes:
    """Indented JSON."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def c_string(text: str) -> str:
    """A C string literal: anything but plain ASCII is written in octal, which ends after three digits."""
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\?' else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(plain)}"'
