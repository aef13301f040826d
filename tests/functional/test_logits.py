"""Files that end in logits, from the build to whoever reads them: the same network, the same answers, finer confidences."""

import json
import shutil

import numpy as np
import pytest
from scipy.special import softmax
from tests.conftest import RecordingReporter
from tests.cpu import EXACT_INT8
from typer.testing import CliRunner

from edgekit import recipe
from edgekit.cli.app import app
from edgekit.errors import DataError, IntegrityError
from edgekit.evidence import metrics, temperature
from edgekit.export import operators
from edgekit.frameworks import backend
from edgekit.inference import predict as predicting
from edgekit.inference import standalone
from edgekit.inference.evaluate import load_logits, load_predictions, predictions_of
from edgekit.pipeline import compress as compressing
from edgekit.pipeline.build import build

pytestmark = pytest.mark.tf

INT8 = "model_int8.tflite"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """(probabilities, logits): two builds of the shipped data that share their training."""
    folder = tmp_path_factory.mktemp("runs")
    values = {"student.name": "conv8", "training.epochs": 1, "curation.method": "none", "bench.targets": ["host"],
              "bench.runs": 50}  # fmt: skip
    return [
        build(recipe.load(values=values | {"quantization.output": output}), folder / output)
        for output in ("probabilities", "logits")
    ]


def stored(report, name, split="test"):
    path = report.path / predictions_of(name, split)
    return *load_predictions(path), load_logits(path)


def test_the_files_end_before_the_softmax_and_every_reader_is_reported(runs):
    plain, logits = runs
    assert "training" in logits.document["reused_stages"], "one training"
    for report, kind, has_softmax in ((plain, "probabilities", True), (logits, "logits", False)):
        for row in report.document["artifacts"]:
            assert row["output"] == kind
            if row["format"] == "tflite":
                found = operators.histogram((report.path / "artifacts" / row["name"]).read_bytes())
                assert ("SOFTMAX" in found) == has_softmax
    document = json.loads((logits.path / "artifacts/metadata.json").read_text())
    assert (document["output"]["kind"], document["output"]["probabilities"]) == ("logits", "softmax(output)")
    assert document["artifacts"][INT8]["calibration"]["floor"] is None
    assert "Output: logits" in (logits.path / "card.md").read_text()
    assert "T divides the logits" in (logits.path / "report.html").read_text()


def test_probabilities_are_the_softmax_and_the_float_ones_are_those_of_the_other_build(runs):
    plain, logits = runs
    made = [{row["name"] for row in each.document["artifacts"]} for each in runs]
    for name in ("model_float32.tflite", "model_float32.onnx", INT8, "model_int8.onnx"):
        if not EXACT_INT8 and not all(name in files for files in made):
            continue
        _, labels, p, raw = stored(logits, name)
        assert p == pytest.approx(softmax(raw.astype(np.float64), axis=1), abs=1e-12)
        _, _, before, none = stored(plain, name)
        assert none is None
        if "float32" in name:
            assert p == pytest.approx(before, abs=1e-5)
        row = next(e for e in logits.document["evaluations"] if e["artifact"] == name and e["split"] == "test")
        assert row["nll"] == pytest.approx(metrics.quality(p, labels).nll)
    spec = next(row for row in logits.document["artifacts"] if row["name"] == INT8)["outputs"][0]
    _, labels, p, raw = stored(logits, INT8)
    assert np.round(raw / spec["scale"]) == pytest.approx(raw / spec["scale"], abs=1e-3), "dequantized, on its levels"
    here = next(row for row in logits.document["measurements"] if row["artifact"] == INT8)
    assert here["accuracy"] == pytest.approx((p.argmax(axis=1) == labels).mean())


def test_the_temperature_divides_the_logits_and_ties_are_gone(runs):
    plain, logits = runs
    row = logits.document["reliability"][INT8]
    _, cal_labels, _, cal = stored(logits, INT8, "cal")
    _, labels, _, raw = stored(logits, INT8)
    fit = temperature.fit(cal, cal_labels)
    assert row["temperature"] == pytest.approx(fit.value)
    assert row["after"]["nll"] == pytest.approx(metrics.quality(temperature.apply(raw, fit.value), labels).nll)
    before, after = (report.document["reliability"][INT8] for report in runs)
    assert after["figures"]["ties"]["tied"] < before["figures"]["ties"]["tied"] / 10
    assert after["figures"]["ties"]["confidences"] > 4 * before["figures"]["ties"]["confidences"]
    assert "--logits-output" in before["remark"]
    assert before["remark"] in (plain.path / "card.md").read_text()
    assert before["remark"] in (plain.path / "report.html").read_text()
    assert after["remark"] is plain.document["reliability"]["model_float32.tflite"]["remark"] is None


def test_predict_and_evaluate_give_probabilities(runs, shipped, tmp_path):
    _, logits = runs
    np.savez(tmp_path / "some.npz", x=shipped.test.x[:20])
    _, _, p, raw = stored(logits, INT8)

    def top(path, **options):
        reporter = RecordingReporter()
        found = predicting.run(predicting.load(path, **options), [tmp_path / "some.npz"], 10, reporter)
        return np.sort([[value for _, value in each.top] for each in found]), reporter.warnings

    found, warnings = top(logits.path)
    assert found == pytest.approx(np.sort(p[:20]), abs=1e-6)
    assert warnings == []
    t = logits.document["reliability"][INT8]["temperature"]
    assert top(logits.path, calibrated=True)[0] == pytest.approx(np.sort(softmax(raw[:20] / t, axis=1)), abs=1e-6)

    row = next(e for e in logits.document["evaluations"] if e["artifact"] == INT8 and e["split"] == "test")
    path = logits.path / "artifacts" / INT8
    assert standalone.evaluate_file(path, shipped, "test").nll == pytest.approx(row["nll"])

    # Without its metadata.json it is anybody's file.
    alone = shutil.copy(path, tmp_path / INT8)
    with pytest.raises(DataError, match="pass --logits"):
        standalone.evaluate_file(alone, shipped, "test")
    done = CliRunner().invoke(app, ["evaluate", str(alone), "--logits", "--json"])
    assert json.loads(done.stdout)[0]["nll"] == pytest.approx(row["nll"])
    found, warnings = top(alone)
    assert found == pytest.approx(np.sort(p[:20]), abs=1e-6)
    assert warnings == [f"{INT8} outputs values outside [0, 1]; they are treated as logits."]
    metadata = json.loads((path.parent / "metadata.json").read_text())
    (tmp_path / "metadata.json").write_text(json.dumps(metadata | {"output": {"kind": "tea leaves"}}))
    with pytest.raises(IntegrityError, match="is not a metadata file"):
        standalone.evaluate_file(alone, shipped, "test")


def test_the_option_is_the_recipes_value(tmp_path):
    done = CliRunner().invoke(app, ["build", "--logits-output", "--dry-run", "--json"])
    assert json.loads(done.stdout)["recipe"]["quantization"]["output"] == "logits"


@pytest.mark.parametrize("end", ["softmax", "linear"])
def test_a_users_model_is_cut_whatever_it_ends_in(end, small_28_npz, tmp_path):
    keras = backend.load("tensorflow")
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(10, activation=end)]
    )
    model.save(tmp_path / "mine.keras")
    asked = recipe.load(
        values={"data.spec": str(small_28_npz), "quantization.output": "logits", "quantization.onnx": False}
    )
    report = compressing.compress(asked, tmp_path / "mine.keras", tmp_path / "out")
    for row in report.document["artifacts"]:
        path = tmp_path / "out/artifacts" / row["name"]
        assert row["output"] == "logits"
        assert path.suffix == ".onnx" or "SOFTMAX" not in operators.histogram(path.read_bytes())
    with np.load(small_28_npz) as arrays:
        pixels = arrays["x_test"].reshape(-1, 28, 28, 1)
    found = model.predict(pixels.astype(np.float32), verbose=0)
    expected = found if end == "softmax" else softmax(found, axis=1)
    assert stored(report, "model_float32.tflite")[2] == pytest.approx(expected, abs=1e-5)
