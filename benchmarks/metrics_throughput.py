"""How fast are the metrics, against the definitions written as a loop and scikit-learn's where it has the metric?

10,000 predictions of 10 classes, all metrics of `edgekit.quality`, in turn with the plain reference, whose values must agree to
1e-9. Then the limits: 1,000,000 predictions in <= 3 s and <= 1 GB, and 10,000 paired bootstrap draws of AUGRC on 10,000 samples
in <= 20 s.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from record import arguments, median, record, run, say
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

import edgekit
from edgekit.evidence import bootstrap, weighted

COMPARED = ("accuracy", "nll", "brier", "ece_squared", "aurc", "augrc")

_PEAK = """
import sys, time
sys.path.insert(0, sys.argv[1])
from metrics_throughput import predictions
from edgekit import quality
p, labels = predictions(int(sys.argv[2]))
quality(p[:100], labels[:100])
start = time.perf_counter()
quality(p, labels)
seconds = time.perf_counter() - start
# Not ru_maxrss, which a child inherits from a larger parent.
print(seconds, next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def predictions(n: int, seed: int = 0, classes: int = 10) -> tuple[Any, Any]:
    """(n, classes) float32 probabilities of a fair classifier, and labels."""
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(n, classes)).astype(np.float32), rng.integers(0, classes, n)
    logits[np.arange(n), labels] += 2.7
    p = np.exp(2 * logits)
    return p / p.sum(axis=1, keepdims=True), labels


def plain(p: Any, labels: Any) -> dict[str, float]:
    """Each metric by its definition (docs/methods.md, "Quality and reliability"); scikit-learn for accuracy, NLL, AUROC_f."""
    n = len(labels)
    p = p.astype(np.float64)
    confidence, error = p.max(axis=1), p.argmax(axis=1) != labels
    accuracy = accuracy_score(labels, p.argmax(axis=1))
    auroc = roc_auc_score(~error, confidence)
    ranked = sorted(zip(confidence.tolist(), error.tolist(), strict=True), key=lambda pair: -pair[0])
    aurc, before, i = 0.0, 0.0, 0
    while i < n:  # one group of equal confidence at a time
        j = i
        while j < n and ranked[j][0] == ranked[i][0]:
            j += 1
        wrong = sum(pair[1] for pair in ranked[i:j])
        for k in range(i + 1, j + 1):
            aurc += (before + wrong * (k - i) / (j - i)) / k / n
        before, i = before + wrong, j
    ranked.reverse()
    edges = [0]
    boundaries = [0] + [i for i in range(1, n) if ranked[i][0] != ranked[i - 1][0]] + [n]
    for j in range(1, 15):
        edge = min(boundaries, key=lambda b: (abs(b - round(j * n / 15)), b))
        if edges[-1] < edge < n:
            edges.append(edge)
    squared = 0.0
    for low, high in zip(edges, [*edges[1:], n], strict=True):
        size = high - low
        right = sum(not pair[1] for pair in ranked[low:high]) / size
        mean = math.fsum(pair[0] for pair in ranked[low:high]) / size
        if size > 1:
            squared += size / n * ((right - mean) ** 2 - right * (1 - right) / (size - 1))
    brier = sum(sum((value - (k == label)) ** 2 for k, value in enumerate(row)) for row, label in
                zip(p.tolist(), labels.tolist(), strict=True)) / n  # fmt: skip
    return {
        "accuracy": accuracy, "nll": log_loss(labels, p / p.sum(axis=1, keepdims=True)), "brier": brier, "ece_squared": squared,
        "aurc": aurc, "augrc": (1 - auroc) * accuracy * (1 - accuracy) + (1 - accuracy) ** 2 / 2,
    }  # fmt: skip


def main() -> None:
    quick = arguments(__doc__).quick
    count = quick.of(10_000, 10_000, 1_000)
    p, labels = predictions(count)
    raw: dict[str, list[float]] = {"edgekit": [], "plain": []}
    difference = 0.0
    for turn in range(quick.of(11, 4, 2)):
        start = time.perf_counter()
        ours = edgekit.quality(p, labels)
        middle = time.perf_counter()
        theirs = plain(p, labels)
        end = time.perf_counter()
        difference = max(abs(getattr(ours, name) - theirs[name]) for name in COMPARED)
        if turn:  # the first warms up
            raw["edgekit"].append(middle - start)
            raw["plain"].append(end - middle)
            say(
                f"edgekit {1000 * (middle - start):.2f} ms, plain {1000 * (end - middle):.1f} ms, differ by {difference:.1e}"
            )
    ratio = median([b / a for a, b in zip(raw["edgekit"], raw["plain"], strict=True)])

    many = quick.of(1_000_000, 100_000, 1_000)
    million = []
    for _ in range(quick.of(3, 3, 1)):
        done = subprocess.run(
            [sys.executable, "-c", _PEAK, str(Path(__file__).parent), str(many)],
            capture_output=True,
            text=True,
            check=True,
        )
        million.append([float(value) for value in done.stdout.split()])
        say(f"{many} predictions: {million[-1][0]:.2f} s, peak {million[-1][1] / 1024**2:.0f} MB")
    draws, other = quick.of(10_000, 1_000, 10), predictions(count, seed=0)[0] * 0.97 + 0.003
    drawn = []
    for _ in range(3):
        start = time.perf_counter()
        a, b = (weighted.statistic("augrc", values, labels) for values in (p, other))
        bootstrap.paired(a, b, len(labels), draws=draws)
        drawn.append(time.perf_counter() - start)
        say(f"{draws} paired draws of AUGRC: {drawn[-1]:.2f} s")
    seconds, peak = median([m[0] for m in million]), max(m[1] for m in million)
    detail = {
        "predictions": len(labels), "classes": p.shape[1], "accuracy": round(ours.accuracy, 4),
        "largest_difference_from_plain": difference, "medians_s": {k: round(median(v), 5) for k, v in raw.items()},
        "million": {"predictions": many, "median_s": round(seconds, 3), "peak_rss_bytes": int(peak)},
        "paired_draws": {"draws": draws, "median_s": round(median(drawn), 3)},
    }  # fmt: skip
    met = difference < 1e-9 and ratio > 1 and seconds <= 3 and peak <= 1024**3 and median(drawn) <= 20
    record(
        "metrics_throughput", ratio, "plain / edgekit",
        "> 1, equal to 1e-9; 1,000,000 in <= 3 s and <= 1 GB; 10,000 draws <= 20 s",
        None if quick else met, detail, {**raw, "million": million, "paired_draws": drawn}, quick,
    )  # fmt: skip


if __name__ == "__main__":
    run(main)
