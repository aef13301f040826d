"""The bundle for a Raspberry Pi or another Linux device: a Python package that needs numpy and LiteRT, and a systemd unit."""

from __future__ import annotations

from edgekit.bundle import document, layout
from edgekit.bundle.golden import Golden
from edgekit.bundle.subject import Subject


def files(subject: Subject, golden: Golden, license: str | None) -> dict[str, bytes]:
    """The content of every file but the manifest."""
    content = subject.artifact.path.read_bytes()
    return {
        **layout.common(subject, content, document.metadata(subject, golden, content, license)),
        **layout.golden_files(subject, golden),
        **layout.copied("python"),
        **layout.filled("pi", **layout.readme_values(subject, golden)),
    }
