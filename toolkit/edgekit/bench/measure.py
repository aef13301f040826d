"""artifacts + targets -> measurements."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgekit import registry
from edgekit.recipe import BenchSection
from edgekit.types import Artifact, Measurement


def measure(artifacts: Sequence[Artifact], plan: BenchSection, image: NDArray[np.float32]) -> list[Measurement]:
    """Measure the artifacts on every target of the plan, one target after the other.

    Raises:
        UnknownName: a target is not in the table.
        TargetError: a target could not be reached or measured.
    """
    return [row for target in plan.targets for row in registry.load("targets", target)(artifacts, plan, image)]


def slug(target: str) -> str:
    """A file name for a target: its letters, digits, dots and dashes, and 8 hex digits of its digest against mix-ups."""
    readable = re.sub(r"[^a-z0-9.]+", "-", target.lower()).strip("-.")
    return f"{readable}-{hashlib.sha256(target.encode()).hexdigest()[:8]}"
