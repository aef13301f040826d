"""Is edgekit's training loop faster than a plain `model.fit(x, y, batch_size=32)` of the same network?

Goal: at least 1.5 times the images per second, and no worse accuracy after the same number of epochs. Both arms train the
default student on the shipped training images, in turn, each in a fresh process; edgekit's time includes its augmentation and
its validation each epoch, and both include building the graph. Keras compiles with XLA by default; because that is the
slow part of the plain arm on CPU, a second plain arm switches it off, and its ratio is in the detail.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

from record import arguments, median, record, say

ARMS = ("edgekit", "plain", "plain_without_xla")


def arm(name: str, epochs: int, samples: int, seed: int) -> dict[str, float]:
    """Train one arm in this process; seconds of training and accuracy on the 1,000 held-out images (never test)."""
    import numpy as np

    from edgekit import backend, data, recipe, students
    from edgekit.data.pixels import to_float
    from edgekit.data.splits import take
    from edgekit.training.fit import fit
    from edgekit.training.signals import probabilities
    from edgekit.types import Silent

    dataset = data.load("fashion-mnist-mini")
    train = take(dataset.train, np.random.default_rng(0).permutation(len(dataset.train))[:samples])
    keras = backend.load()
    backend.seed(keras, seed, deterministic=False)
    model = students.build("students", "microresnet", keras, dataset.input.shape, 10)
    if name == "edgekit":
        section = recipe.load(settings=[f"training.epochs={epochs}"]).training
        start = time.perf_counter()
        fit(
            keras,
            model,
            train,
            dataset.val,
            section,
            full=len(train),
            seed=seed,
            augment="shift-flip",
            reporter=Silent(),
        )
    else:
        x = to_float(train.x)
        model.compile(
            optimizer="adam",
            loss="sparse_categorical_crossentropy",
            jit_compile=False if name == "plain_without_xla" else "auto",
        )
        start = time.perf_counter()
        model.fit(x, train.y, batch_size=32, epochs=epochs, verbose=0)
    seconds = time.perf_counter() - start
    right = [probabilities(model, s.x).argmax(axis=1) == s.y for s in (dataset.val, dataset.cal)]
    return {
        "seconds": seconds,
        "images_per_s": epochs * len(train) / seconds,
        "accuracy": float(np.concatenate(right).mean()),
    }


def main() -> None:
    if len(sys.argv) == 5:
        print(json.dumps(arm(sys.argv[1], *map(int, sys.argv[2:]))))
        return
    quick = arguments(__doc__).quick
    rounds, epochs, samples = (1, 1, 2000) if quick else (2, 6, 9000)
    raw: dict[str, list[dict[str, float]]] = {name: [] for name in ARMS}
    for seed in range(rounds):
        for name in ARMS:
            command = [sys.executable, __file__, name, str(epochs), str(samples), str(seed)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            raw[name].append(json.loads(done.stdout.splitlines()[-1]))
            say(f"{name}: {raw[name][-1]}")
    speed = {name: median([row["images_per_s"] for row in rows]) for name, rows in raw.items()}
    accuracy = {name: round(median([row["accuracy"] for row in rows]), 4) for name, rows in raw.items()}
    ratio = speed["edgekit"] / speed["plain"]
    detail = {
        "images_per_s": {name: round(value) for name, value in speed.items()},
        "accuracy": accuracy,
        "epochs": epochs,
        "ratio_to_plain_without_xla": round(speed["edgekit"] / speed["plain_without_xla"], 3),
    }
    met = (
        None if quick else ratio >= 1.5 and accuracy["edgekit"] >= max(accuracy["plain"], accuracy["plain_without_xla"])
    )
    record("training_throughput", ratio, "edgekit / plain fit", ">= 1.5, accuracy not worse", met, detail, raw, quick)


if __name__ == "__main__":
    main()
