"""Where a run was made: versions, git revision and machine, for manifest.json."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# What a build cannot run without, as checked by `edgekit doctor`.
NEEDED = (
    "tensorflow",
    "keras",
    "tf-keras",
    "tensorflow-model-optimization",
    "ai-edge-litert",
    "onnx",
    "onnxruntime",
    "tf2onnx",
)
_PACKAGES = ("edgekit", *NEEDED, "jax", "numpy", "scipy", "scikit-learn")


def versions(*packages: str) -> dict[str, str]:
    """Installed versions, without importing anything; missing packages are left out."""
    installed = {}
    for package in packages or _PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed


def framework_versions(backend: str) -> dict[str, str]:
    """The versions that affect the result of training with `backend`."""
    return {
        "backend": backend,
        **versions("keras", backend, "numpy", *(("jaxlib",) if backend == "jax" else ())),
    }


def environment() -> dict[str, Any]:
    """edgekit and library versions, the git revision edgekit runs from (if any) and the machine."""
    import psutil

    return {
        "edgekit": version("edgekit"),
        "versions": versions(),
        "git_revision": _git_revision(),
        "machine": {
            "system": platform.platform(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "memory_bytes": psutil.virtual_memory().total,
            "python": platform.python_version(),
        },
    }


def _git_revision() -> str | None:
    here = Path(__file__).resolve().parents[1]
    try:
        done = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (done.stdout.strip() or None) if _is_our_checkout(here) else None


def _is_our_checkout(package: Path) -> bool:
    """Whether the package is in its own repository, not in a virtual environment inside another one."""
    return package.parts[-2:] == ("toolkit", "edgekit") and (package.parents[1] / ".git").exists()
