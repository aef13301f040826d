"""The classifier: a file, its input and the interpretation of its output, all as in metadata.json."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import images, runtime, sounds
from .errors import Refused
from .files import below

FOLDER = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Answer:
    """top: (label, probability), best first. accepted: whether the largest output reaches the operating threshold; None if
    none was chosen. calibrated: the best label's probability after the temperature; None if none was fitted."""

    top: list[tuple[str, float]]
    accepted: bool | None
    calibrated: float | None


class Classifier:
    """Opens the file of a bundle after checking its SHA-256; raises Refused if that is not the recorded one."""

    def __init__(self, folder: Path = FOLDER, threads: int = 1) -> None:
        self.folder = folder
        self.metadata: dict[str, Any] = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
        name = self.metadata["bundle"]["model"]
        self.path, self.entry = below(folder, name), self.metadata["artifacts"][name]
        if hashlib.sha256(self.path.read_bytes()).hexdigest() != self.entry["sha256"]:
            raise Refused(f"{self.path} is not the file that metadata.json describes; copy the bundle again.")
        self.classes: list[str] = self.metadata["classes"]
        self.given, self.result = self.entry["inputs"][0], self.entry["outputs"][0]
        self._run, self.runtime = runtime.opened(self.path, threads)

    def read(self, path: Path) -> Any:
        """(n, ...) inputs in real numbers from a file: one for an image, one for each segment of a clip."""
        preprocessing = self.metadata["preprocessing"]
        if preprocessing["kind"] == "image":
            return self.pixels(images.read(path, tuple(preprocessing["shape"]), preprocessing["tall_first"]))
        if "waveform" not in self.entry:
            raise Refused("this file expects features, which metadata.json describes and your program computes.")
        return sounds.read(path, preprocessing["front_end"])

    def pixels(self, x: Any) -> Any:
        """(h, w, 1 or 3) uint8 of a camera or file -> (1, H, W, C) float32 in the model's input range."""
        preprocessing = self.metadata["preprocessing"]
        low, high = preprocessing["range"]
        fitted = images.fitted(x, tuple(preprocessing["shape"]), preprocessing["tall_first"])
        real = fitted[None].astype(np.float32) / np.float32(255)
        return real if (low, high) == (0, 1) else real * np.float32(high - low) + np.float32(low)

    def tensor(self, real: Any) -> Any:
        """Real numbers -> input tensor: round(real / scale) + zero_point, saturated; floats pass unchanged."""
        dtype, scale = np.dtype(self.given["dtype"]), self.given["scale"]
        if scale == 0:
            return real.astype(dtype)
        limits = np.iinfo(dtype)
        return np.clip(np.round(real / np.float32(scale)) + self.given["zero_point"], limits.min, limits.max).astype(
            dtype
        )

    def raw(self, tensor: Any) -> Any:
        """(n, ...) input tensors -> (n, K) output tensors, one sample at a time."""
        return np.concatenate([self._run(tensor[i : i + 1]).copy() for i in range(len(tensor))])

    def probabilities(self, raw: Any) -> Any:
        """(n, K) output tensors -> (n, K) float64 probabilities."""
        real = raw.astype(np.float32)
        if self.result["scale"] != 0:
            real = (real - self.result["zero_point"]) * np.float32(self.result["scale"])
        return _softmax(real) if self.metadata["output"]["kind"] == "logits" else real.astype(np.float64)

    def answer(self, real: Any) -> Answer:
        """The answer for one input, or for the segments of one clip, whose probabilities are averaged."""
        p = self.probabilities(self.raw(self.tensor(real))).mean(axis=0)
        order = np.argsort(-p, kind="stable")
        calibration, operating = self.entry.get("calibration"), self.entry.get("operating")
        calibrated = None
        if calibration and calibration["fitted"]:
            floor = calibration["floor"] or np.finfo(np.float64).tiny
            calibrated = float(_softmax(np.log(np.maximum(p, floor))[None] / calibration["temperature"])[0, order[0]])
        accepted = None
        if operating:
            threshold = operating["threshold"]
            accepted = threshold is not None and bool(p[order[0]] >= threshold)
        return Answer(
            top=[(self.classes[k], float(p[k])) for k in order.tolist()], accepted=accepted, calibrated=calibrated
        )


def _softmax(logits: Any) -> Any:
    e = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
