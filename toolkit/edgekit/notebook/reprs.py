"""How the values of `edgekit.types` are displayed: one line for `repr`, a small table for a notebook. Never an array.

A value that lacks something, as a report of an unfinished or older run may, is displayed without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.notebook.html import Markup, card, table

_MOST_ROWS = 20
_PARTS = ("train", "val", "cal", "test")


def artifact(file: Any) -> str:
    return f"Artifact({file.name!r}, {file.precision}, {file.size_bytes:,} bytes, sha256 {file.sha256[:12]})"


def artifact_html(file: Any) -> Markup:
    rows: list[tuple[str, str]] = [
        ("size", f"{file.size_bytes:,} bytes ({file.size_bytes / 1024:,.1f} KB)"),
        ("after gzip", f"{file.gzip_bytes:,} bytes"),
        ("precision", file.precision),
        ("parameters", f"{file.params:,}" if file.params else "not counted"),
        ("MAC", f"{file.macs:,}" if file.macs else "not counted"),
        ("zero weights", f"{file.sparsity:.1%}"),
        ("output", file.output),
    ]
    rows += [(f"input {each.name}", _tensor(each)) for each in file.inputs]
    rows += [(f"output {each.name}", _tensor(each)) for each in file.outputs]
    return card(f"{file.name} ({file.format})", table(["", ""], rows), f"SHA-256 {file.sha256}", str(file.path))


def _tensor(spec: Any) -> str:
    quantized = f", scale {spec.scale:.6g}, zero point {spec.zero_point}" if spec.scale else ""
    return f"{spec.dtype} {tuple(spec.shape)}{quantized}"


def evaluation(row: Any) -> str:
    return (
        f"Evaluation({row.artifact!r} on {row.split}, n={row.n:,}: accuracy {row.accuracy:.4f}, nll {row.nll:.4f}, "
        f"ece {row.ece:.4f}, augrc {row.augrc:.4f})"
    )


def evaluation_html(row: Any) -> Markup:
    better = dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1"), "higher")
    better |= dict.fromkeys(("nll", "brier", "ece", "aurc", "augrc"), "lower")
    values = {name: getattr(row, name) for name in better}  # reports of older versions do not have all
    rows = [
        (name, f"{values[name]:.4f}", f"{way} is better") for name, way in better.items() if values[name] is not None
    ]
    rows += [
        (f"risk at coverage {key}", f"{risk:.4f}", "lower is better") for key, risk in row.risk_at_coverage.items()
    ]
    return card(f"{row.artifact} on {row.split}, n = {row.n:,}", table(["metric", "value", ""], rows))


def measurement(row: Any) -> str:
    low, high = row.p50_interval_ms
    return (
        f"Measurement({row.artifact!r} at {row.target!r}, {row.threads} thread(s): p50 {row.p50_ms:.4g} ms "
        f"({low:.4g} to {high:.4g}), {_state(row)})"
    )


def measurement_html(row: Any) -> Markup:
    low, high = row.p50_interval_ms
    device = ", ".join(str(row.device[key]) for key in ("model", "soc", "cpu", "os") if row.device.get(key))
    rows = [
        ("p50", f"{row.p50_ms:.4g} ms (95 % interval {low:.4g} to {high:.4g})"),
        ("p90", "not reported" if row.p90_ms is None else f"{row.p90_ms:.4g} ms"),
        ("counted runs", f"{row.runs:,}"),
        ("load", f"{row.init_ms:.1f} ms"),
        ("peak RSS", "not reported" if row.peak_rss_bytes is None else f"{row.peak_rss_bytes / 1024**2:.1f} MB"),
        ("runtime", f"{row.runtime}, {row.kernels}"),
        ("accuracy", "not measured" if row.accuracy is None else f"{row.accuracy:.4f} on {row.samples:,} samples"),
    ]
    state = f"The latency is {_state(row)}" + (f": {row.invalid_reason}" if row.invalid_reason else "") + "."
    return card(f"{row.artifact} at {row.target}, {row.threads} thread(s)", device, table(["", ""], rows), state)


def _state(row: Any) -> str:
    return "emulated" if row.emulated else str(row.verdict)


def selection(selected: Any) -> str:
    before = sum(count for count, _ in selected.per_class)
    parts = [f"kept {len(selected.kept):,} of {before:,}"]
    parts += [f"{name} {count:,}" for name, count in _actions(selected).items()]
    return f"Selection({selected.method!r}: {', '.join(parts)})"


def selection_html(selected: Any) -> Markup:
    before = sum(count for count, _ in selected.per_class)
    actions = ", ".join(f"{name} {count:,}" for name, count in _actions(selected).items()) or "nothing was edited"
    rows = [(k, f"{given:,}", f"{kept:,}", f"{given - kept:,}") for k, (given, kept) in enumerate(selected.per_class)]
    facts = [(name, value) for name, value in selected.facts.items() if value is not None]
    return card(
        f"Selection by {selected.method}: kept {len(selected.kept):,} of {before:,}",
        f"{actions}; RNG seed {selected.seed}",
        table(["class", "before", "kept", "dropped"], rows[:_MOST_ROWS]),
        _more(len(rows)),
        table(["fact", ""], [(name, _number(value)) for name, value in facts[:_MOST_ROWS]]) if facts else None,
        *(f"Warning: {text}" for text in selected.warnings),
        f"SHA-256 {selected.sha256}",
    )


def _actions(selected: Any) -> dict[str, int]:
    words = {"drop": "dropped", "relabel": "relabeled", "weight": "reweighted"}
    counts = {action: sum(edit.action == action for edit in selected.edits.values()) for action in words}
    return {words[action]: count for action, count in counts.items() if count}


def dataset(data: Any) -> str:
    shape = "x".join(map(str, data.input.shape))
    sizes = ", ".join(f"{len(getattr(data, part)):,} {part}" for part in _PARTS)
    return f"Dataset({data.name!r}: {len(data.classes)} classes of {shape} {data.input.noun}; {sizes})"


def dataset_html(data: Any) -> Markup:
    import numpy as np

    counts = [np.bincount(getattr(data, part).y, minlength=len(data.classes)) for part in _PARTS]
    rows = [(name, *(f"{int(count[k]):,}" for count in counts)) for k, name in enumerate(data.classes)]
    total = ("all", *(f"{len(getattr(data, part)):,}" for part in _PARTS))
    return card(
        f"{data.name}: {'x'.join(map(str, data.input.shape))} {data.input.noun}, {len(data.classes)} classes",
        data.source,
        table(["class", *_PARTS], [*rows[:_MOST_ROWS], total]),
        _more(len(rows)),
        data.input.preprocessing,
        f"{len(data.skipped):,} files were left out" if data.skipped else None,
        *data.notes,
        f"Fingerprint {data.fingerprint}",
    )


def report(run: Any) -> str:
    document = run.document
    parts = [str(document.get("run", {}).get("shipped", "unfinished"))]
    row = next((each for each in document.get("artifacts", ()) if each["name"] == parts[0]), None)
    if row is not None:
        parts.append(f"{row['size_bytes']:,} bytes")
    if (test := _on_test(document).get(parts[0])) is not None:
        parts.append(f"{_measured_on(document)} accuracy {test['accuracy']:.4f}")
    if gates := document.get("gates", ()):
        parts.append(f"{sum(gate['met'] for gate in gates)} of {len(gates)} gates met")
    return f"Report({str(run.path)!r}: {', '.join(parts)})"


def report_html(run: Any) -> Markup:
    document, on_test = run.document, _on_test(run.document)
    files = []
    for row in document.get("artifacts", ()):
        test = on_test.get(row["name"])
        figures = ("" if test is None else f"{test[name]:.4f}" for name in ("accuracy", "nll", "ece", "augrc"))
        latencies = (_latency(each) for each in document.get("measurements", ()) if each["artifact"] == row["name"])
        files.append(
            (row["name"], f"{row['size_bytes'] / 1024:,.1f}", *figures, "; ".join(latencies) or "not measured")
        )
    gates = [
        (
            gate["demand"],
            "not measured" if gate["found"] is None else _number(gate["found"]),
            "met" if gate["met"] else "NOT met",
        )
        for gate in document.get("gates", ())
    ]
    verdict, curation = document.get("verdict"), document.get("curation", {})
    page = run.path / "report.html"
    return card(
        f"Run {document.get('run', {}).get('name', run.path)}: {document.get('run', {}).get('shipped', 'unfinished')}",
        str(document.get("dataset", {}).get("source", "")),
        table(
            ["file", "KB", f"{_measured_on(document)} accuracy", "NLL", "ECE", "AUGRC", "p50 ms at target (threads)"],
            files,
        ),
        table(["gate", "found", ""], gates) if gates else None,
        f"Verdict on the curation {curation.get('method', '')}: {verdict['verdict']}" if verdict else None,
        f"The whole report: {page}" if page.is_file() else f"In {run.path}",
    )


def _on_test(document: Mapping[str, Any]) -> dict[str, Any]:
    """The evaluations on test, or of cross-validation if there are none."""
    rows = sorted(document.get("evaluations", ()), key=lambda row: str(row["split"]))  # cv before test
    return {row["artifact"]: row for row in rows if row["split"] in ("cv", "test")}


def _measured_on(document: Mapping[str, Any]) -> str:
    """What the accuracies are of: "test", or "cross-validated" where there is no test part."""
    return "test" if any(row["split"] == "test" for row in document.get("evaluations", ())) else "cross-validated"


def _latency(row: Mapping[str, Any]) -> str:
    state = "emulated" if row["emulated"] else row["verdict"]
    return f"{row['p50_ms']:.4g} at {row['target']} ({row['threads']})" + ("" if state == "valid" else f" {state}")


def _more(count: int) -> str | None:
    return f"and {count - _MOST_ROWS:,} more classes" if count > _MOST_ROWS else None


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
