"""Does training compute faster in bfloat16, or through XLA, and from which size of network on? What does augmentation cost?

Goal: `training.precision=auto` takes the faster of float32 and bfloat16 for each width of the default student (a difference
under 10 % counts as none), and augmentation takes at most 20 % of a training step. The arms train the same network on the
shipped images in turn, one epoch to build the graph and one to time, three rounds; the ratio of each round is kept.
`--quick`: widths s and l, one round, without XLA.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from record import arguments, median, record, run, say
from sized import sized

from edgekit import data, students
from edgekit.data.splits import take
from edgekit.frameworks import backend
from edgekit.training import flops
from edgekit.training.augment import Augmentation
from edgekit.training.batches import Samples
from edgekit.training.fit import fit
from edgekit.types import Silent

ARMS = {"float32": ("float32", "off"), "bfloat16": ("bfloat16", "off"), "float32 with XLA": ("float32", "on")}
BATCH, CLOSE, MOST_AUGMENTATION = 128, 0.1, 0.2


def images_per_s(keras: Any, dataset: Any, train: Any, width: str, arm: str) -> float:
    """Of the second epoch, validation left out by keeping it tiny."""
    precision, xla = ARMS[arm]
    section = sized(dataset, "training.epochs=2", f"training.batch_size={BATCH}", f"training.xla={xla}").training
    backend.seed(keras, 0, deterministic=False)
    with backend.computing(keras, precision):
        model = students.build("students", "microresnet", keras, dataset.input.shape, 10, width=width)
        val = take(dataset.val, np.arange(10))
        samples = Samples(train=train, val=val, full=len(train))
        history = fit(keras, model, samples, section, augmentation=Augmentation(name="none"), seed=0, reporter=Silent())
    return len(train) / history["seconds"][1]


def augmentation_ms(x: Any, repeats: int) -> dict[str, float]:
    """Milliseconds for one batch, drawing included."""
    rng, found = np.random.default_rng(0), {}
    for name in ("shift-flip", "affine", "photo"):
        augmentation = Augmentation(name=name, cutout=0.25)
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            augmentation.apply(x, augmentation.draw(len(x), x.shape[1:], rng))
            seconds.append(time.perf_counter() - start)
        found[name] = round(1000 * median(seconds), 3)
    return found


def main() -> None:
    quick = arguments(__doc__).quick
    widths, rounds = quick.of((("xs", "s", "m", "l"), 3), (("s", "l"), 1), (("xs",), 1))
    arms = [arm for arm in ARMS if not (quick and "XLA" in arm)]
    keras, dataset = backend.load(), data.load("fashion-mnist-mini")
    train = take(dataset.train, np.arange(quick.of(3840, 256, 128)))
    raw: dict[str, dict[str, list[float]]] = {width: {arm: [] for arm in arms} for width in widths}
    for _ in range(rounds):
        for width in widths:
            for arm in arms:
                raw[width][arm].append(images_per_s(keras, dataset, train, width, arm))
                say(f"{width}, {arm}: {raw[width][arm][-1]:.0f} images/s")
    rows, right = {}, True
    for width, found in raw.items():
        model = students.build("students", "microresnet", keras, dataset.input.shape, 10, width=width)
        ratios = {
            arm: round(median([a / b for a, b in zip(found[arm], found["float32"], strict=True)]), 3)
            for arm in arms[1:]
        }
        macs = flops.macs(model)
        auto = backend.precision(keras, "auto", macs)
        faster = ratios["bfloat16"] > 1 + CLOSE if auto == "float32" else ratios["bfloat16"] < 1 - CLOSE
        right = right and not faster
        rows[width] = {"macs": macs, "auto": auto, "images_per_s": round(median(found["float32"])), **ratios}
    costs = augmentation_ms(train.x[:BATCH], quick.of(30, 30, 2))
    step_ms = 1000 * BATCH / rows.get("s", rows[widths[-1]])["images_per_s"]
    shares = {name: round(ms / step_ms, 3) for name, ms in costs.items()}
    detail = {"ratio_to_float32": rows, "augmentation_ms": costs, "augmentation_share_of_a_step_of_s": shares}
    met = None if quick else right and max(shares.values()) <= MOST_AUGMENTATION
    value = rows[widths[-1]]["bfloat16"]
    goal = "auto takes the faster one; augmentation <= 0.2 of a step"
    record("training_precision", value, "bfloat16 / float32 images per second, width l", goal, met, detail, raw, quick)


if __name__ == "__main__":
    run(main)
