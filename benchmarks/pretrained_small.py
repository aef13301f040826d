"""Do weights trained on Fashion-MNIST help microresnet-s where there are 200 samples, and does training the head first?

Goal: more than 1 point of test accuracy on the mean over 12 sets against random weights, and no kind of data worse for it. The
sets: 200 balanced samples of MNIST, of drawings made here, and of CIFAR-10 in gray and in color, 3 draws each; 2,000 test
samples. All arms take 1,400 steps of 32 samples: from random weights; from trained ones, all layers at once; and from trained
ones, the head first and then all layers at a tenth of the rate, as `--weights` does it. Float accuracy.

EDGEKIT_DATA=... python benchmarks/pretrained_small.py [--quick] [--resume] [--weights FILE.keras]

--weights: where the weights trained on Fashion-MNIST stay. --resume: take them, and the rows of a run that was broken off.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from record import RESULTS, record, say
from scipy import stats

from edgekit import backend, data, recipe, students
from edgekit.data.pixels import to_float
from edgekit.data.splits import take
from edgekit.training import phases, transfer
from edgekit.training.augment import resolve
from edgekit.training.fit import fit
from edgekit.types import Dataset, Silent, Split

NAME, WIDTH = "pretrained_small", "s"
TRAIN, VAL, TEST = 200, 50, 2_000
STEPS, EPOCHS, BATCH, RATE = 1_000, 10, 32, 4e-3
DRAWS, HEAD, PRETRAINING_EPOCHS = 3, 0.2, 8
PART = RESULTS / f"{NAME}.part.json"
ARMS = ("random", "all at once", "head first")
SHAPES = ("circle", "square", "triangle", "cross", "zigzag", "arc")
Pixels = NDArray[np.uint8]


def drawing(shape: str, rng: np.random.Generator) -> Pixels:
    """(28, 28, 1): a white outline, turned, of a random place, size and width, on dark noise."""
    image = Image.new("L", (112, 112))
    pen, reach, turn = ImageDraw.Draw(image), rng.uniform(18, 38), rng.uniform(0, 2 * math.pi)
    x, y = rng.uniform(reach, 112 - reach, 2)
    width = int(rng.integers(5, 12))

    def at(angle: float, share: float = 1.0) -> tuple[float, float]:
        return x + share * reach * math.cos(turn + angle), y + share * reach * math.sin(turn + angle)

    corners = {"square": 4, "triangle": 3}.get(shape, 36)
    if shape in ("circle", "square", "triangle"):
        pen.line([at(2 * math.pi * i / corners) for i in range(corners + 1)], 255, width, "curve")
    elif shape == "arc":
        pen.line([at(1.3 * math.pi * i / 24) for i in range(25)], 255, width, "curve")
    elif shape == "cross":
        pen.line([at(0), at(math.pi)], 255, width)
        pen.line([at(math.pi / 2), at(-math.pi / 2)], 255, width)
    else:
        pen.line([at(math.pi), at(2.2, 0.7), at(0.3, 0.3), at(-0.8, 0.7), at(0)], 255, width, "curve")
    small = np.asarray(image.resize((28, 28), Image.Resampling.BOX), np.float32) * rng.uniform(0.5, 1)
    noisy = small + rng.normal(20, 25, small.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)[..., None]


def drawings(count: int, seed: int) -> tuple[Pixels, NDArray[np.int64]]:
    rng = np.random.default_rng([seed, 77])
    labels = np.arange(count) % len(SHAPES)
    return np.stack([drawing(SHAPES[k], rng) for k in labels]), labels.astype(np.int64)


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


def of_drawings(draw: int) -> tuple[Split, Split, Split]:
    x, y = drawings(TRAIN + VAL, draw)
    return (
        split("train", x[:TRAIN], y[:TRAIN]),
        split("val", x[TRAIN:], y[TRAIN:]),
        split("test", *drawings(TEST, 100 + draw)),
    )


def kinds() -> dict[str, tuple[Callable[[int], tuple[Split, Split, Split]], bool]]:
    """Kind of data -> (what makes a draw of it, whether its labels survive mirroring)."""
    mnist, cifar = data.load("mnist"), data.load("cifar10-jpeg")
    return {
        "mnist": (lambda draw: of_dataset(mnist, gray=False, draw=draw), False),
        "drawings": (of_drawings, False),
        "cifar10-gray": (lambda draw: of_dataset(cifar, gray=True, draw=draw), True),
        "cifar10": (lambda draw: of_dataset(cifar, gray=False, draw=draw), True),
    }


def accuracy(model: Any, part: Split) -> float:
    return float((model.predict(to_float(part.x[:]), batch_size=500, verbose=0).argmax(axis=1) == part.y).mean())


def pretrain(keras: Any, path: Path, epochs: int, *, quick: bool) -> dict[str, Any]:
    """Fashion-MNIST's training part, less the 10 % for validation, as a build trains on it; its test part judges."""
    start, dataset = time.perf_counter(), data.load("fashion-mnist")
    section = recipe.load(settings=[f"training.epochs={epochs}"]).training
    train = take(dataset.train, np.arange(6_000)) if quick else dataset.train
    backend.seed(keras, 0, deterministic=False)
    model = students.build("students", "microresnet", keras, (28, 28, 1), 10, WIDTH)
    fit(
        keras, model, train, dataset.val, section, full=len(train), seed=0, augment="shift-flip",
        reporter=Silent(),
    )  # fmt: skip
    model.save(path)
    found = {"epochs": epochs, "samples": len(train), "test_accuracy": accuracy(model, dataset.test)}
    found["seconds"] = round(time.perf_counter() - start, 1)
    say(f"trained on Fashion-MNIST: {found}")
    return found


def trained(
    keras: Any, parts: tuple[Split, Split, Split], arm: str, weights: Path, draw: int, *, mirrored: bool, quick: bool
) -> dict[str, Any]:
    start, (train, val, test) = time.perf_counter(), parts
    epochs = 2 if quick else EPOCHS
    values = {"epochs": epochs, "batch_size": BATCH, "learning_rate": RATE}
    section = recipe.from_mapping({"training": values}).training
    steps = 50 if quick else STEPS
    backend.seed(keras, draw, deterministic=False)
    model = students.build("students", "microresnet", keras, train.x.shape[1:], int(test.y.max()) + 1, WIDTH)
    options = {
        "full": BATCH * steps // epochs, "seed": draw, "augment": resolve("auto", mirrored=mirrored), "reporter": Silent(),
    }  # fmt: skip
    fresh = ("logits",)
    if arm != "random":
        loaded = transfer.start_from(keras, model, weights)
        # The head of a file with as many classes is of other classes.
        head = model.get_layer("logits")
        head.set_weights([head.kernel_initializer(head.kernel.shape), np.zeros(head.bias.shape, np.float32)])
        fresh = tuple({*loaded.fresh, "logits"})
    plan = phases.HeadFirst(fresh=frozenset(fresh), share=HEAD) if arm == "head first" else None
    phases.fit_in_phases(keras, model, train, val, section, plan, **options)
    return {"accuracy": accuracy(model, test), "seconds": round(time.perf_counter() - start, 1)}


def measured(keras: Any, weights: Path, rows: list[dict[str, Any]], *, quick: bool, kept: dict[str, Any]) -> None:
    """Add a row for each draw, kind of data and arm that `rows` lacks."""
    for draw in range(1 if quick else DRAWS):
        for kind, (make, mirrored) in kinds().items():
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


def told(gained: dict[str, list[float]]) -> dict[str, Any]:
    """Mean over the sets with the 95 % interval of Student's t over them, and the mean of each kind."""
    each = np.concatenate(list(gained.values()))
    half = float(stats.t.ppf(0.975, len(each) - 1) * each.std(ddof=1) / math.sqrt(len(each)))
    mean = float(each.mean())
    kinds = {kind: round(float(np.mean(values)), 2) for kind, values in gained.items()}
    return {"mean": round(mean, 2), "interval": [round(mean - half, 2), round(mean + half, 2)], "kinds": kinds}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one draw and 50 steps, which decide nothing")
    parser.add_argument("--resume", action="store_true", help="go on with the rows and weights of a broken run")
    parser.add_argument("--weights", type=Path, metavar="FILE.keras", help="where the trained weights stay")
    given = parser.parse_args()
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
    compared = {f"{arm}, than random": told(gains(rows, arm, "random")) for arm in ARMS[1:]}
    compared["head first, than all at once"] = told(gains(rows, "head first", "all at once"))
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
    main()
