"""A finished run, made by hand: two files, their figures as report.json has them, and a manifest with digests."""

import hashlib
import json
from pathlib import Path
from typing import Any

from edgekit.types import Report

FILES = {"model_float32.tflite": b"f" * 8192, "model_int8.tflite": b"q" * 3072}


def _artifact(name: str, content: bytes) -> dict[str, Any]:
    return {
        "name": name, "path": f"artifacts/{name}", "format": "tflite", "precision": name[6:-7],
        "sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content), "gzip_bytes": 100, "params": 10, "macs": 20,
        "sparsity": 0.0, "output": "probabilities", "facts": {}, "outputs": [],
        "inputs": [{"name": "x", "dtype": "int8", "shape": [1, 28, 28, 1], "scale": 0.5, "zero_point": -3}],
    }  # fmt: skip


def _evaluation(name: str, split: str, accuracy: float) -> dict[str, Any]:
    return {
        "artifact": name, "artifact_sha256": "", "split": split, "n": 1000, "accuracy": accuracy, "nll": 0.3, "brier": 0.1,
        "ece": 0.02, "aurc": 0.01, "augrc": 0.005, "risk_at_coverage": {}, "ece_squared": 0.0, "nll_clipped": 0,
        "argmax_ties": 0, "predictions": None,
    }  # fmt: skip


def measurement(name: str, **changes: Any) -> dict[str, Any]:
    row = {
        "artifact": name, "artifact_sha256": "", "target": "host", "device": {}, "runtime": "r", "kernels": "k", "method": "m",
        "threads": 1, "affinity": None, "p50_ms": 1.5, "p50_interval_ms": [1.4, 1.6], "p90_ms": 2.0, "runs": 100,
        "init_ms": 1.0, "peak_rss_bytes": 10 * 1024**2, "accuracy": None, "samples": None, "parity": None, "profile": [],
        "verdict": "valid", "reasons": [], "emulated": False, "attempts": 1, "valid": True, "invalid_reason": None,
        "conditions": {},
    }  # fmt: skip
    return row | changes


def finished(path: Path, **changes: Any) -> Report:
    """Write the run into `path`. changes: of report.json's top-level keys."""
    drop = {"effect": -0.005, "lower": -0.012, "upper": 0.002}
    document = {
        "schema": 1,
        "run": {"name": path.name, "created": "2026-01-01T00:00:00+00:00", "shipped": "model_int8.tflite"},
        "dataset": {"name": "d", "source": "made up", "fingerprint": "f" * 64, "classes": ["a", "b"]},
        "curation": {"method": "iqr"},
        "artifacts": [_artifact(name, content) for name, content in FILES.items()],
        "evaluations": [
            _evaluation(name, split, accuracy)
            for name, accuracies in {"model_float32.tflite": (0.915, 0.9), "model_int8.tflite": (0.91, 0.895)}.items()
            for split, accuracy in zip(("val", "test"), accuracies, strict=True)
        ],
        "measurements": [
            measurement("model_float32.tflite"),
            measurement("model_int8.tflite", p50_ms=0.5, p50_interval_ms=[0.4, 0.6]),
            measurement("model_int8.tflite", target="ssh://user@pi", p50_ms=3.0, p50_interval_ms=[2.9, 3.1]),
        ],
        "bench_failures": {},
        "comparisons": [{"kind": "max_drop", "differences": {"accuracy": drop}}],
        "gates": [{"demand": "accuracy>=0.9", "found": 0.91, "met": True, "where": "val", "interval": None, "settled": None}],
        "verdict": {"verdict": "no evidence (1 seed)", "next": "edgekit study"},
    } | changes  # fmt: skip
    (path / "artifacts").mkdir(parents=True)
    for name, content in FILES.items():
        (path / "artifacts" / name).write_bytes(content)
    (path / "report.json").write_text(json.dumps(document))
    (path / "report.html").write_text("<p>")
    digests = {
        file.relative_to(path).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in path.rglob("*")
        if file.is_file()
    }
    (path / "manifest.json").write_text(json.dumps({"files": digests, "status": "complete"}))
    return Report(path=path, document=document)
