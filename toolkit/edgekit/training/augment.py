"""Label-preserving augmentation in NumPy: cheap next to a training step and the same on every backend.

A view is one random variation of every image: `draw` determines it for all samples at once, `apply` computes it for a batch. So
a view can be reproduced, which means that a teacher has to predict it only once (training.distill).
"shift" moves an image by up to one 28th of its side (1 pixel at 28), "shift-flip" also mirrors half of them, "affine" rotates,
scales, shears and moves, for digits and other drawings, "photo" mirrors and moves by up to an eighth. "color" is "shift" with
a different contrast, brightness and balance of the channels; "color-flip" also mirrors. "audio" is for
audio features, (T, F, 1) (training.sound).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgekit.errors import UsageError
from edgekit.recipe import TrainingSection
from edgekit.training import sound
from edgekit.types import FrontEnd, InputSpec

# Rotation in radians, logarithm of the scale, shear, translation as a share of the side.
_ROTATION, _SCALE, _SHEAR, _MOVE = 0.21, 0.14, 0.14, 2.5 / 28
# Largest changes of contrast, brightness and single channels, as shares.
_CONTRAST, _BRIGHTNESS, _CHANNEL = 0.3, 0.2, 0.1
_PARTS = {
    "none": (),
    "shift": ("move",),
    "shift-flip": ("move", "flip"),
    "color": ("move", "color"),
    "color-flip": ("move", "flip", "color"),
    "photo": ("move", "flip"),
    "affine": ("affine",),
    "audio": ("sound",),
}


def resolve(name: str, *, mirrored: bool, front_end: FrontEnd | None = None) -> str:
    """The concrete augmentation for "auto": "audio" for audio, "shift-flip" if mirroring keeps the label, else "shift".

    Raises:
        UsageError: "audio" for images, or an image augmentation for audio.
    """
    if name == "auto":
        name = "audio" if front_end is not None else "shift-flip" if mirrored else "shift"
    if name != "none" and (name == "audio") != (front_end is not None):
        samples, fitting = ("images", "shift") if front_end is None else ("sound", "audio")
        raise UsageError(f"Augmentation {name!r} does not apply to {samples}; use {fitting!r}, 'auto' or 'none'.")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """name: a concrete name. cutout: side of a gray square, as a share of the image's (DeVries & Taylor, arXiv 1708.04552).

    front_end: the front end of the features that "audio" varies.
    """

    name: str
    cutout: float = 0.0
    front_end: FrontEnd | None = None

    def draw(self, samples: int, shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """One view: what happens to each of `samples` images of `shape` (H, W, C); arrays with `samples` rows."""
        height, width = shape[:2]
        drawn: dict[str, NDArray[Any]] = {}
        parts = _PARTS[self.name]
        if "move" in parts:
            share = 8 if self.name == "photo" else 28
            drawn["down"] = rng.integers(0, 2 * max(1, height // share) + 1, samples, dtype=np.int16)
            drawn["right"] = rng.integers(0, 2 * max(1, width // share) + 1, samples, dtype=np.int16)
        if "flip" in parts:
            drawn["flip"] = rng.random(samples) < 0.5
        if "affine" in parts:
            drawn["affine"] = rng.uniform(-1, 1, (samples, 6)).astype(np.float32)
        if "color" in parts:
            drawn["color"] = rng.uniform(-1, 1, (samples, 2 + shape[2])).astype(np.float32)
        if "sound" in parts:
            drawn |= sound.draw(samples, shape, rng)
        if self.cutout:
            drawn["top"] = rng.integers(0, height, samples, dtype=np.int16)
            drawn["left"] = rng.integers(0, width, samples, dtype=np.int16)
        return drawn

    def apply(self, x: NDArray[Any], view: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """(B, H, W, C) with `view`'s rows of these images -> same shape and dtype."""
        if "affine" in view:
            x = _affine(x, view["affine"])
        if "gain" in view:
            assert self.front_end is not None
            x = sound.vary(x, view, self.front_end)
        if "down" in view:
            x = _move(x, view["down"], view["right"], view.get("flip"), 8 if self.name == "photo" else 28)
        if "color" in view:
            x = _colored(x, view["color"])
        if "top" in view:
            x = _cut(x, view["top"], view["left"], self.cutout)
        return x


def augmentation_of(section: TrainingSection, spec: InputSpec) -> Augmentation:
    """How a training section varies the samples that `spec` describes. Raises UsageError, as `resolve` does."""
    name = resolve(section.augment, mirrored=spec.mirrored, front_end=spec.front_end)
    return Augmentation(name=name, cutout=section.cutout, front_end=spec.front_end)


def _move(
    x: NDArray[Any], down: NDArray[Any], right: NDArray[Any], flip: NDArray[Any] | None, share: int
) -> NDArray[Any]:
    count, height, width, _ = x.shape
    border = max(1, height // share), max(1, width // share)
    padded = np.pad(x, ((0, 0), (border[0], border[0]), (border[1], border[1]), (0, 0)), mode="edge")
    rows = np.arange(height) + down[:, None]
    columns = np.arange(width) + right[:, None]
    if flip is not None:
        columns = np.where(flip[:, None], columns[:, ::-1], columns)
    moved: NDArray[Any] = padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved


def _affine(x: NDArray[Any], draws: NDArray[np.float32]) -> NDArray[Any]:
    """Rotate, scale, shear and move about the center, bilinear, with black outside. draws: (B, 6) in [-1, 1]."""
    _, height, width, channels = x.shape
    turn, shear = draws[:, 0] * _ROTATION, draws[:, 1] * _SHEAR
    wide, tall = np.exp(draws[:, 2] * _SCALE), np.exp(draws[:, 3] * _SCALE)
    cos, sin = np.cos(turn), np.sin(turn)
    # Where the pixel (column, row) of the result comes from: a column + b row + c, d column + e row + f.
    a, b, d, e = cos * wide, (shear * cos - sin) * wide, sin * tall, (shear * sin + cos) * tall
    c = (1 - a) * width / 2 - b * height / 2 + draws[:, 4] * (_MOVE * width)
    f = (1 - e) * height / 2 - d * width / 2 + draws[:, 5] * (_MOVE * height)
    moved = np.empty_like(x)
    single = channels == 1 or x.dtype != np.uint8
    for image, out, factors in zip(x, moved, np.stack([a, b, c, d, e, f], axis=1).tolist(), strict=True):
        if single:
            for channel in range(channels):
                out[..., channel] = _transformed(np.ascontiguousarray(image[..., channel]), factors)
        else:
            out[...] = _transformed(image, factors)
    return moved


def _transformed(pixels: NDArray[Any], factors: list[float]) -> Any:
    """One (H, W) or (H, W, 3) image; Pillow's loop is several times faster than NumPy's gathering."""
    height, width = pixels.shape[:2]
    image = Image.fromarray(pixels)
    return image.transform((width, height), Image.Transform.AFFINE, factors, Image.Resampling.BILINEAR)


def _colored(x: NDArray[Any], draws: NDArray[np.float32]) -> NDArray[Any]:
    """Contrast about the image's mean, brightness, and the balance of the channels. draws: (B, 2 + C) in [-1, 1]."""
    changed = x.astype(np.float32)
    mean = changed.mean(axis=(1, 2, 3), keepdims=True)
    contrast, brightness = (
        1 + share * draws[:, i, None, None, None] for i, share in enumerate((_CONTRAST, _BRIGHTNESS))
    )
    changed = (changed - mean) * contrast + mean * brightness
    if x.shape[-1] > 1:
        changed *= 1 + _CHANNEL * draws[:, None, None, 2:]
    colored: NDArray[Any] = np.clip(changed, 0, 255 if x.dtype == np.uint8 else 1).astype(x.dtype)
    return colored


def _cut(x: NDArray[Any], top: NDArray[Any], left: NDArray[Any], share: float) -> NDArray[Any]:
    _, height, width, _ = x.shape
    tall, wide = max(1, round(share * height)), max(1, round(share * width))
    rows = np.abs(np.arange(height) - top[:, None].astype(np.int32)) * 2 < tall
    columns = np.abs(np.arange(width) - left[:, None].astype(np.int32)) * 2 < wide
    hidden = rows[:, :, None, None] & columns[:, None, :, None]
    gray = np.asarray(128 if x.dtype == np.uint8 else 0.5, x.dtype)
    cut: NDArray[Any] = np.where(hidden, gray, x)
    return cut
