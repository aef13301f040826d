"""card.md: what the shipped file is, what it can do and how that is known, on one page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.report import classes
from edgekit.report.html import artifact_rows


def render(document: Mapping[str, Any]) -> str:
    """The model card of a run; every number comes from report.json."""
    shipped, data, curation = document["run"]["shipped"], document["dataset"], document["curation"]
    rows = artifact_rows(document)
    row = next(each for each in rows if each["name"] == shipped)
    student = document["training"]["student"]
    uneven = classes.uneven(document)
    lines = [
        f"# {shipped}: {student['architecture']} on {data['name']}",
        "",
        f"{row['size_bytes']:,} bytes ({row['precision']}), test accuracy {row['test']['accuracy']:.2%} on {row['test']['n']:,} "
        "samples, measured by running this file.",
        *_classes(row["test"], uneven),
        "",
        f"| file | bytes | gzip bytes | accuracy |{' balanced accuracy | macro F1 |' if uneven else ''} NLL | ECE | AURC | "
        "AUGRC | p50 ms (threads) |",
        f"|---|---|---|---|---|---|---|---|---|{'---|---|' if uneven else ''}",
    ]
    for each in rows:
        test = each["test"]
        latency = ", ".join(
            f"{m['p50_ms']:.3f} ({m['threads']})" + (" not valid" if m["verdict"] == "invalid" else "")
            for m in each["here"]
        )
        balanced = f" {test['balanced_accuracy']:.4f} | {test['macro_f1']:.4f} |" if uneven else ""
        lines.append(
            f"| {each['name']} | {each['size_bytes']:,} | {each['gzip_bytes']:,} | {test['accuracy']:.4f} |{balanced} "
            f"{test['nll']:.4f} | "
            f"{test['ece']:.4f} | {test['aurc']:.4f} | {test['augrc']:.4f} | {latency or 'not measured'} |"
        )
    lines += [
        "",
        "## Input and output",
        "",
        f"Image {'x'.join(map(str, data['input_shape']))}, {data['preprocessing']}; quantized files take "
        "q = round(real / scale) + zero_point (`artifacts/metadata.json`). Output: "
        f"{'logits, whose softmax are the probabilities,' if row.get('output') == 'logits' else 'softmax'} over "
        f"{len(data['classes'])} classes ({', '.join(data['classes'])}).",
        "",
        "## Data and curation",
        "",
        f"{data['source']}. Fingerprint `{data['fingerprint'][:16]}`. "
        + (
            "Every training sample was used."
            if not (curation["n_dropped"] or curation.get("n_relabeled") or curation.get("n_weighted"))
            else f"`{curation['method']}` dropped {curation['n_dropped']:,} of {curation['n_before']:,} training samples "
            f"(removed_low {curation['removed_low']:,}, removed_high {curation['removed_high']:,}), "
            f"relabeled {curation.get('n_relabeled', 0):,}, reweighted {curation.get('n_weighted', 0):,}; "
            f"selection `{curation['selection_sha256'][:16]}`."
        ),
        "",
        f"Verdict on the curation: **{document['verdict']['verdict']}**."
        + (f" Next: {document['verdict']['next']}." if document["verdict"]["next"] else ""),
        "",
    ]
    lines += [
        f"- {c['files']}; {c['accuracy_a']:.4f} against {c['accuracy_b']:.4f} on {c['split']}, n = {c['n']:,}"
        for c in document["comparisons"]
    ]
    lines += _reliability(document, shipped)
    fitted = not document.get("reliability", {}).get(shipped, {"at_bound": True})["at_bound"]
    scaled = " (T, which would do that, is above)" if fitted else ""
    lines += _devices(document)
    lines += [
        "",
        "## Limits",
        "",
        "The latencies in the table of files are of the development machine. The probabilities are not "
        f"temperature-scaled{scaled}. Accuracy says nothing of samples unlike the test set.",
        "",
        f"Made by edgekit {document['run']['edgekit']} on {document['run']['created']}; `recipe.yaml` repeats it.",
        "",
    ]
    return "\n".join(lines)


def _classes(test: Mapping[str, Any], uneven: str | None) -> list[str]:
    """Balanced accuracy where classes are uneven, the worst classes, and those that cannot be judged."""
    lines = []
    if uneven:
        found = classes.balanced(test)
        low, high = found["interval"]
        lines.append(
            f"Classes are uneven ({uneven}): balanced accuracy {found['balanced_accuracy']:.2%} (95 % interval {low:.2%} to "
            f"{high:.2%}), macro F1 {found['macro_f1']:.4f}."
        )
    lines += [f"{line[:1].upper()}{line[1:]}." for line in classes.told(test.get("per_class", {}))]
    return [text for line in lines for text in ("", line)]


def _reliability(document: Mapping[str, Any], shipped: str) -> list[str]:
    """Temperature and operating threshold of the shipped file."""
    row = document.get("reliability", {}).get(shipped)
    if row is None:
        return []
    kind = next(each.get("output") for each in document["artifacts"] if each["name"] == shipped)
    given = "logits z" if kind == "logits" else "probabilities p"
    told = (
        f"The file's {given} are as the network gives them. T = {row['temperature']:.4g}, fitted on {row['n']:,} "
        "calibration samples (`calibration` in `artifacts/metadata.json`), scales them: "
        f"softmax({'z' if kind == 'logits' else 'log p'} / T). On test that takes ECE from {row['before']['ece']:.4f} to "
        f"{row['after']['ece']:.4f} and NLL from {row['before']['nll']:.4f} to {row['after']['nll']:.4f}."
    )
    if row["at_bound"]:
        told = (
            f"The file's {given} are as the network gives them. No temperature fits the {row['n']:,} calibration "
            "samples, and `artifacts/metadata.json` holds 1."
        )
    operating = row["operating"]
    (key, value), *_ = operating["wanted"].items()
    chosen = f"Operating threshold for a {key} of {value:g}, chosen on the calibration samples: "
    if operating["threshold"] is None:
        chosen += "no confidence keeps it."
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
            f" With the threshold of {row['drift']['float']}, {row['drift']['changed']:.2%} of the answers are accepted by one "
            "of the two files only."
        )
    return ["", "## Reliability", "", told, "", chosen, *(["", row["remark"]] if row.get("remark") else [])]


def _devices(document: Mapping[str, Any]) -> list[str]:
    """What was measured on attached devices, a line each."""
    lines = []
    for m in document["measurements"]:
        if m["target"] == "host":
            continue
        state = "emulated" if m["emulated"] else m["verdict"]
        told = f"p50 {m['p50_ms']:.4g} ms ({state})"
        if m["accuracy"] is not None:
            told += f", accuracy {m['accuracy']:.4f} on {m['samples']:,} samples"
        if m["parity"]:
            told += f", same class as on the development machine for {m['parity']['agreement']:.2%}"
        where = " ".join(filter(None, (m["device"]["model"], m["device"]["soc"])))
        lines.append(
            f"- {m['artifact']} on {m['target']} ({where or 'unknown model'}), {m['threads']} thread(s): {told}"
        )
    return ["", "## On devices", "", *lines] if lines else []
