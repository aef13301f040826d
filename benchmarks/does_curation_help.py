"""Does curation help? The studies of benchmarks/studies, with their controls: Fashion-MNIST, clean and with noise on purpose.

Goal: every study is complete with the RNG seeds that its file names, so that its verdicts may be quoted, whichever way they
fall. Each study is merged into results/does_curation_help.json with its own date: studies made at other times stay. A study is
resumed where it was interrupted (`--keep`). `--quick` runs a cut-down study (one arm, one RNG seed, one epoch). `--tables` only
writes the tables of docs/does-curation-help.md again from the result file. All take hours; EDGEKIT_DATA must hold the full set.

    EDGEKIT_DATA=DATA python benchmarks/does_curation_help.py --keep studies     # --only conv8-20k-sym10: one of them
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from curation_tables import write_tables
from record import ROOT, Case, kept, parser, record, run, say

STUDIES = ROOT / "benchmarks" / "studies"
_OF_VERDICT = (
    "arm", "control", "metric", "artifact", "verdict", "effect", "lower", "upper", "p_holm", "p_sign_flip", "arm_value",
    "control_value", "higher_is_better", "detectable",
)  # fmt: skip


def options() -> argparse.Namespace:
    arguments = parser(__doc__, "one cut-down study")
    arguments.add_argument(
        "--only", action="append", metavar="NAME", help="a study of benchmarks/studies; may be repeated"
    )
    arguments.add_argument("--keep", type=Path, metavar="DIR", help="where the studies' folders stay, to be resumed")
    arguments.add_argument("--jobs", default="2")
    arguments.add_argument("--tables", action="store_true", help="only write the tables of the page again")
    return arguments.parse_args()


def study_document(file: Path, folder: Path, jobs: str, quick: bool = False) -> dict[str, Any]:
    """The study.json of `file`, made in `folder` or resumed there; a whole one is taken as it is.

    In a tiny case no run begins: the study is read, planned and told.
    """
    if not (folder / "study.json").exists():
        command = [sys.executable, "-m", "edgekit", "study", str(file), "--out", str(folder), "--jobs", jobs]
        command += ["--max-hours", "1e-9"] if quick is Case.TINY else []
        done = subprocess.run([*command, *(["--resume"] if folder.exists() else [])], stdout=sys.stderr)
        if done.returncode not in (0, 5):  # 5: runs failed, which study.json names and `excluded` tells
            raise SystemExit(done.returncode)
    document: dict[str, Any] = json.loads((folder / "study.json").read_text())
    return document


def reports(document: Mapping[str, Any], folder: Path, arm: str) -> list[tuple[int, dict[str, Any]]]:
    """(RNG seed, report.json) of each complete run of `arm`."""
    runs = [run for run in document["runs"] if run["arm"] == arm and run["status"] == "complete"]
    return [(run["seed"], json.loads((folder / run["path"] / "report.json").read_text())) for run in runs]


def noise_found(rows: list[tuple[int, dict[str, Any]]]) -> dict[str, float | None] | None:
    """Recall and precision on labels made wrong on purpose, mean over runs; None without such labels or edits."""
    known = [row["curation"].get("injected_noise") for _, row in rows]
    judged = [row for row in known if row and row["precision"] is not None]
    return {key: float(np.mean([row[key] for row in judged])) for key in ("recall", "precision")} if judged else None


def calibrated(rows_of_reports: list[tuple[int, dict[str, Any]]]) -> dict[str, Any]:
    """The shipped file's NLL and ECE on test with the temperature fitted on calibration, and that temperature.

    Mean and SD over RNG seeds of what a seed comes to, which is a mean over groups where they are left out in turn. without_fit:
    how many runs have no temperature that fits; they count as they are.
    """
    found: dict[str, dict[int, list[float]]] = {name: defaultdict(list) for name in ("nll", "ece", "temperature")}
    without_fit = 0
    for seed, report in rows_of_reports:
        row = report["reliability"][report["run"]["shipped"]]
        without_fit += row["at_bound"]
        for name, value in {**row["after"], "temperature": row["temperature"]}.items():
            if name in found:
                found[name][seed].append(value)
    means = {name: [float(np.mean(runs)) for runs in by_seed.values()] for name, by_seed in found.items()}
    spread = {
        name: {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None}
        for name, values in means.items()
        if values
    }
    return spread | {"without_fit": without_fit}


def summary(document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What a reader needs of the study in `folder`."""
    rests = {row["rests_on"] for row in document["verdicts"]}
    of_arm = {arm["name"]: reports(document, folder, arm["name"]) for arm in document["arms"]}
    return {
        "measured": document["created"][:10],
        "edgekit": document["edgekit"],
        "git_revision": document.get("git_revision"),
        "versions": document["versions"],
        "data": document["study"]["base"]["data"],
        "student": document["study"]["base"].get("student", {"name": "microresnet"})["name"],
        "seeds": document["study"]["seeds"],
        "rests_on": sorted(rests),
        "excluded": document["excluded"],
        "arms": [
            {k: arm.get(k) for k in ("name", "kind", "of", "n_dropped", "n_relabeled", "n_weighted")}
            | {
                "injected_noise": noise_found(of_arm[arm["name"]]),
                "with_temperature": calibrated(of_arm[arm["name"]]),
                "values": {
                    label: {metric: {k: found[k] for k in ("mean", "sd")} for metric, found in metrics.items()}
                    for label, metrics in arm["values"].items()
                },
            }
            for arm in document["arms"]
        ],
        "verdicts": [{k: row[k] for k in _OF_VERDICT} for row in document["verdicts"]],
        "ledger": document["ledger"],
        "notes": document["notes"],
        "seconds_of_all_runs": round(sum(run["seconds"] or 0 for run in document["runs"]), 1),
    }


def _quick(folder: Path) -> Path:
    study = yaml.safe_load((STUDIES / "conv8-20k-sym10.yaml").read_text())
    study["base"]["data"] |= {"spec": "fashion-mnist-mini", "limit": 2000}
    study["base"]["training"]["epochs"] = 1
    study["arms"], study["seeds"] = {"fewer": {"curation": {"method": "random", "budget": 0.2}}}, 1
    file = folder / "quick.yaml"
    file.write_text(yaml.safe_dump(study))
    return file


def main() -> None:
    arguments = options()
    known = kept("does_curation_help").get("detail", {}).get("studies", {})
    if arguments.tables:
        write_tables(known)
        return
    files = {file.stem: file for file in sorted(STUDIES.glob("*.yaml"))}
    if unknown := [name for name in arguments.only or [] if name not in files]:
        raise SystemExit(f"No study {unknown[0]!r}; there are {', '.join(files)}.")
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        if arguments.quick:
            files, known = {"quick": _quick(Path(temporary))}, {}
        for name in arguments.only or list(files):
            start = time.perf_counter()
            known[name] = summary(
                study_document(files[name], folder / name, arguments.jobs, arguments.quick), folder / name
            )
            say(f"{name}: {time.perf_counter() - start:.0f} s")
    known = {name: known[name] for name in files if name in known}
    whole = [name for name, study in known.items() if not study["excluded"]]
    met = None if arguments.quick else set(whole) >= set(files)
    record(
        "does_curation_help", len(whole), f"of {len(files)} studies complete", "all of them", met,
        {"studies": known}, None, arguments.quick,
    )  # fmt: skip
    if not arguments.quick:
        write_tables(known)


if __name__ == "__main__":
    run(main)
