"""The bundle for ONNX Runtime: the .onnx, a session in a few lines, and the Python package of the Pi with its self-test."""

from __future__ import annotations

from edgekit.bundle import document, layout
from edgekit.bundle.golden import Golden
from edgekit.bundle.subject import Subject
from edgekit.inference import onnxrt


def files(subject: Subject, golden: Golden, license: str | None) -> dict[str, bytes]:
    """The content of every file but the manifest."""
    content = onnxrt.whole(subject.artifact.path)
    return {
        **layout.common(subject, content, document.metadata(subject, golden, content, license)),
        **layout.golden_files(subject, golden),
        **layout.copied("python"),
        **layout.copied("onnx"),
        **layout.filled("onnx", **layout.readme_values(subject, golden)),
    }
