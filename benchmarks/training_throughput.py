"""Is edgekit's training loop faster than a plain `model.fit(x, y, batch_size=32)` of the same network?

Goal: at least twice the images per second (half of the time of an epoch), and no worse accuracy after the same number of epochs.
Both arms train the default student on the shipped training images for the same epochs and seeds, in turn, each in a fresh
process. An epoch of edgekit includes its augmentation and its validation; the first epoch, which builds the graph, is left out
on both sides (the ratio of the whole fits, with it, is in the detail). A third arm, run once, is the plain fit with XLA.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import subprocess
import sys
import time
from typing import Any

from record import Case, arguments, median, record, run, say

ARMS = ("edgekit", "plain", "plain_with_xla")


def arm(name: str, epochs: int, samples: int, seed: int) -> dict[str, Any]:
    """Train one arm in this process; seconds of each epoch and accuracy on the 1,000 held-out images (never test)."""
    import numpy as np
    from sized import sized

    from edgekit import data, students
    from edgekit.data.pixels import to_float
    from edgekit.data.splits import take
    from edgekit.frameworks import backend
    from edgekit.training.augment import Augmentation
    from edgekit.training.batches import Samples
    from edgekit.training.fit import fit
    from edgekit.training.signals import probabilities
    from edgekit.types import Silent

    dataset = data.load("fashion-mnist-mini")
    train = take(dataset.train, np.random.default_rng(0).permutation(len(dataset.train))[:samples])
    keras = backend.load()
    backend.seed(keras, seed, deterministic=False)
    model = students.build("students", "microresnet", keras, dataset.input.shape, 10)
    start = time.perf_counter()
    if name == "edgekit":
        section = sized(dataclasses.replace(dataset, train=train), f"training.epochs={epochs}").training
        parts = Samples(train=train, val=dataset.val, full=len(train))
        options = {"augmentation": Augmentation(name="shift-flip"), "seed": seed, "reporter": Silent()}
        epoch_seconds = list(fit(keras, model, parts, section, **options)["seconds"])
    else:
        x, clock = to_float(train.x), [start]
        model.compile(
            optimizer="adam",
            loss="sparse_categorical_crossentropy",
            **({"jit_compile": True} if name == "plain_with_xla" else {}),
        )
        watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: clock.append(time.perf_counter()))
        model.fit(x, train.y, batch_size=32, epochs=epochs, verbose=0, callbacks=[watch])
        epoch_seconds = [b - a for a, b in itertools.pairwise(clock)]
    seconds = time.perf_counter() - start
    right = [probabilities(model, s.x).argmax(axis=1) == s.y for s in (dataset.val, dataset.cal)]
    return {
        "seconds": seconds,
        "epoch_seconds": epoch_seconds,
        "images_per_s": len(train) / median(epoch_seconds[1:]),
        "accuracy": float(np.concatenate(right).mean()),
    }


def main() -> None:
    if len(sys.argv) == 5:
        print(json.dumps(arm(sys.argv[1], *map(int, sys.argv[2:]))))
        return
    quick = arguments(__doc__).quick
    rounds, epochs, samples = quick.of((3, 8, 9000), (1, 3, 2000), (1, 2, 200))
    raw: dict[str, list[dict[str, Any]]] = {name: [] for name in ARMS}
    for seed in range(rounds):
        for name in ARMS:
            if name == "plain_with_xla" and (quick or seed):
                continue
            count = 3 if name == "plain_with_xla" else epochs
            if quick is Case.TINY:
                raw[name].append(arm(name, count, samples, seed))
                continue
            command = [sys.executable, __file__, name, str(count), str(samples), str(seed)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            raw[name].append(json.loads(done.stdout.splitlines()[-1]))
            say(f"{name}: {raw[name][-1]}")
    ran = {name: rows for name, rows in raw.items() if rows}
    speed = {name: median([row["images_per_s"] for row in rows]) for name, rows in ran.items()}
    accuracy = {name: round(median([row["accuracy"] for row in raw[name]]), 4) for name in ARMS[:2]}
    pairs = list(zip(raw["edgekit"], raw["plain"], strict=True))
    ratio = median([ours["images_per_s"] / plain["images_per_s"] for ours, plain in pairs])
    detail = {
        "images_per_s": {name: round(value) for name, value in speed.items()},
        "accuracy": accuracy,
        "epochs": epochs,
        "ratio_of_whole_fits": round(median([plain["seconds"] / ours["seconds"] for ours, plain in pairs]), 3),
    }
    met = None if quick else ratio >= 2 and accuracy["edgekit"] >= accuracy["plain"]
    record("training_throughput", ratio, "edgekit / plain fit", ">= 2, accuracy not worse", met, detail, raw, quick)


if __name__ == "__main__":
    run(main)
