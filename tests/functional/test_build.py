"""Whole builds on a small part of the shipped data, through the public names and the command line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.commands import edgekit, process
from tests.cpu import EXACT_INT8

from edgekit import recipe
from edgekit.curation import manifest
from edgekit.errors import GateNotMet, IntegrityError, OutputInUse
from edgekit.evidence import temperature
from edgekit.pipeline.build import build
from edgekit.report import card, compared, html
from edgekit.runs.files import sha256_file
from edgekit.types import Silent

pytestmark = pytest.mark.tf

KEYS = (
    "schema run recipe dataset curation training artifacts evaluations measurements comparisons gates verdict timings"
)
CURATION_KEYS = "method n_before n_kept n_dropped removed_low removed_high per_class estimated_noise selection_sha256"
UNMEASURED = {"bench.targets": []}
FAST = {
    "student.name": "conv8", "accept_chance": True, "training.epochs": 3, "training.batch_size": 64, "teacher.name": "conv8",
    "teacher.epochs": 2, "teacher.batch_size": 32,
}  # fmt: skip


def load(small_npz, **values):
    return recipe.load(
        values={"data.spec": str(small_npz), "curation.method": "iqr", "curation.max_class_edit": 1, **FAST, **values}
    )


@pytest.fixture(scope="module")
def run(small_npz, tmp_path_factory):
    """One build with a control and a gate on size, which other tests read."""
    asked = load(small_npz, control=True, gates=["size_bytes<=40960"], max_drop=50.0, **{"bench.runs": 50})
    return build(asked, tmp_path_factory.mktemp("runs") / "first")


def test_report_json_has_every_key_of_the_contract(run):
    assert set(KEYS.split()) <= set(run.document)
    curation = run.document["curation"]
    for key in [
        "method",
        "n_before",
        "n_kept",
        "n_dropped",
        "removed_low",
        "removed_high",
        "per_class",
        "estimated_noise",
        "selection_sha256",
    ]:
        assert key in curation
    assert curation["n_dropped"] == curation["removed_low"] + curation["removed_high"] > 0
    assert curation["n_before"] == curation["n_kept"] + curation["n_dropped"]
    names = [artifact["name"] for artifact in run.document["artifacts"]]
    files = ["model_float32.tflite", "model_float32.onnx", "model_int8.tflite", "model_int8.onnx"]
    assert names == files or (not EXACT_INT8 and names == files[:3])
    assert {(e["artifact"], e["split"]) for e in run.document["evaluations"]} == {
        (n, s) for n in names for s in ("val", "cal", "test")
    }
    for artifact in run.document["artifacts"]:
        assert (run.path / artifact["path"]).stat().st_size == artifact["size_bytes"]
        assert sha256_file(run.path / artifact["path"]) == artifact["sha256"]
    assert run.document == json.loads((run.path / "report.json").read_text())


def test_the_run_folder_is_complete_and_its_manifest_true(run):
    for name in (
        "recipe.yaml",
        "report.html",
        "card.md",
        "curation/scores.parquet",
        "curation/selection.jsonl",
        "curation/summary.json",
        "models/teacher.keras",
        "models/student_float.keras",
        "artifacts/labels.txt",
        "artifacts/metadata.json",
        "evaluation/model_int8.tflite.json",
        "evaluation/model_int8.tflite.predictions.npz",
    ):
        assert (run.path / name).is_file(), name
    recorded = json.loads((run.path / "manifest.json").read_text())
    assert recorded["status"] == "complete"
    assert recorded["dataset_fingerprint"] == run.document["dataset"]["fingerprint"]
    for name, digest in recorded["files"].items():
        assert sha256_file(run.path / name) == digest, name
    present = {
        p.relative_to(run.path).as_posix() for p in run.path.rglob("*") if p.is_file() and "control" not in p.parts
    }
    assert present == set(recorded["files"]) | {"manifest.json"}
    selection = (run.path / "curation/selection.jsonl").read_bytes()
    assert manifest.selection_sha256(selection) == run.document["curation"]["selection_sha256"]


def test_accuracy_in_the_report_is_that_of_the_predictions(run):
    for row in run.document["evaluations"]:
        with np.load(run.path / row["predictions"]) as file:
            assert (file["probabilities"].argmax(axis=1) == file["labels"]).mean() == pytest.approx(row["accuracy"])
            assert len(file["ids"]) == row["n"]


def test_raw_latencies_are_kept(run):
    (path,) = (run.path / "bench").glob("host-*.json")
    rows = json.loads(path.read_text())["measurements"]
    assert all(len(row["latencies_ns"]) == row["runs"] >= 50 for row in rows)
    assert {row["threads"] for row in rows} == {1, len(os.sched_getaffinity(0))}


def test_the_control_drops_as_many_and_no_verdict_is_claimed(run):
    control = json.loads((run.path / "control/report.json").read_text())
    assert control["curation"]["n_dropped"] == run.document["curation"]["n_dropped"]
    assert control["curation"]["method"] == "random"
    steps = [d["training"]["student"]["steps"] for d in (run.document, control)]
    assert steps[0] == steps[1]
    rows = [row for row in run.document["comparisons"] if row["kind"] == "curation"]
    assert [row["a"] for row in rows] == ["model_float32.tflite", "model_int8.tflite"]
    assert all(0 <= row["mcnemar_mid_p"] <= 1 and row["n"] == 300 for row in rows)
    verdict = run.document["verdict"]
    assert verdict["verdict"] == "no evidence (1 seed)"
    assert "`edgekit study FILE.yaml`" in verdict["next"]
    assert {row["verdict"] for row in verdict["judged"]} == {"no evidence (1 seed)"}
    judged = {row["metric"]: row["effect"] for row in verdict["judged"]}
    assert judged == pytest.approx({k: d["effect"] for k, d in rows[1]["differences"].items()})


def test_temperature_and_threshold_come_from_the_calibration_split(run):
    meta = json.loads((run.path / "artifacts/metadata.json").read_text())["artifacts"]
    for name, row in run.document["reliability"].items():
        labels, p = {}, {}
        for split, stem in (("cal", f"{name}.cal"), ("test", name)):
            with np.load(run.path / f"evaluation/{stem}.predictions.npz") as file:
                labels[split], p[split] = file["labels"], file["probabilities"]
        assert row["n"] == len(labels["cal"]) == run.document["dataset"]["sizes"]["cal"]
        found = temperature.before_and_after((p["cal"], labels["cal"]), (p["test"], labels["test"]))
        assert row["temperature"] == found.temperature.value
        assert row["after"] == {name: getattr(found.after, name) for name in row["after"]}
        assert row["operating"]["wanted"] == {"coverage": 0.9}
        accepted = p["test"].max(axis=1) >= row["operating"]["threshold"]
        assert accepted.mean() == pytest.approx(row["operating"]["coverage"])
        assert (row["drift"] is None) == ("float32" in name)
        assert meta[name]["operating"]["threshold"] == row["operating"]["threshold"]
        assert meta[name]["calibration"]["temperature"] == row["temperature"]
    assert set(meta) == set(run.document["reliability"])


def test_what_a_file_differs_in_is_told_in_every_metric(run):
    rows = {(row["kind"], row["split"]): row for row in run.document["comparisons"]}
    assert set(rows) == {("quantization", "test"), ("max_drop", "val"), ("curation", "test")}
    quality = {(e["artifact"], e["split"]): e for e in run.document["evaluations"]}
    for (kind, split), row in rows.items():
        if kind == "curation":
            continue
        a, b = (quality[row[side], split] for side in "ab")
        assert {k: d["effect"] for k, d in row["differences"].items()} == pytest.approx(
            {k: a[k] - b[k] for k in row["differences"]}
        )
    (gate,) = (g for g in run.document["gates"] if g["demand"].startswith("max_drop"))
    assert gate["found"] == pytest.approx(-100 * rows["max_drop", "val"]["difference"], abs=1e-5)


def test_the_run_and_its_control_can_be_compared(run):
    found = compared.runs(run.path, run.path / "control", "model_int8.tflite")
    reported = next(r for r in run.document["comparisons"] if r["kind"] == "curation" and r["a"] == "model_int8.tflite")
    assert found["comparisons"][0]["differences"] == reported["differences"]


def test_a_threshold_that_accepts_nothing_is_reported(run):
    document = json.loads((run.path / "report.json").read_text())
    row = document["reliability"]["model_int8.tflite"]
    row["at_bound"] = True
    for accepted in (row["operating"], row["drift"]["float_on_int8"]):
        accepted |= {
            "threshold": None,
            "accepted": 0,
            "errors": 0,
            "coverage": 0.0,
            "risk": None,
            "risk_interval": [0, 1],
        }
    page, text = html.render(document, run.path), card.render(document)
    assert "none meets it" in page
    assert "none accepted" in page
    assert "no threshold meets it" in text
    assert "No temperature fits" in text


def test_a_report_of_an_earlier_version_can_be_made_again(run):
    document = {key: value for key, value in run.document.items() if key != "reliability"}
    document["comparisons"] = [{k: v for k, v in c.items() if k != "differences"} for c in document["comparisons"]]
    assert html.render(document, run.path).count("data:image/svg+xml") == 10
    assert "## Reliability" not in card.render(document)


def test_the_calibration_samples_are_recorded_and_come_from_the_curated_set(run):
    facts = run.document["artifacts"][2]["facts"]["calibration"]
    assert facts["samples"] == 300
    assert sum(facts["per_class"]) == 300
    assert len(facts["ids_sha256"]) == 64


def test_metadata_says_how_to_feed_the_file(run):
    meta = json.loads((run.path / "artifacts/metadata.json").read_text())
    (given,) = meta["artifacts"]["model_int8.tflite"]["inputs"]
    assert given["dtype"] == "int8"
    assert given["scale"] == pytest.approx(1 / 255, rel=0.02)
    assert meta["classes"] == (run.path / "artifacts/labels.txt").read_text().splitlines()


def test_the_page_is_self_contained_and_shows_the_numbers(run):
    page = (run.path / "report.html").read_text()
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("<script>") == 1, "the page's own, which its policy names by a digest"
    int8 = next(e for e in run.document["evaluations"] if e["artifact"] == "model_int8.tflite" and e["split"] == "test")
    assert f"{int8['accuracy']:.4f}" in page
    assert "no evidence (1 seed)" in page
    assert page.count("data:image/png") > 0, "thumbnails of removed samples"
    assert page.count("data:image/svg+xml") == 13, "the last two: differences of the compared files, by metric"
    quantized = next(row for row in run.document["comparisons"] if row["kind"] == "quantization")
    changed = round(quantized["n"] * (1 - quantized["agreement"]))
    assert f"{changed} of {quantized['n']} predictions changed" in page
    with np.load(run.path / "evaluation/changed.npz") as pictures:
        shown = sum(page.count(f'<li class="{word}">') for word in ("lost", "won", "both"))
        assert len(pictures["x"]) == shown == min(changed, 60)
    text = (run.path / "card.md").read_text()
    assert f"{int8['accuracy']:.2%}" in text
    row = run.document["reliability"]["model_int8.tflite"]
    for told in (page, text):
        assert f"{row['operating']['threshold']:.4f}" in told
        assert f"{row['before']['ece']:.4f}" in told
    assert "The probabilities are not temperature-scaled" in text


def test_another_quantization_reuses_everything_before_it(run, small_npz, tmp_path):
    second = build(load(small_npz, **{"quantization.precision": "float16", **UNMEASURED}), tmp_path / "second")
    assert second.document["reused_stages"] == ["teacher", "training", "export_float32"]
    assert second.document["curation"]["selection_sha256"] == run.document["curation"]["selection_sha256"]
    assert [a["name"] for a in second.document["artifacts"]][-1] == "model_float16.tflite"


def test_a_missed_gate_ends_with_a_report_and_an_error(run, small_npz, tmp_path):
    with pytest.raises(GateNotMet, match=r"accuracy>=0\.999"):
        build(load(small_npz, gates=["accuracy>=0.999"], **UNMEASURED), tmp_path / "gated")
    document = json.loads((tmp_path / "gated" / "report.json").read_text())
    done = edgekit(
        "build",
        "--data",
        small_npz,
        *ARGUMENTS,
        "--set=bench.targets=[]",
        "--gate",
        "size_bytes<9",
        "--json",
        "--out",
        tmp_path / "g",
    )
    assert done.returncode == 7
    assert json.loads(done.stdout)["gates"][0]["met"] is False
    assert document["gates"][0]["met"] is False


def test_pruning_shows_in_the_files_and_in_gzip(run, small_npz, tmp_path):
    pruned = build(load(small_npz, **{"pruning.sparsity": 0.5, "pruning.epochs": 2, **UNMEASURED}), tmp_path / "pruned")
    whole = {a["name"]: a for a in run.document["artifacts"]}
    for artifact in pruned.document["artifacts"]:
        assert artifact["sparsity"] >= 0.48
        assert artifact["gzip_bytes"] < 0.85 * whole[artifact["name"]]["gzip_bytes"]
        assert artifact["size_bytes"] == pytest.approx(whole[artifact["name"]]["size_bytes"], rel=0.02)
    assert (tmp_path / "pruned/models/student_pruned.keras").exists()


def test_report_command_rebuilds_and_refuses_a_changed_file(run, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run.path, copy)
    (copy / "report.html").unlink()
    done = edgekit("report", copy)
    assert done.returncode == 0, done.stderr
    assert (copy / "report.html").read_bytes() == (run.path / "report.html").read_bytes()
    with open(copy / "artifacts/model_int8.tflite", "ab") as file:
        file.write(b"x")
    done = edgekit("report", copy)
    assert done.returncode == 9
    assert "model_int8.tflite changed" in done.stderr
    assert edgekit("report", tmp_path).returncode == 9


def test_resume_refuses_data_that_changed(small_npz, tmp_path):
    import shutil

    copy = tmp_path / "d.npz"
    shutil.copy(small_npz, copy)
    asked = load(copy)
    build(asked, tmp_path / "run", until="curate")
    with np.load(copy) as file:
        arrays = dict(file)
    arrays["x_train"] = arrays["x_train"][:, ::-1]
    np.savez(copy, **arrays)
    with pytest.raises(IntegrityError, match="changed since run"):
        build(asked, tmp_path / "run", resume=True)


def test_a_second_build_into_the_same_folder_is_refused(run, small_npz):
    with pytest.raises(OutputInUse):
        build(load(small_npz), run.path)


def set_(values):
    return [f"--set={key}={str(value).lower()}" for key, value in values.items()]


ARGUMENTS = ["--curate", "iqr", "--set=curation.max_class_edit=1", *set_(FAST)]
# A student that trains and exports in seconds, and need not be good.
LIGHT = {
    "data.limit": 400, "teacher.epochs": 1, "training.batch_size": 32, "quantization.onnx": False, **UNMEASURED,
}  # fmt: skip


def weights(folder):
    from edgekit.frameworks import backend

    return (
        backend.load("tensorflow").models.load_model(folder / "models/student_float.keras", compile=False).get_weights()
    )


class Killer(Silent):
    """Sends SIGKILL to its own process at one point of a build."""

    def __init__(self, stage, step):
        self.wanted, self.step, self.current = stage, step, ""

    def stage(self, title):
        self.current = title
        if not self.step and title.startswith(self.wanted):
            os.kill(os.getpid(), signal.SIGKILL)

    def progress(self, done, total, text):
        if self.step and self.current.startswith(self.wanted) and done >= self.step:
            os.kill(os.getpid(), signal.SIGKILL)


KILL = """
import sys; sys.path.insert(0, {root!r})
from pathlib import Path
from edgekit import recipe
from edgekit.pipeline.build import build
from tests.functional.test_build import Killer
build(recipe.load(Path({recipe!r})), Path({out!r}), reporter=Killer({stage!r}, {step}), resume={resume})
"""


def test_a_build_killed_anywhere_resumes_to_the_same_selection_and_weights(small_npz, tmp_path, monkeypatch):
    """SIGKILL in the teacher, in the student and in the export; then --resume, against an unbroken build elsewhere."""
    asked = load(small_npz, deterministic=True, **LIGHT)
    (tmp_path / "r.yaml").write_text(asked.to_yaml())
    broken = tmp_path / "broken"
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache-a")}
    root = str(Path(__file__).parents[2])
    for number, (stage, step) in enumerate([("Teacher", 5), ("Student", 20), ("Export int8", 0)]):
        code = KILL.format(
            root=root, recipe=str(tmp_path / "r.yaml"), out=str(broken), stage=stage, step=step, resume=number > 0
        )
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert json.loads((broken / "manifest.json").read_text())["status"] == "running"
    done = process("build", "--resume", "--out", broken, env=environment)
    assert done.returncode == 0, done.stderr
    assert "reused from the cache" in done.stderr
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache-b")
    whole = tmp_path / "whole"
    done = process(
        "build", "--data", small_npz, *ARGUMENTS, "--deterministic", *set_(LIGHT), "--out", whole, env=environment
    )
    assert done.returncode == 0, done.stderr
    one, two = (json.loads((folder / "report.json").read_text()) for folder in (broken, whole))
    assert one["curation"]["selection_sha256"] == two["curation"]["selection_sha256"]
    for a, b in zip(weights(broken), weights(whole), strict=True):
        assert np.array_equal(a, b)
    # tf2onnx names nodes by a counter and a set's order, so only the .tflite files repeat byte for byte.
    digests = [[a["sha256"] for a in d["artifacts"] if a["format"] == "tflite"] for d in (one, two)]
    assert digests[0] == digests[1]


def test_resume_refuses_another_recipe(run):
    done = edgekit("build", "--resume", "--out", run.path, "--quantize", "float16")
    assert done.returncode == 2
    assert "quantization.precision" in done.stderr


def test_interrupt_says_how_to_go_on(small_npz, own_cache, tmp_path):
    command = [sys.executable, "-m", "edgekit", "build", "--data", str(small_npz), "--out", str(tmp_path / "r")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "r" / "manifest.json").exists():
            time.sleep(0.1)
            assert process.poll() is None
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "--resume" in stderr
    assert "Traceback" not in stderr
