"""Do weights trained on Fashion-MNIST help microresnet-s where there are 200 samples, and does training the head first?

Goal: more than 1 point of test accuracy on the mean over 12 sets against random weights, and no kind of data worse for it. The
sets: 200 balanced samples of MNIST, of drawings made here, and of CIFAR-10 in gray and in color, 3 draws each; 2,000 test
samples. All arms take 1,400 steps of 32 samples: from random weights; from trained ones, all layers at once; and from trained
ones, the head first and then all layers at a tenth of the rate, as `--weights` does it. Float accuracy.

EDGEKIT_DATA=... python benchmarks/pretrained_small.py [--quick] [--resume] [--weights FILE.keras]

--weights: where the weights trained on Fashion-MNIST stay. --resume: take them, and the rows of a run that was broken off.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from drawings import drawings
from numpy.typing import NDArray
from PIL import Image
from record import RESULTS, Case, parser, record, run, say
from scipy import stats
from sized import sized

from edgekit import data, recipe, students
from edgekit.data.pixels import to_float
from edgekit.data.splits import take
from edgekit.frameworks import backend
from edgekit.training import phases, transfer
from edgekit.training.augment import Augmentation, resolve
from edgekit.training.batches import Samples
from edgekit.training.fit import fit
from edgekit.types import Dataset, Silent, Split

NAME, WIDTH = "pretrained_small", "s"
TRAIN, VAL, TEST = 200, 50, 2_000
STEPS, EPOCHS, BATCH, RATE = 1_000, 10, 32, 4e-3
DRAWS, HEAD, PRETRAINING_EPOCHS = 3, 0.2, 8
PART = RESULTS / f"{NAME}.part.json"
ARMS = ("random", "all at once", "head first")
CLASSES = 6  # of the drawings
Pixels = NDArray[np.uint8]


def balanced(labels: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of `count` samples, each class as often as the others (or once more)."""
    order = rng.permutation(len(labels))
    rank = np.empty(len(labels), np.int64)
    for k in np.unique(labels):
        rank[order[labels[order] == k]] = np.arange((labels == k).sum())
    return order[np.argsort(rank[order], kind="stable")][:count]


def split(name: str, x: Pixels, y: NDArray[np.int64]) -> Split:
    return Split(x=x, y=y, ids=np.array([f"{name}/{i}" for i in range(len(y))]))


def of_dataset(dataset: Dataset, *, gray: bool, draw: int) -> tuple[Split, Split, Split]:
    """200 + 50 samples of train and 2,000 of test; the draws are other samples of train and test."""
    rng = np.random.default_rng([draw, 5])

    def taken(part: Split, count: int) -> tuple[Pixels, NDArray[np.int64]]:
        index = balanced(part.y, count, rng)
        x = np.asarray(part.x[np.sort(index)])
        if gray:
            x = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in x])[..., None]
        back = np.argsort(np.argsort(index))
        return x[back], part.y[index]

    x, y = taken(dataset.train, TRAIN + VAL)
    return (
        split("train", x[:TRAIN], y[:TRAIN]),
        split("val", x[TRAIN:], y[TRAIN:]),
        split("test", *taken(dataset.test, TEST)),
    )


def of_drawings(draw: int, quick: Case) -> tuple[Split, Split, Split]:
    rng, test = np.random.default_rng([draw, 77]), quick.of(TEST, TEST, 60)
    each = -(-(TRAIN + VAL + test) // CLASSES)
    x, y = drawings(np.full(CLASSES, each), rng)
    some = balanced(y, TRAIN + VAL, rng)
    others = np.setdiff1d(np.arange(len(y)), some)[:test]
    parts = {"train": some[:TRAIN], "val": some[TRAIN:], "test": others}
    train, val, test = (split(name, x[rows], y[rows]) for name, rows in parts.items())
    return train, val, test


def kinds(quick: Case) -> dict[str, tuple[Callable[[int], tuple[Split, Split, Split]], bool]]:
    """Kind of data -> (what makes a draw of it, whether its labels survive mirroring)."""
    sets = {"drawings": (lambda draw: of_drawings(draw, quick), False)}
    if quick is Case.TINY:
        return sets
    mnist, cifar = data.load("mnist"), data.load("cifar10-jpeg")
    return {
        "mnist": (lambda draw: of_dataset(mnist, gray=False, draw=draw), False),
        **sets,
        "cifar10-gray": (lambda draw: of_dataset(cifar, gray=True, draw=draw), True),
        "cifar10": (lambda draw: of_dataset(cifar, gray=False, draw=draw), True),
    }


def accuracy(model: Any, part: Split) -> float:
    return float((model.predict(to_float(part.x[:]), batch_size=500, verbose=0).argmax(axis=1) == part.y).mean())


def pretrain(keras: Any, path: Path, epochs: int, *, quick: Case) -> dict[str, Any]:
    """Fashion-MNIST's training part, less the 10 % for validation, as a build trains on it; its test part judges.

    A tiny case leaves the weights random.
    """
    name = quick.of("fashion-mnist", "fashion-mnist", "fashion-mnist-mini")
    start, dataset = time.perf_counter(), data.load(name)
    train = take(dataset.train, np.arange(quick.of(len(dataset.train), 6_000, 200)))
    section = sized(dataclasses.replace(dataset, train=train), f"training.epochs={epochs}").training
    backend.seed(keras, 0, deterministic=False)
    model = students.build("students", "microresnet", keras, (28, 28, 1), 10, WIDTH)
    found: dict[str, Any] = {"epochs": epochs, "samples": len(train)}
    if quick is not Case.TINY:
        samples = Samples(train=train, val=dataset.val, full=len(train))
        fit(keras, model, samples, section, augmentation=Augmentation(name="shift-flip"), seed=0, reporter=Silent())
        found["test_accuracy"] = accuracy(model, dataset.test)
    model.save(path)
    found["seconds"] = round(time.perf_counter() - start, 1)
    say(f"trained on Fashion-MNIST: {found}")
    return found


def trained(
    keras: Any, parts: tuple[Split, Split, Split], arm: str, weights: Path, draw: int, *, mirrored: bool, quick: Case
) -> dict[str, Any]:
    start, (train, val, test) = time.perf_counter(), parts
    epochs, steps = quick.of((EPOCHS, STEPS), (2, 50), (2, 2))
    settings = (f"training.epochs={epochs}", f"training.batch_size={BATCH}", f"training.learning_rate={RATE}")
    section = recipe.load(settings=settings).training
    backend.seed(keras, draw, deterministic=False)
    model = students.build("students", "microresnet", keras, train.x.shape[1:], int(test.y.max()) + 1, WIDTH)
    samples = Samples(train=train, val=val, full=BATCH * steps // epochs)
    augmentation = Augmentation(name=resolve("auto", mirrored=mirrored))
    fresh = ("logits",)
    if arm != "random":
        loaded = transfer.start_from(keras, model, weights)
        # The head of a file with as many classes is of other classes.
        head = model.get_layer("logits")
        head.set_weights([head.kernel_initializer(head.kernel.shape), np.zeros(head.bias.shape, np.float32)])
        fresh = tuple({*loaded.fresh, "logits"})
    plan = phases.HeadFirst(fresh=frozenset(fresh), share=HEAD) if arm == "head first" else None
    phases.fit_in_phases(keras, model, samples, section, plan, augmentation=augmentation, seed=draw, reporter=Silent())
    return {"accuracy": accuracy(model, test), "seconds": round(time.perf_counter() - start, 1)}


def measured(keras: Any, weights: Path, rows: list[dict[str, Any]], *, quick: Case, kept: dict[str, Any]) -> None:
    """Add a row for each draw, kind of data and arm that `rows` lacks."""
    for draw in range(1 if quick else DRAWS):
        for kind, (make, mirrored) in kinds(quick).items():
            missing = [
                arm for arm in ARMS if not any((r["kind"], r["draw"], r["arm"]) == (kind, draw, arm) for r in rows)
            ]
            parts = make(draw) if missing else None
            for arm in missing:
                found = trained(keras, parts, arm, weights, draw, mirrored=mirrored, quick=quick)
                rows.append({"kind": kind, "draw": draw, "arm": arm, **found})
                say(str(rows[-1]))
                if not quick:
                    PART.write_text(json.dumps({**kept, "rows": rows}))


def gains(rows: list[dict[str, Any]], arm: str, than: str) -> dict[str, list[float]]:
    """Kind of data -> points of accuracy that `arm` has more, for each draw."""
    found = {(r["kind"], r["draw"], r["arm"]): r["accuracy"] for r in rows}
    gained: dict[str, list[float]] = {}
    for kind, draw, name in found:
        if name == arm:
            gained.setdefault(kind, []).append(round(100 * (found[kind, draw, arm] - found[kind, draw, than]), 2))
    return gained


def mean_gain(gained: dict[str, list[float]]) -> dict[str, Any]:
    """Mean over the sets with the 95 % interval of Student's t over them, and the mean of each kind."""
    each = np.concatenate(list(gained.values()))
    half = float(stats.t.ppf(0.975, len(each) - 1) * each.std(ddof=1) / math.sqrt(len(each))) if len(each) > 1 else 0.0
    mean = float(each.mean())
    kinds = {kind: round(float(np.mean(values)), 2) for kind, values in gained.items()}
    return {"mean": round(mean, 2), "interval": [round(mean - half, 2), round(mean + half, 2)], "kinds": kinds}


def main() -> None:
    arguments = parser(__doc__, "one draw and 50 steps, which decide nothing")
    arguments.add_argument("--resume", action="store_true", help="go on with the rows and weights of a broken run")
    arguments.add_argument("--weights", type=Path, metavar="FILE.keras", help="where the trained weights stay")
    given = arguments.parse_args()
    keras = backend.load("tensorflow")
    kept = json.loads(PART.read_text()) if given.resume and PART.is_file() else {}
    with tempfile.TemporaryDirectory() as folder:
        weights = given.weights or Path(folder) / "weights.keras"
        rows = kept.pop("rows", []) if weights.is_file() else []
        if "pretraining" not in kept or not weights.is_file():
            kept = {
                "pretraining": pretrain(keras, weights, 1 if given.quick else PRETRAINING_EPOCHS, quick=given.quick)
            }
            rows = []
        measured(keras, weights, rows, quick=given.quick, kept=kept)
    compared = {f"{arm}, than random": mean_gain(gains(rows, arm, "random")) for arm in ARMS[1:]}
    compared["head first, than all at once"] = mean_gain(gains(rows, "head first", "all at once"))
    means: dict[str, dict[str, float]] = {kind: {} for kind in dict.fromkeys(row["kind"] for row in rows)}
    for kind, arms in means.items():
        for arm in ARMS:
            each = [row["accuracy"] for row in rows if (row["kind"], row["arm"]) == (kind, arm)]
            arms[arm] = round(100 * float(np.mean(each)), 2)
    found = compared["head first, than random"]
    met = (
        None if given.quick else found["interval"][0] > 0 and found["mean"] > 1 and min(found["kinds"].values()) > -0.5
    )
    goal = "more than 1 point on the mean over the sets, no kind of data worse by 0.5"
    record(
        NAME, found["mean"], "points of accuracy", goal, met,
        {"accuracy": means, "differences": compared, **kept, "steps": STEPS, "batch_size": BATCH, "learning_rate": RATE},
        rows, given.quick,
    )  # fmt: skip
    if not given.quick:
        PART.unlink(missing_ok=True)


if __name__ == "__main__":
    run(main)
