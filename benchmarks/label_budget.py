"""Does choosing what to label beat labeling at random? Five label budgets, six RNG seeds, every strategy of `--pool`.

Shipped Fashion-MNIST: 200 labeled images to begin with, the rest of train is the pool. A teacher on the 200 ranks it once; its
choice is labeled, the default student's network is trained on all labels (300 steps, the same for every arm), and tested on
the 2,000 test images. Paired over seeds; sign-flip permutation test on the mean over budgets, Holm over strategies.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import tempfile
from typing import Any

import numpy as np
from record import Case, arguments, record, run, say
from scipy.stats import permutation_test
from sized import sized

from edgekit import data, registry, students
from edgekit.curation.pool import label_next
from edgekit.data.pixels import to_float
from edgekit.data.splits import take
from edgekit.frameworks import backend
from edgekit.pipeline import label_next as labeling
from edgekit.runs.stages import Stages
from edgekit.training.augment import Augmentation
from edgekit.types import Silent

START, STEPS, BATCH = 200, 300, 64


class Trainer:
    """The student's network, compiled once: building graphs would take longer than the short trainings."""

    def __init__(self, name: str = "microresnet") -> None:
        self.keras = backend.load("tensorflow")
        self.keras.utils.set_random_seed(0)
        full = students.build("teachers", name, self.keras, (28, 28, 1), 10)
        self.model = self.keras.Model(full.input, full.get_layer("logits").output)
        schedule = self.keras.optimizers.schedules.CosineDecay(4e-4, STEPS - 30, warmup_target=8e-3, warmup_steps=30)
        self.optimizer = self.keras.optimizers.AdamW(schedule, weight_decay=0.02, clipnorm=1.0)
        loss = self.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(optimizer=self.optimizer, loss=loss, jit_compile=False)
        self.model.train_on_batch(np.zeros((BATCH, 28, 28, 1), np.float32), np.zeros(BATCH, np.int64))
        self.blank = [np.zeros_like(v.numpy()) for v in self.optimizer.variables]
        self.start = self.model.get_weights()

    def accuracy(self, train: Any, test: Any, seed: int, steps: int = STEPS) -> float:
        """Train from fresh weights on `train` for so many steps and test."""
        rng = np.random.default_rng(seed)
        fresh = [
            w if w.ndim < 2 else (rng.normal(size=w.shape) * np.sqrt(2 / np.prod(w.shape[:-1]))).astype(np.float32)
            for w in self.start
        ]
        self.model.set_weights(fresh)
        rate = self.optimizer.learning_rate
        for variable, zero in zip(self.optimizer.variables, self.blank, strict=True):
            if variable is not rate:
                variable.assign(zero)
        move = Augmentation(name="shift-flip")
        for _ in range(steps):
            index = rng.integers(0, len(train), BATCH)
            x = train.x[index]
            moved = move.apply(x, move.draw(len(x), x.shape[1:], rng))
            self.model.train_on_batch(to_float(moved), train.y[index])
        logits = self.model.predict_on_batch(to_float(test.x))
        return float((np.asarray(logits).argmax(axis=1) == test.y).mean())


def curve(
    dataset: Any, trainer: Trainer, strategies: list[str], budgets: list[int], seed: int, quick: Case
) -> dict[str, list[float]]:
    """Test accuracy of each strategy at each budget, for one seed: its own start set, teacher and initial weights."""
    order = np.random.default_rng([seed, 1]).permutation(len(dataset.train))
    labeled = take(dataset.train, np.sort(order[:START]))
    rest = take(dataset.train, np.sort(order[START:]))
    begun = dataclasses.replace(dataset, train=labeled, fingerprint=f"{dataset.fingerprint}/{seed}")
    name, epochs = quick.of(("microresnet", 40), ("microresnet", 40), ("cnn32-64", 1))
    wanted = sized(begun, f"teacher.name={name}", f"teacher.epochs={epochs}", f"seed={seed}")
    pool = labeling.as_pool(wanted, begun, rest, Stages(Silent()))
    position = {name: i for i, name in enumerate(dataset.train.ids)}
    found: dict[str, list[float]] = {}
    for strategy, budget in itertools.product(strategies, budgets):
        chosen = [position[row.id] for row in label_next(pool, strategy, budget, seed)]
        train = take(dataset.train, np.sort(np.concatenate([order[:START], chosen])))
        found.setdefault(strategy, []).append(trainer.accuracy(train, dataset.test, seed, quick.of(STEPS, STEPS, 2)))
    say(f"seed {seed}: " + ", ".join(f"{name} {np.mean(values):.4f}" for name, values in found.items()))
    return found


def against_random(curves: list[dict[str, list[float]]], strategy: str) -> dict[str, Any]:
    """Paired over seeds: the mean difference of the mean over budgets, at each budget, and the sign-flip p."""
    gains = np.array([np.subtract(c[strategy], c["random"]) for c in curves])
    means, p = gains.mean(axis=1), 1.0
    if len(means) > 1:
        test = permutation_test(
            (means,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", n_resamples=np.inf, vectorized=True
        )
        p = float(test.pvalue)
    return {"gain": means.mean(), "by_budget": gains.mean(axis=0).tolist(), "p": p}


def holm(p: dict[str, float]) -> dict[str, float]:
    """Holm's adjusted p-values."""
    adjusted, least = {}, 0.0
    for rank, name in enumerate(sorted(p, key=p.__getitem__)):
        least = max(least, min(1.0, (len(p) - rank) * p[name]))
        adjusted[name] = least
    return adjusted


def main() -> None:
    quick = arguments(__doc__).quick
    dataset = data.load("fashion-mnist-mini", seed=42)
    strategies = ["random", "margin"] if quick else ["random", *(n for n in registry.POOLS if n != "random")]
    budgets = quick.of([100, 200, 400, 800, 1600], [100, 400], [100])
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        trainer = Trainer(quick.of("microresnet", "microresnet", "cnn32-64"))
        curves = [curve(dataset, trainer, strategies, budgets, seed, quick) for seed in range(quick.of(6, 2, 1))]
    rows = {name: against_random(curves, name) for name in strategies if name != "random"}
    adjusted = holm({name: row["p"] for name, row in rows.items()})
    for name, row in rows.items():
        sure = adjusted[name] < 0.05 and len(curves) >= 6
        row["p_holm"] = adjusted[name]
        row["verdict"] = (
            ("better" if row["gain"] > 0 else "worse") + " than random" if sure else "no significant difference"
        )
        say(f"{name}: {row['gain'] * 100:+.2f} points, Holm p {adjusted[name]:.3f}: {row['verdict']}")
    best = max(rows, key=lambda name: rows[name]["gain"])
    means = {name: np.mean([c[name] for c in curves], axis=0).round(4).tolist() for name in strategies}
    record(
        "label_budget", rows[best]["gain"] * 100, f"points over random, best strategy ({best}), mean over budgets",
        "a verdict for each strategy", None if quick else True,
        {"budgets": budgets, "seeds": len(curves), "start": START, "accuracy": means, "against_random": rows},
        curves, quick,
    )  # fmt: skip


if __name__ == "__main__":
    run(main)
