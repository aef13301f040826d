"""card.md: what the shipped file is, what it can do and how that was measured, on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.report import classes
from edgekit.report.answer import cross_validated, cross_validation_sentence
from edgekit.report.document import reported_split
from edgekit.report.html import artifact_rows


def render(document: Mapping[str, Any]) -> str:
    """The model card of a run; every number comes from report.json."""
    shipped, data = document["run"]["shipped"], document["dataset"]
    rows = artifact_rows(document)
    row = next(each for each in rows if each["name"] == shipped)
    uneven = classes.uneven(document)
    lines = [
        f"# {shipped}: {document['training']['student']['architecture']} on {data['name']}",
        "",
        _headline(document, row),
        *_classes(row["test"], uneven),
        "",
        *_files(rows, balanced=bool(uneven)),
        "",
        "## Input and output",
        "",
        f"Image {'x'.join(map(str, data['input_shape']))}, {data['preprocessing']}; quantized files expect "
        "q = round(real / scale) + zero_point (`artifacts/metadata.json`). Output: "
        f"{'logits, whose softmax gives the probabilities,' if row.get('output') == 'logits' else 'softmax'} over "
        f"{len(data['classes'])} classes ({', '.join(data['classes'])}).",
        *_curation(document),
        *_reliability(document, shipped),
        *_devices(document),
        *_limits(document, shipped),
    ]
    return "\n".join(lines)


def _files(rows: Sequence[Mapping[str, Any]], *, balanced: bool) -> list[str]:
    """The table of files. balanced: with balanced accuracy and macro F1, since classes are uneven."""
    lines = [
        f"| file | bytes | gzip bytes | accuracy |{' balanced accuracy | macro F1 |' if balanced else ''} NLL | ECE | AURC | "
        "AUGRC | p50 ms (threads) |",
        f"|---|---|---|---|---|---|---|---|---|{'---|---|' if balanced else ''}",
    ]
    for each in rows:
        test = each["test"]
        latency = ", ".join(
            f"{m['p50_ms']:.3f} ({m['threads']})" + (" not valid" if m["verdict"] == "invalid" else "")
            for m in each["here"]
        )
        of_classes = f" {test['balanced_accuracy']:.4f} | {test['macro_f1']:.4f} |" if balanced else ""
        lines.append(
            f"| {each['name']} | {each['size_bytes']:,} | {each['gzip_bytes']:,} | {test['accuracy']:.4f} |{of_classes} "
            f"{test['nll']:.4f} | "
            f"{test['ece']:.4f} | {test['aurc']:.4f} | {test['augrc']:.4f} | {latency or 'not measured'} |"
        )
    return lines


def _curation(document: Mapping[str, Any]) -> list[str]:
    """Where the training samples come from, what the curation did to them, and whether that helped."""
    data, curation, verdict = document["dataset"], document["curation"], document["verdict"]
    edited = curation["n_dropped"] or curation.get("n_relabeled") or curation.get("n_weighted")
    lines = [
        "",
        "## Data and curation",
        "",
        f"{data['source']}. Fingerprint `{data['fingerprint'][:16]}`. "
        + (
            f"`{curation['method']}` dropped {curation['n_dropped']:,} of {curation['n_before']:,} training samples "
            f"(removed_low {curation['removed_low']:,}, removed_high {curation['removed_high']:,}), "
            f"relabeled {curation.get('n_relabeled', 0):,}, reweighted {curation.get('n_weighted', 0):,}; "
            f"selection `{curation['selection_sha256'][:16]}`."
            if edited
            else "Every training sample was used."
        ),
        "",
        f"Verdict on the curation: **{verdict['verdict']}**."
        + (f" Next: {verdict['next']}." if verdict["next"] else ""),
        "",
    ]
    lines += [
        f"- {c['files']}; {c['accuracy_a']:.4f} against {c['accuracy_b']:.4f} on {c['split']}, n = {c['n']:,}"
        for c in document["comparisons"]
    ]
    return lines


def _classes(test: Mapping[str, Any], uneven: str | None) -> list[str]:
    """Balanced accuracy if classes are uneven, the worst classes, and those with too few samples to judge."""
    lines = []
    if uneven:
        balanced = classes.balanced(test)
        low, high = balanced["interval"]
        lines.append(
            f"Classes are uneven ({uneven}): balanced accuracy {balanced['balanced_accuracy']:.2%} (95 % interval {low:.2%} to "
            f"{high:.2%}), macro F1 {balanced['macro_f1']:.4f}."
        )
    lines += [f"{line[:1].upper()}{line[1:]}." for line in classes.recall_lines(test.get("per_class", {}))]
    return [text for line in lines for text in ("", line)]


def _headline(document: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    size, folds = f"{row['size_bytes']:,} bytes ({row['precision']})", cross_validated(document, row["name"])
    sentence = (
        "" if folds is None else f" {cross_validation_sentence(folds, document['dataset'].get('noun', 'samples'))}."
    )
    if reported_split(document) == "cv":
        return f"{size}.{sentence} This file was trained on all of them; the figures below are of the folds' files."
    test = row["test"]
    return f"{size}, test accuracy {test['accuracy']:.2%} on {test['n']:,} samples, measured by running this file.{sentence}"


def _reliability(document: Mapping[str, Any], shipped: str) -> list[str]:
    """Temperature and operating threshold of the shipped file."""
    row = document.get("reliability", {}).get(shipped)
    if row is None:
        return []
    kind = next(each.get("output") for each in document["artifacts"] if each["name"] == shipped)
    given = "logits z" if kind == "logits" else "probabilities p"
    fitted = (
        f"The file's {given} are unscaled network outputs. T = {row['temperature']:.4g}, fitted on {row['n']:,} "
        "calibration samples (`calibration` in `artifacts/metadata.json`), scales them: "
        f"softmax({'z' if kind == 'logits' else 'log p'} / T). On test this changes ECE from {row['before']['ece']:.4f} to "
        f"{row['after']['ece']:.4f} and NLL from {row['before']['nll']:.4f} to {row['after']['nll']:.4f}."
    )
    if row["at_bound"]:
        fitted = (
            f"The file's {given} are unscaled network outputs. No temperature fits the {row['n']:,} calibration "
            "samples, and `artifacts/metadata.json` contains 1."
        )
    if not row.get("judged", True):
        fitted = (
            f"The file's {given} are unscaled network outputs. A temperature and an operating threshold were not evaluated: "
            f"{row['n']:,} calibration samples are too few."
        )
        return ["", "## Reliability", "", fitted, *(["", row["remark"]] if row.get("remark") else [])]
    operating = row["operating"]
    (key, value), *_ = operating["wanted"].items()
    chosen = f"Operating threshold for a {key} of {value:g}, chosen on the calibration samples: "
    if operating["threshold"] is None:
        chosen += "no threshold meets it."
    else:
        low, high = operating["coverage_interval"]
        chosen += (
            f"{operating['threshold']:.4f}. On test it accepts {operating['coverage']:.2%} ({low:.2%} to {high:.2%})"
        )
        if operating["risk"] is not None:
            low, high = operating["risk_interval"]
            chosen += f", of which {operating['risk']:.2%} are wrong ({low:.2%} to {high:.2%})"
        chosen += "."
    if row["drift"]:
        chosen += (
            f" With the threshold of {row['drift']['float']}, {row['drift']['changed']:.2%} of the predictions are accepted by "
            "only one of the two files."
        )
    return ["", "## Reliability", "", fitted, "", chosen, *(["", row["remark"]] if row.get("remark") else [])]


def _devices(document: Mapping[str, Any]) -> list[str]:
    """Measurements on attached devices, one line each."""
    lines = []
    for m in document["measurements"]:
        if m["target"] == "host":
            continue
        state = "emulated" if m["emulated"] else m["verdict"]
        text = f"p50 {m['p50_ms']:.4g} ms ({state})"
        if m["accuracy"] is not None:
            text += f", accuracy {m['accuracy']:.4f} on {m['samples']:,} samples"
        if m["parity"]:
            text += f", same class as on the development machine for {m['parity']['agreement']:.2%}"
        where = " ".join(filter(None, (m["device"]["model"], m["device"]["soc"])))
        lines.append(
            f"- {m['artifact']} on {m['target']} ({where or 'unknown model'}), {m['threads']} thread(s): {text}"
        )
    return ["", "## On devices", "", *lines] if lines else []


def _limits(document: Mapping[str, Any], shipped: str) -> list[str]:
    """What the figures do not say, and how to build the file again."""
    trust = document.get("reliability", {}).get(shipped, {"at_bound": True})
    fitted = trust.get("judged", True) and not trust["at_bound"]
    scaled = " (the temperature T for that is above)" if fitted else ""
    return [
        "",
        "## Limits",
        "",
        "The latencies in the table of files were measured on the development machine. The probabilities are not "
        f"temperature-scaled{scaled}. Accuracy says nothing about samples unlike the test set.",
        "",
        f"Made by edgekit {document['run']['edgekit']} on {document['run']['created']}; `recipe.yaml` reproduces it.",
        "",
    ]
