"""A finished run for tests of its page: probabilities are drawn, everything else is computed from them as a build does."""

import io
import json

import numpy as np
from tests.unit.finished_run import measurement

from edgekit.evidence import metrics, reliability
from edgekit.evidence.by_class import by_class
from edgekit.evidence.comparisons import compare
from edgekit.report import changes
from edgekit.report.thumbnails import small

FLOAT, INT8 = "model_float32.tflite", "model_int8.tflite"
SIZES = {FLOAT: 150_000, "model_float32.onnx": 160_000, INT8: 45_000, "model_int8.onnx": 76_000}
QUALITY = (
    "n", "accuracy", "balanced_accuracy", "macro_f1", "nll", "brier", "ece", "aurc", "augrc", "risk_at_coverage", "nll_clipped",
    "argmax_ties",
)  # fmt: skip


def drawn(n, classes, seed=0, shift=0.3, labels=None):
    """{file: (N, K) probabilities}, labels: the int8 ones are the float ones with a little noise, in 256 levels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes if labels is None else labels
    z = rng.normal(size=(n, classes))
    z[np.arange(n), labels] += 2.5
    found = {FLOAT: z, INT8: z + rng.normal(size=z.shape) * shift}
    p = {name: np.exp(v) / np.exp(v).sum(axis=1, keepdims=True) for name, v in found.items()}
    p[INT8] = np.round(p[INT8] * 255) / 256
    return {name: v.astype(np.float32) for name, v in p.items()}, labels


def store(root, name, ids, labels, p):
    (root / "evaluation").mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez(buffer, ids=ids, labels=labels, probabilities=p)
    (root / f"evaluation/{name}.predictions.npz").write_bytes(buffer.getvalue())


def _artifact(name, size):
    precision = "int8" if "int8" in name else "float32"
    kinds = {"path": f"artifacts/{name}", "format": name.rpartition(".")[2], "precision": precision}
    return kinds | {
        "name": name,
        "size_bytes": size,
        "gzip_bytes": size - 900,
        "sparsity": 0.01,
        "output": "probabilities",
    }


def _measured(name, size):
    conditions = {
        "load_average_before": None, "load_average_after": None, "other_processes_cores": None, "relative": None,
        "before": {"temperature_c": None},
        "after": {"governors": {}, "temperature_c": None, "throttled": None, "thermal_status": None},
    }  # fmt: skip
    device = {"model": None, "soc": None, "cpu": "a processor", "os": "Linux", "cores": 4, "memory_bytes": 2**32}
    parity = {
        "identical": 0.5,
        "agreement": 0.99,
        "max_difference": 1,
        "unit": "LSB",
        "mcnemar_mid_p": 0.5,
        "holds": True,
    }
    here = measurement(
        name, device=device, conditions=conditions, p50_ms=size / 1e6, verdict="suspect", invalid_reason="no governor"
    )
    away = {"target": "ssh://user@pi", "accuracy": 0.9, "parity": parity, "samples": 100, "peak_rss_bytes": None}
    return [here, here | away | {"p50_ms": size / 2e5, "verdict": "valid", "invalid_reason": None}]


def made(
    root,
    *,
    n=200,
    classes=("boot", "coat", "bag", "dress"),
    shipped=INT8,
    noun="images",
    pictures=True,
    ids=None,
    labels=None,
    **changed,
):
    """Write the run into the folder `root` and return its report.json, of which `changed` replaces top-level keys."""
    k = len(classes)
    p, labels = drawn(n, k, labels=labels)
    ids = np.array([f"test/{i}" for i in range(n)] if ids is None else ids)
    files = {name: p[INT8 if "int8" in name else FLOAT] for name in SIZES if shipped == INT8 or "int8" not in name}
    for name, values in files.items():
        store(root, name, ids, labels, values)
    evaluations = []
    for name, values in files.items():
        quality = metrics.quality(values, labels)
        per_class = {"per_class": by_class(values.argmax(axis=1), labels, k).named(classes)}
        evaluations.append(
            {"artifact": name, "split": "test"} | {key: getattr(quality, key) for key in QUALITY} | per_class
        )
    both = [(ids, labels, values) for values in (p[INT8], p[FLOAT])]
    split = (p[FLOAT], labels), (p[FLOAT], labels)
    rows = {name: split if "float" in name else ((p[INT8], labels), (p[INT8], labels)) for name in files}
    network = {
        "architecture": "tiny", "device": "CPU", "framework": "keras", "params": 10, "macs": 20, "steps": 5, "seconds": 1.0,
        "train_flops": 1e12, "history": {key: [1.0, 0.5] for key in ("loss", "val_loss", "accuracy", "val_accuracy")},
    }  # fmt: skip
    document = {
        "schema": 1,
        "run": {"name": root.name, "created": "2026-01-01T00:00:00+00:00", "edgekit": "0", "shipped": shipped},
        "recipe": {"pruning": {"sparsity": 0}, "student": {"backbone": None, "weights": None}},
        "dataset": {"name": "things", "source": "made up", "fingerprint": "f" * 64, "classes": list(classes), "noun": noun}
        | {"default": False, "sizes": {"train": 100, "val": 10, "cal": 10, "test": n}},
        "curation": {"method": "iqr", "n_before": 100, "n_kept": 90, "n_dropped": 10, "removed_low": 0, "removed_high": 10}
        | {"estimated_noise": None, "selection_sha256": "a" * 64, "warnings": []}
        | {"per_class": {name: {"before": 25, "kept": 22, "dropped": 3} for name in classes}},
        "training": {"student": network},
        "artifacts": [_artifact(name, SIZES[name]) for name in files],
        "evaluations": evaluations,
        "measurements": [row for name in files if name.endswith("tflite") for row in _measured(name, SIZES[name])],
        "bench_failures": {"adb": "no phone is attached"},
        "comparisons": [compare("quantization", INT8, both[0], FLOAT, both[1])] if shipped == INT8 else [],
        "gates": [
            {"demand": "accuracy>=0.5", "found": 0.8, "met": True, "where": "val", "interval": [0.7, 0.9], "settled": True},
            {"demand": "size_kb<=1", "found": 43.9, "met": False, "where": "file", "interval": None, "settled": None},
        ],
        "verdict": {"verdict": "no evidence (1 seed)", "next": "edgekit study FILE.yaml"},
        "parity": {},
        "compression": {},
        "reliability": reliability.rows(rows, {INT8: FLOAT} if shipped == INT8 else {}, coverage=0.9),
        "timings": {"data": 1.5, "training": 20.0},
        "reused_stages": [],
    } | changed  # fmt: skip
    document = json.loads(json.dumps(document, default=lambda value: getattr(value, "item", lambda: str(value))()))
    if pictures and shipped != FLOAT:
        per_class = changes.load(root, shipped)
        rows_ = per_class.changed[:60]
        x = np.random.default_rng(1).integers(0, 256, (n, 28, 28, 3), np.uint8)
        np.savez_compressed(root / changes.PICTURES, x=small(x, rows_), ids=ids[rows_])
    (root / "report.json").write_text(json.dumps(document))
    return document
