"""Image files for tests, written as a user's program would write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def save(path: Path, value: int = 0, size: tuple[int, int] = (8, 8), mode: str = "L", **options) -> Path:
    """A noisy picture of (H, W) whose mean is near `value`; the same for the same arguments."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([value, *size])
    shape = size if mode == "L" else (*size, 3)
    Image.fromarray(np.clip(value + rng.integers(-9, 10, shape), 0, 255).astype(np.uint8)).save(path, **options)
    return path


def classes(root: Path, names: tuple[str, ...] = ("cat", "dog"), each: int = 20, **options) -> Path:
    """root/<class>/<number>.png, `each` of every class, all different."""
    for k, name in enumerate(names):
        for i in range(each):
            save(root / name / f"{i:03}.png", 1 + k * each + i, **options)
    return root
