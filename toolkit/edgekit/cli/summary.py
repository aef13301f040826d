"""What a finished command prints to stdout."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from edgekit.registry import BUNDLES
from edgekit.types import Gate

_HEADLINE = ("accuracy", "augrc")


def files(document: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], str]]:
    """Each artifact of a report.json with its evaluation on test (or by the folds), its latencies here as text: ms (threads)."""
    for artifact in document["artifacts"]:
        rows = [
            e for e in document["evaluations"] if e["artifact"] == artifact["name"] and e["split"] in ("test", "cv")
        ]
        test = next((e for e in rows if e["split"] == "test"), rows[0])
        latency = ", ".join(
            f"{m['p50_ms']:.3f} ({m['threads']})" + (" not valid" if m["verdict"] == "invalid" else "")
            for m in document["measurements"]
            if m["artifact"] == artifact["name"] and m["target"] == "host"
        )
        yield artifact, test, latency or "not measured"


def print_report(document: Mapping[str, Any], folder: Path, as_json: bool) -> None:
    """The files with size, quality and latency, the comparisons and the verdict; or report.json as it is."""
    if as_json:
        typer.echo(json.dumps(document, indent=2))
        return
    waveform = document["compression"].get("waveform")
    names = [artifact["name"] for artifact in document["artifacts"]] + ([waveform["name"]] if waveform else [])
    width = max(22, *map(len, names))
    more = balanced(document)
    typer.echo(
        f"{'file':<{width}} {'bytes':>9} {'accuracy':>9} {more(None)}{'NLL':>7} {'ECE':>7} {'AURC':>7} {'AUGRC':>7}  "
        "p50 ms (threads)"
    )
    for artifact, test, latency in files(document):
        typer.echo(
            f"{artifact['name']:<{width}} {artifact['size_bytes']:>9,} {test['accuracy']:>9.4f} {more(test)}{test['nll']:>7.4f} "
            f"{test['ece']:>7.4f} {test['aurc']:>7.4f} {test['augrc']:>7.4f}  {latency}"
        )
    if waveform:
        typer.echo(
            f"{waveform['name']:<{width}} {waveform['size_bytes']:>9,}  the same with the front end inside; "
            f"{waveform['agreement']:.2%} of {waveform['samples']:,} clips get the same answer"
        )
    print_classes(document)
    print_folds(document)
    print_reliability(document)
    print_remark(document)
    print_devices(document)
    for row in document["comparisons"]:
        typer.echo(f"{row['kind'].replace('_', ' ')} on {row['split']}: {row['files']}")
    for stage, reasons in document.get("untrained", {}).items():
        typer.echo(f"warning: not learned ({stage}): {reasons}")
    print_gates(document)
    verdict = document["verdict"]
    typer.echo(f"verdict on curation {document['curation']['method']!r}: {verdict['verdict']}")
    for row in verdict.get("judged", ()):
        if row["metric"] in _HEADLINE:
            typer.echo(f"  {row['sentence']}")
    if verdict["next"]:
        typer.echo(f"next step: {verdict['next']}")
    if document["dataset"]["default"]:
        typer.echo("data: the images that ship with edgekit (give --data for your own)")
    typer.echo(f"report: {folder / 'report.html'}")
    typer.echo(f"for an app: edgekit export {shlex.quote(str(folder))} --bundle KIND ({', '.join(BUNDLES)})")


def balanced(document: Mapping[str, Any]) -> Callable[[Mapping[str, Any] | None], str]:
    """Additional columns beside the accuracy, of a test evaluation or (None) their headings; empty if classes are balanced."""
    from edgekit.report import classes

    if not classes.uneven(document):
        return lambda test: ""
    return lambda test: (
        f"{'balanced':>9} {'macro F1':>9} "
        if test is None
        else f"{test['balanced_accuracy']:>9.4f} {test['macro_f1']:>9.4f} "
    )


def print_classes(document: Mapping[str, Any]) -> None:
    """For imbalanced classes: how imbalanced, and which are recognized worst or cannot be judged."""
    from edgekit.report import classes

    if uneven := classes.uneven(document):
        typer.echo(f"classes are uneven: {uneven}")
        for line in classes.recall_lines(classes.shipped_test(document)["per_class"]):
            typer.echo(f"  {line}")


def print_folds(document: Mapping[str, Any]) -> None:
    """The result of cross-validation for the recipe of the shipped file."""
    from edgekit.report.answer import cross_validated, cross_validation_sentence

    name = document["run"]["shipped"]
    if pooled := cross_validated(document, name):
        typer.echo(cross_validation_sentence(pooled, document["dataset"].get("noun", "samples")))
        if not any(row["split"] == "test" for row in document["evaluations"]):
            typer.echo(
                f"{name} itself has seen all samples: accuracy and the columns after it are those of the folds' files"
            )


def print_gates(document: Mapping[str, Any]) -> None:
    """One line per gate, met or not."""
    for row in document["gates"]:
        gate = Gate(**row)
        typer.echo(f"gate {gate.demand}: {'met' if gate.met else 'NOT met'}, {gate.told}")


def print_reliability(document: Mapping[str, Any]) -> None:
    """Temperature and operating threshold of the shipped file, one line each."""
    row = document.get("reliability", {}).get(document["run"]["shipped"])
    if row is None:
        return
    name, operating = document["run"]["shipped"], row["operating"]
    if not row.get("judged", True):
        typer.echo(f"{name}: temperature and threshold not judged: {row['n']:,} calibration samples")
        return
    if row["at_bound"]:
        typer.echo(f"{name}: no temperature fits the {row['n']:,} calibration samples; probabilities stay as they are")
    else:
        before, after = row["before"], row["after"]
        typer.echo(
            f"{name}: temperature {row['temperature']:.3f} ({row['n']:,} calibration samples), "
            f"test ECE {before['ece']:.4f} -> {after['ece']:.4f}, NLL {before['nll']:.4f} -> {after['nll']:.4f}"
        )
    (key, value), *_ = operating["wanted"].items()
    if operating["threshold"] is None:
        typer.echo(f"{name}: no confidence threshold reaches a {key} of {value:g}")
        return
    risk = "" if operating["risk"] is None else f", {operating['risk']:.2%} of them wrong"
    typer.echo(
        f"{name}: threshold {operating['threshold']:.4f} (for {key} {value:g}) accepts {operating['coverage']:.2%} of test{risk}"
    )


def print_remark(document: Mapping[str, Any]) -> None:
    """The remark on ties among the shipped file's confidences, if there are many."""
    row = document.get("reliability", {}).get(document["run"]["shipped"], {})
    if row.get("remark"):
        typer.echo(row["remark"])


def print_devices(document: Mapping[str, Any]) -> None:
    """What was measured on other targets: one line per file and thread count."""
    for m in document["measurements"]:
        if m["target"] != "host":
            quality = "" if m["accuracy"] is None else f", accuracy {m['accuracy']:.4f} there"
            same = f", same class as here for {m['parity']['agreement']:.2%}" if m["parity"] else ""
            state = "emulated" if m["emulated"] else m["verdict"]
            typer.echo(
                f"{m['target']}: {m['artifact']} {m['threads']} thread(s) p50 {m['p50_ms']:.4g} ms ({state}){quality}{same}"
            )


def print_stage(folder: Path, until: str, as_json: bool) -> None:
    """The results of `edgekit curate` or `edgekit train`."""
    curation = json.loads((folder / "curation" / "summary.json").read_text())
    if as_json:
        typer.echo(json.dumps({"run": str(folder), "curation": curation}, indent=2))
        return
    typer.echo(
        f"kept {curation['n_kept']:,} of {curation['n_before']:,} training samples: {folder / 'curation' / 'selection.jsonl'}"
    )
    if (folder / "curation" / "gallery.html").exists():
        typer.echo(f"pictures: {folder / 'curation' / 'gallery.html'}; the worst: edgekit curate show {folder}")
    if until == "train":
        typer.echo(f"student: {folder / 'models' / 'student_float.keras'}")
    typer.echo(f"continue with: edgekit build --resume --out {folder}")


def print_worst(run: Path, worst: int, by: str | None, as_json: bool) -> None:
    """The `worst` samples of each class by a score column of the run's scores.parquet, with what was done to them."""
    import pyarrow.parquet as pq

    from edgekit.errors import IntegrityError, UsageError

    folder = run / "curation"
    if not (folder / "scores.parquet").is_file():
        raise UsageError(f"{run} contains no curation; `edgekit curate --out DIR` creates one.")
    try:
        table = pq.read_table(folder / "scores.parquet")
        names = list(json.loads((folder / "summary.json").read_text())["per_class"])
        edits = {row["id"]: row for row in map(json.loads, (folder / "selection.jsonl").read_text().splitlines())}
    except (OSError, ValueError, KeyError) as error:  # ArrowInvalid is a ValueError
        raise IntegrityError(f"The curation in {run} is damaged ({error}); run it again.") from None
    columns = [name for name in table.column_names if name not in ("id", "label")]
    by = by or columns[0]
    if by not in columns:
        raise UsageError(f"{run} has no score {by!r}; it has {', '.join(columns)}.")
    ids, labels, scores = table["id"].to_pylist(), table["label"].to_pylist(), table[by].to_pylist()
    rows = []
    for k, name in enumerate(names):
        own = sorted((i for i, label in enumerate(labels) if label == k), key=lambda i: scores[i])[:worst]
        for i in own:
            edit = edits.get(ids[i], {"action": "keep", "reason": "", "new": None})
            new = names[int(edit["new"])] if edit["action"] == "relabel" else edit["new"]
            rows.append(
                {
                    "class": name,
                    "id": ids[i],
                    by: scores[i],
                    "action": edit["action"],
                    "new": new,
                    "reason": edit["reason"],
                }
            )
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    typer.echo(f"{'class':<16} {'id':<24} {by:>12}  action   reason")
    for row in rows:
        into = f" -> {row['new']}" if row["new"] is not None else ""
        typer.echo(f"{row['class']:<16} {row['id']:<24} {row[by]:>12.4f}  {row['action']:<8} {row['reason']}{into}")
    typer.echo(f"pictures: {folder / 'gallery.html'}")


def print_pool(rows: Sequence[Any], path: Path, as_json: bool) -> None:
    """What to label next."""
    if as_json:
        typer.echo(json.dumps([row._asdict() for row in rows], indent=2))
        return
    for row in rows[:10]:
        typer.echo(f"{row.rank:>4}  {row.id}")
    if len(rows) > 10:
        typer.echo(f"  ... and {len(rows) - 10:,} more")
    typer.echo(f"what to label next: {path}")
