"""Whole builds that make a network small: distillation, channels, the ladder, quantization-aware training, students by size."""

import json

import pytest
from tests.conftest import RecordingReporter

from edgekit import recipe
from edgekit.errors import GateNotMet, RecipeError, UsageError
from edgekit.inference import litert
from edgekit.pipeline.build import build

pytestmark = pytest.mark.tf

FAST = {
    "training.epochs": 2,
    "training.batch_size": 64,
    "teacher.name": "conv8",
    "teacher.epochs": 1,
    "bench.targets": [],
    "pruning.epochs": 1,
    "quantization.onnx": False,
}


def load(small_npz, **values):
    return recipe.load(values={"data.spec": str(small_npz), **FAST, **values})


@pytest.fixture(scope="module")
def ladder(small_npz, tmp_path_factory):
    """A distilled student of at most 40 KB, half of its channels removed, int8 by the ladder; and its control arm."""
    asked = load(
        small_npz,
        **{
            "curation.method": "quantile",
            "curation.budget": 50,
            "control": True,
            "student.name": "auto",
            "student.max_size": "40KB",
            "distillation.alpha": 0.5,
            "distillation.views": 1,
            "training.class_weights": "balanced",
            "pruning.channels": 0.5,
            "quantization.precision": "auto",
            "max_drop": 40.0,
        },
    )
    reporter, folder = RecordingReporter(), tmp_path_factory.mktemp("runs") / "ladder"
    return build(asked, folder, reporter=reporter), reporter


def test_the_student_is_the_largest_that_fits_and_the_size_is_a_gate(ladder):
    report, reporter = ladder
    assert report.document["recipe"]["student"] == {
        "name": "microresnet", "width": "s", "max_size": 40960, "weights": None, "backbone": None, "frozen": False,
        "head_first": "auto",
    }  # fmt: skip
    assert any("largest width of microresnet within 40,960 bytes" in note for note in reporter.notes)
    gates = {gate["demand"]: gate["met"] for gate in report.document["gates"]}
    assert gates == {"size_bytes<=40960": True, "max_drop<=40 points": True}


def test_channels_are_gone_from_the_file(ladder):
    document = ladder[0].document
    pruned = document["compression"]["channel_pruning"]
    assert pruned["macs"]["after"] < 0.7 * pruned["macs"]["before"]
    assert document["training"]["student"]["params"] == pruned["params"]["after"] < pruned["params"]["before"]
    assert all(row["kept"] <= row["before"] for row in pruned["channels"].values())
    assert any(row["kept"] == row["before"] // 2 for row in pruned["channels"].values())


def test_the_ladder_is_told_and_its_file_ships(ladder):
    report, _ = ladder
    climbed = report.document["compression"]["ladder"]
    assert climbed["passed"]
    assert climbed["shipped"] == climbed["rungs"][-1]["name"]
    assert climbed["n"] == report.document["dataset"]["sizes"]["val"]
    path = report.path / "artifacts/model_int8.tflite"
    assert path.stat().st_size == climbed["rungs"][-1]["bytes"]
    shrunk = report.document["compression"]["files"]["model_int8.tflite"]["shrink"]
    assert shrunk["bit_exact"]
    assert shrunk["bytes_after"] == path.stat().st_size < shrunk["bytes_before"]
    page = (report.path / "report.html").read_text()
    assert "Channels removed" in page
    assert "first rung that meets this" in page


def test_both_arms_learned_from_one_teacher(ladder):
    report, _ = ladder
    control = json.loads((report.path / "control/manifest.json").read_text())
    assert control["status"] == "complete"
    manifest = json.loads((report.path / "manifest.json").read_text())
    assert manifest["files"]["models/teacher.keras"] == control["files"]["models/teacher.keras"]


def test_quantization_aware_training_keeps_pruned_zeros(small_npz, tmp_path):
    asked = load(
        small_npz,
        **{"student.width": "xs", "pruning.sparsity": 0.5, "quantization.precision": "int8-qat",
           "quantization.qat_epochs": 1, "quantization.io": "uint8"},
    )  # fmt: skip
    report = build(asked, tmp_path / "run")
    assert report.document["compression"]["qat"]["preserved"]
    artifact = next(row for row in report.document["artifacts"] if row["name"] == "model_int8.tflite")
    assert artifact["precision"] == "int8"
    assert artifact["sparsity"] > 0.45
    assert artifact["inputs"][0]["dtype"] == "uint8"
    assert (tmp_path / "run/models/student_qat.tfkeras.keras").is_file()
    assert litert.sparsity(tmp_path / "run/artifacts/model_int8.tflite") > 0.45


def test_what_later_stages_read_is_looked_at_first(small_npz, tmp_path):
    with pytest.raises(RecipeError, match=r"nowhere\.keras do not exist"):
        build(load(small_npz, **{"student.weights": str(tmp_path / "nowhere.keras")}), tmp_path / "a")
    with pytest.raises(Exception, match="nowhere"):
        build(load(small_npz, **{"quantization.calibration": str(tmp_path / "nowhere")}), tmp_path / "b")
    with pytest.raises(UsageError, match="cannot be judged on 50 validation samples"):
        build(load(small_npz, **{"quantization.precision": "auto", "max_drop": 1.0}), tmp_path / "c")
    assert not any(tmp_path.iterdir()), "nothing was begun"


def test_a_size_that_is_missed_ends_the_build_with_its_report(small_npz, tmp_path):
    asked = load(small_npz, **{"student.name": "conv8", "student.max_size": "5KB"})
    with pytest.raises(GateNotMet, match="size_bytes<=5120") as missed:
        build(asked, tmp_path / "run")
    assert missed.value.report is not None
    assert not (tmp_path / "run/artifacts/model_int8.onnx").exists()
