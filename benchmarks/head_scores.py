"""How fast are attribution scores on a linear head, and how much faster than captum's TracInCPFast on the same arrays?

60,000 x 128 embeddings, 10 classes, 5 checkpoints, 1,000 validation samples. TracIn (self, mean, minimum over classes), EL2N
and K-FAC influence; then exact influence and TRAK; then captum, which has to form every pair. The scores are compared too:
captum leaves the bias out, so for that comparison (only) a column of ones takes its place. Needs `pip install '.[bench]'`.
Also: how stable TracIn's ranks are between checkpoints and under random projections of the embeddings, and the peak memory of
a process that selects from 200,000 rows.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from record import arguments, median, need, record, run, say
from scipy.stats import spearmanr

from edgekit.curation import attribution, curvature, trak
from edgekit.curation.head import Checkpoint, probabilities, residuals, train_head, with_one
from edgekit.curation.stability import stability

CLASSES, WIDTH, CHECKPOINTS = 10, 128, 5


def arrays(count: int, validation: int) -> tuple[Any, ...]:
    """Embeddings like those of a network: class centers, spread, ReLU; 10 % of the labels wrong."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(CLASSES, WIDTH))

    def draw(size: int) -> tuple[Any, Any]:
        y = rng.integers(0, CLASSES, size)
        return np.maximum(centers[y] + 1.5 * rng.normal(size=(size, WIDTH)), 0).astype(np.float32) / 8, y

    h, y = draw(count)
    flips = rng.random(count) < 0.1
    y[flips] = rng.integers(0, CLASSES, flips.sum())
    return h, y, *draw(validation)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def fast_ones(h: Any, y: Any, val_h: Any, val_y: Any, heads: list[Checkpoint]) -> dict[str, Any]:
    """The scores that must take 2 seconds together."""
    own = attribution.self_influence(h, y, heads)
    mean, by_class = attribution.on_validation(h, y, val_h, val_y, heads)
    el2n = attribution.el2n(h, y, heads)
    head, one = heads[-1], with_one(h)
    p = probabilities(h, head)
    gradient = (with_one(val_h).T @ residuals(val_h, val_y, head) / len(val_h))[None]
    direction = curvature.solve_kfac(one, p, 1e-2, gradient)[0].astype(np.float32)
    kfac = np.einsum("nk,nk->n", one @ direction, residuals(h, y, head))
    return {"self": own, "mean": mean, "min": by_class.min(axis=1), "el2n": el2n, "kfac": kfac}


def tracin(h: Any, y: Any, val_h: Any, val_y: Any, heads: list[Checkpoint]) -> tuple[Any, Any]:
    """TracIn in all three forms."""
    return attribution.self_influence(h, y, heads), attribution.on_validation(h, y, val_h, val_y, heads)


def slow_ones(h: Any, y: Any, val_h: Any, val_y: Any, heads: list[Checkpoint]) -> None:
    """Exact influence and TRAK on one head."""
    head, one = heads[-1], with_one(h)
    p = probabilities(h, head)
    gradient = (with_one(val_h).T @ residuals(val_h, val_y, head) / len(val_h))[None]
    direction = curvature.solve_exact(curvature.hessian(one, p), 1e-2, gradient)[0].astype(np.float32)
    np.einsum("nk,nk->n", one @ direction, residuals(h, y, head))
    trak.scores(h, y, val_h, val_y, heads[-1:], damping=1e-2)


def captum_tracin(h: Any, y: Any, val_h: Any, val_y: Any, heads: list[Checkpoint]) -> Callable[[], tuple[Any, Any]]:
    """The same TracIn by captum: influence of the validation samples on all training samples, and self-influence."""
    import torch
    from captum.influence import TracInCPFast

    # captum multiplies inputs without the bias: a column of ones as an input gives the same gradients.
    train = torch.utils.data.TensorDataset(torch.from_numpy(with_one(h)), torch.from_numpy(y))
    model = torch.nn.Sequential(torch.nn.Linear(WIDTH + 1, CLASSES, bias=False))

    def load(module: Any, head: Checkpoint) -> float:
        weight = np.concatenate([head.weights, head.bias[None]]).T
        module[0].weight.data = torch.from_numpy(weight.astype(np.float32))
        return head.learning_rate

    engine = TracInCPFast(
        model, model[0], train, heads, load, torch.nn.CrossEntropyLoss(reduction="sum"), batch_size=2048
    )
    inputs = torch.from_numpy(with_one(val_h)), torch.from_numpy(val_y)

    def work() -> tuple[Any, Any]:
        total = np.zeros(len(h), np.float64)
        for start in range(0, len(val_h), 250):  # 1,000 x 60,000 pairs at once are 240 MB
            part = tuple(a[start : start + 250] for a in inputs)
            total += engine.influence(part).sum(dim=0).double().numpy()
        return engine.self_influence().numpy(), total / len(val_h)

    return work


def ranks(h: Any, y: Any, val_h: Any, val_y: Any, heads: list[Checkpoint]) -> dict[str, Any]:
    """Stability of mean-val TracIn: each checkpoint alone, and embeddings projected to 32 dimensions, three seeds."""
    single = [attribution.on_validation(h, y, val_h, val_y, [head])[0] for head in heads]
    projected = []
    for seed in range(3):
        matrix = (np.random.default_rng(seed).normal(size=(WIDTH, 32)) / np.sqrt(32)).astype(np.float32)
        small = train_head(h @ matrix, y, CLASSES, seed=0, checkpoints=CHECKPOINTS)
        projected.append(attribution.on_validation(h @ matrix, y, val_h @ matrix, val_y, small)[0])
    found = {}
    for name, runs in (("checkpoints", single), ("projections", projected)):
        agreement = stability(runs, 0.01)
        found[name] = {
            "jaccard_mean": agreement.jaccard_mean,
            "jaccard_chance": agreement.jaccard_chance,
            "spearman_mean": agreement.spearman_mean,
        }
    return found


_SELECT = """
import sys
import numpy as np
from edgekit import Signals, curate
n, rng = int(sys.argv[1]), np.random.default_rng(0)
y = rng.integers(0, 10, n)
p = rng.random((n, 10), dtype=np.float32)
p[np.arange(n), y] += 3
p /= p.sum(axis=1, keepdims=True)
h = rng.random((n, 128), dtype=np.float32)
h[np.arange(n), y] += 1
signals = Signals(
    ids=np.arange(n).astype(str), labels=y, classes=10, oof_probs=p, embeddings=h, folds=rng.integers(0, 5, n),
    val_embeddings=rng.random((5, 2000, 128), dtype=np.float32), val_labels=rng.integers(0, 10, 2000), val_trusted=True,
)
for method in ("consensus", "confident-learning", "knn-agreement", "influence-function"):
    curate(signals, method, budget=0.05)
# Not ru_maxrss, which a child inherits from a larger parent.
print(next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak_memory(rows: int) -> int:
    """Bytes at the peak of a process that makes signals of `rows` samples and selects by four methods."""
    done = subprocess.run([sys.executable, "-c", _SELECT, str(rows)], capture_output=True, text=True, check=True)
    return int(done.stdout)


def main() -> None:
    quick = arguments(__doc__).quick
    need("pip install 'edgekit[bench]'", packages=("captum", "torch"))
    case = arrays(*quick.of((60_000, 1_000), (6_000, 200), (300, 50)))
    heads = train_head(case[0], case[1], CLASSES, seed=0, checkpoints=CHECKPOINTS)
    other = captum_tracin(*case, heads)
    other() if quick else None
    fast, ours, theirs = [], [], []
    for turn in range(quick.of(3, 3, 1)):
        fast.append(timed(lambda: fast_ones(*case, heads))[0])
        seconds, (own, (mean, _)) = timed(lambda: tracin(*case, heads))
        ours.append(seconds)
        seconds, (their_own, their_mean) = timed(other)
        theirs.append(seconds)
        say(f"turn {turn + 1}: the fast five {fast[-1]:.2f} s; TracIn {ours[-1]:.2f} s, captum {theirs[-1]:.2f} s")
    slow = timed(lambda: slow_ones(*case, heads))[0]
    ratio = median([b / a for a, b in zip(ours, theirs, strict=True)])
    difference = max(
        float(np.abs(mean - their_mean).max() / np.abs(mean).max()),
        float(np.abs(own - their_own).max() / np.abs(own).max()),
    )
    memory = peak_memory(quick.of(200_000, 20_000, 1_000))
    say(f"selecting: {memory / 1024**3:.2f} GB at the peak")
    detail = {
        "select_peak_rss_bytes": memory, "goal_select_peak_rss_bytes": 1024**3,
        "fast_five_seconds": round(median(fast), 3), "goal_fast_five": 2.0,
        "exact_influence_and_trak_seconds": round(slow, 2), "goal_exact_and_trak": 60.0,
        "tracin_seconds": round(median(ours), 3), "captum_seconds": round(median(theirs), 2),
        "largest_relative_difference_from_captum": difference,
        "spearman_with_captum": round(float(spearmanr(mean, their_mean).statistic), 6),
        "stability": ranks(*case, heads), "samples": len(case[0]), "validation": len(case[2]),
    }  # fmt: skip
    met = median(fast) <= 2 and slow <= 60 and ratio >= 10 and memory <= 1024**3
    record(
        "head_scores", ratio, "times faster than captum's TracInCPFast", "10 times; <= 2 s; <= 60 s; <= 1 GB",
        None if quick else met, detail, {"fast": fast, "tracin": ours, "captum": theirs}, quick,
    )  # fmt: skip


if __name__ == "__main__":
    run(main)
