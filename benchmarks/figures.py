"""The table of docs/figures.md, written from benchmarks/results/*.json and from nothing else.

    python benchmarks/figures.py            # writes it; --check: exit code 1 if the page is not what would be written

What was measured and by which command is what the benchmark's own docstring says: its first sentence, and its first indented
line (else the plain call). `record.py` rewrites the table after each run; results of `--quick` are left out.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parent
RESULTS = BENCHMARKS / "results"
PAGE = BENCHMARKS.parent / "docs" / "figures.md"
BEGIN, END = "<!-- table: written by benchmarks/figures.py -->", "<!-- end of table -->"
HEAD = ("what was measured", "result", "goal", "command; date, revision, machine")
MET = {True: "met", False: "not met", None: "not judged"}

# The order of the rows, by subject, and what is told of a result's `detail` beside its value. Others follow by name.
ROWS: Mapping[str, tuple[str, ...]] = {
    # A whole build.
    "demo_build": (
        "int8 {int8_accuracy:.2%}, float {float32_accuracy:.2%}",
        "{int8_bytes:,} bytes",
        "{peak_rss_gb:.1f} GB peak",
    ),
    "fashion_mnist": ("float {float32_accuracy:.4f}", "{int8_bytes:,} bytes", "{training_s:.0f} s of training"),
    "zoo_accuracy": (
        "MNIST, width xs: {mnist-xs[mean_accuracy]:.2%} in {mnist-xs[largest_bytes]:,} bytes",
        "MNIST, width s: {mnist-s[mean_accuracy]:.2%} in {mnist-s[largest_bytes]:,} bytes",
        "MNIST, rescnn, half pruned: {mnist-rescnn[mean_accuracy]:.2%} in {mnist-rescnn[largest_bytes]:,} bytes",
        "Fashion-MNIST, width s: {fashion-mnist-s[mean_accuracy]:.2%} in {fashion-mnist-s[largest_bytes]:,} bytes",
        "Fashion-MNIST, width m: {fashion-mnist-m[mean_accuracy]:.2%} in {fashion-mnist-m[largest_bytes]:,} bytes",
        "RNG seeds: {mnist-xs[seeds]}, {mnist-s[seeds]}, {mnist-rescnn[seeds]}, {fashion-mnist-s[seeds]},"
        " {fashion-mnist-m[seeds]}",
    ),
    "rebuild_cached": ("{first_s:.0f} s, then {second_s:.1f} s",),
    "large_folder": ("{images:,} images, {seconds:.0f} s",),
    # Curation.
    "does_curation_help": ("[verdicts](does-curation-help.md)",),
    "noise_detection": (
        "mean AUROC of 3 draws, 10 % symmetric noise:"
        " {pool_20000_mean_of_3_draws[sym10][self-confidence][auroc]:.3f} self-confidence,"
        " {pool_20000_mean_of_3_draws[sym10][consensus][auroc]:.3f} consensus",
        "the same, swapped classes: {pool_20000_mean_of_3_draws[pair][self-confidence][auroc]:.3f} self-confidence,"
        " {pool_20000_mean_of_3_draws[pair][consensus][auroc]:.3f} consensus",
        "[all methods](curation.md#what-was-measured)",
    ),
    "curation_small": (
        "judged by networks so far: {sets[network]} of {of} sets",
        "[all sets](curation.md#small-and-uneven-sets)",
    ),
    "iqr_study": (
        "IQR {iqr[accuracy]:.2%}, random removal {random[accuracy]:.2%} (float)",
        "{removed_low:,} removed by the lower fence",
    ),
    "label_budget": ("{against_random[margin][verdict]}", "[all strategies](curation.md#what-to-label-next)"),
    "head_scores": ("{fast_five_seconds:.2f} s for TracIn, EL2N and K-FAC",),
    # Small sets.
    "small_data": (
        "judged so far: {counted[judged]} of {sets} sets x {draws} draws",
        "[all sets](small-data.md#what-it-reaches)",
    ),
    "small_choices": ("choices measured so far: {counted[mean]}",),
    # Small files.
    "int8_drop": (
        "PTQ loses {ptq_drop_points:.2f} points, mean of {seeds} RNG seeds",
        "QAT wins back {won_back_points:.2f} of them, float training as long {won_back_by_float_training_points:.2f}",
    ),
    "channel_pruning": (
        "{students[0][student]}: {students[0][size]:.2f} of the size, {students[0][points_lost]:.2f} points lost",
        "{students[0][latency_plain_kernels]:.2f} of the latency with plain kernels",
    ),
    "shrink": (
        "{saved_percent[fashion-mnist-microresnet-int8/model_int8.tflite]:.1f}% off an older student's",
        "{files} files, {inputs_each:,} inputs each",
    ),
    "logits_output": ("with the softmax {probabilities[tied_share]:.3f}",),
    # Sounds.
    "fsdd": (
        "official test part, int8: audio_cnn {parts[official][rows][audio_cnn][accuracy]:.2%},"
        " ds_cnn {parts[official][rows][ds_cnn][accuracy]:.2%}, ast_tiny {parts[official][rows][ast_tiny][accuracy]:.2%}",
        "unheard speaker, mean of six: {parts[speakers][auto][mean]:.2%}",
        "[all parts](fsdd.md)",
    ),
    "audio_features": ("3,000 clips loaded in {load_s:.1f} s, from the cache in {load_cached_s:.1f} s",),
    # Latency and devices.
    "host_latency_agreement": (),
    "bench_overhead": ("{target}",),
    # Studies.
    "verdict_null": ("{same_distribution[claims][family]} with four metrics judged together",),
    "verdict_power": (),
    "study_scaling": ("two on Ray: {ray_over_local:.2f} of the time of two local ones",),
    # Speed.
    "training_throughput": ("accuracy {accuracy[edgekit]:.1%}, plain fit {accuracy[plain]:.1%}",),
    "training_precision": (
        "augmentation: {augmentation_share_of_a_step_of_s[affine]:.0%} of a step (affine, width s)",
    ),
    "evaluate_throughput": (),
    "metrics_throughput": ("a million predictions in {million[median_s]:.2f} s",),
    "report_size": ("{page_bytes:,} bytes",),
    "startup": ("--help {medians_s[--help]:.2f} s, list {medians_s[list]:.2f} s",),
}


def table(results: Path = RESULTS) -> str:
    """Markdown: one row for each result file."""
    found = {path.stem: json.loads(path.read_text()) for path in results.glob("*.json") if "." not in path.stem}
    order = [*(name for name in ROWS if name in found), *sorted(found.keys() - ROWS.keys())]
    lines = [HEAD, ["---"] * len(HEAD), *(_row(name, found[name]) for name in order)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def detail_lines(name: str, detail: Mapping[str, Any]) -> list[str]:
    """What ROWS tells of a result beside its value. An unfinished result may lack a figure, which is left out."""
    counted = {key: len(value) for key, value in detail.items() if isinstance(value, dict | list)}
    found = []
    for text in ROWS.get(name, ()):
        try:
            found.append(re.sub(r"(?<=\d)%", " %", text.format_map({**detail, "counted": counted})))
        except (KeyError, IndexError, TypeError, ValueError):
            continue
    return found


def page(results: Path = RESULTS) -> str:
    """docs/figures.md as it should be: the text around the table stays."""
    before, rest = PAGE.read_text().split(BEGIN)
    return f"{before}{BEGIN}\n\n{table(results)}\n{END}{rest.split(END)[1]}"


def write() -> None:
    """Put the table into docs/figures.md, whole or not at all: two benchmarks may end at the same time."""
    scratch = PAGE.with_name(f".{PAGE.name}")
    scratch.write_text(page())
    scratch.replace(PAGE)


def _row(name: str, result: Mapping[str, Any]) -> list[str]:
    title, command = _title_and_command(name)
    value = float(result["value"])
    number = f"{value:,.0f}" if value.is_integer() or abs(value) >= 1000 else f"{value:.4g}"
    device = result["device"]
    cells = [
        title,
        "<br>".join([f"**{number}** {result['unit']}", *detail_lines(name, result["detail"])]),
        f"**{MET[result['met']]}**: {result['goal']}",
        "<br>".join(
            [
                f"`{command}`",
                f"{result['measured']}, {result['git_revision']}",
                f"{device['cpu']}, {device['cores']} cores",
            ]
        ),
    ]
    return [cell.replace("|", "\\|") for cell in cells]


def _title_and_command(name: str) -> tuple[str, str]:
    """(what was measured, the command), by the docstring of the benchmark."""
    script = BENCHMARKS / f"{name}.py"
    docstring = (ast.get_docstring(ast.parse(script.read_text())) if script.exists() else None) or name
    title = re.split(r" Goals?: ", docstring.splitlines()[0])[0]
    commands = [line.split("  #")[0].strip() for line in docstring.splitlines() if line.startswith("    ")]
    return title, next(iter(commands), f"python benchmarks/{name}.py")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if the page would change")
    if not parser.parse_args().check:
        write()
        return 0
    if PAGE.read_text() == page():
        return 0
    print(f"{PAGE.name} is not what the result files say: run python benchmarks/figures.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
