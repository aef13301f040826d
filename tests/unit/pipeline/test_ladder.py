import dataclasses
import json

import numpy as np
import pytest
from tests.conftest import RecordingReporter

from edgekit import recipe, students
from edgekit.data.splits import take
from edgekit.errors import GateNotMet, UsageError
from edgekit.export import stage
from edgekit.frameworks import backend
from edgekit.inference import litert
from edgekit.pipeline import ladder
from edgekit.types import Silent

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def kept(shipped):
    return take(shipped.train, np.arange(1000))


@pytest.fixture(scope="module")
def network(shipped, kept, tmp_path_factory):
    """conv8 after a short training, with one dead channel of huge weights: one scale for the kernel ruins it, more do not."""
    from edgekit.training.augment import Augmentation
    from edgekit.training.batches import Samples
    from edgekit.training.fit import fit

    keras = backend.load("tensorflow")
    backend.seed(keras, 0, deterministic=False)
    model = students.build("students", "conv8", keras, (28, 28, 1), 10)
    section = recipe.load(settings=["training.epochs=4", "training.batch_size=128"]).training
    samples, plain = Samples(train=kept, val=shipped.val, full=1000), Augmentation(name="none")
    fit(keras, model, samples, section, augmentation=plain, seed=0, reporter=Silent())
    layer = next(layer for layer in model.layers if layer.name.startswith("conv"))
    kernel, bias = layer.get_weights()
    kernel[..., 0], bias[0] = 50 * np.abs(kernel).max(), -1e5
    layer.set_weights([kernel, bias])
    folder = tmp_path_factory.mktemp("ladder")
    model.save(folder / "student_float.keras")
    stage.float_form(model, folder)
    return folder


def all_right(shipped, network):
    """The data set with a validation part that the float file gets all right, so that every changed answer is a drop."""
    val = take(shipped.train, np.arange(3000))
    answers = litert.probabilities(network / "float.tflite", val.x).argmax(axis=1)
    return dataclasses.replace(shipped, val=dataclasses.replace(val, y=answers))


@pytest.fixture(scope="module")
def judged(shipped, network):
    return all_right(shipped, network)


def climb(network, dataset, kept, folder, *settings, force=False, reporter=None):
    common = ["quantization.precision=auto", "quantization.calibration_samples=40", "quantization.qat_epochs=1"]
    common += ["training.batch_size=128"]
    model = stage.keras_model(network / "student_float.keras")
    return ladder.climb(recipe.load(settings=[*common, *settings]), dataset, kept, None, model, network / "float.tflite",
                        folder, reporter or Silent(), force=force)  # fmt: skip


def test_the_first_rung_that_holds_ships(network, judged, kept, tmp_path):
    reporter = RecordingReporter()
    facts = climb(network, judged, kept, tmp_path, "max_drop=20", reporter=reporter)
    assert [row["name"] for row in facts["rungs"]] == ["calibration"]
    assert facts["passed"]
    assert facts["shipped"] == "calibration"
    assert (facts["n"], facts["float_accuracy"], facts["max_drop"]) == (3000, 1.0, 20)
    assert facts["resolution_points"] == pytest.approx(1 / 30)
    row = facts["rungs"][0]
    assert row["bytes"] == (tmp_path / "model_int8.tflite").stat().st_size
    assert row["drop"] == pytest.approx(100 * (1 - row["val_accuracy"]))
    assert json.loads((tmp_path / "ladder.json").read_text()) == facts
    exported = json.loads((tmp_path / "export.json").read_text())
    assert exported["precision"] == "int8"
    assert exported["files"] == ["model_int8.tflite", "model_int8.onnx"]
    assert "3,000 samples" in reporter.notes[0]
    assert "holds" in reporter.notes[1]


def test_what_calibration_cannot_mend_layers_in_float_do(network, shipped, kept, tmp_path):
    """A unit that is always 0 has huge weights to all logits: no scale fits them, which float does not notice."""
    model = stage.keras_model(network / "student_float.keras")
    for name, change in (("dense", lambda kernel, bias: bias.__setitem__(0, -1e3)),
                         ("logits", lambda kernel, bias: kernel.__setitem__(0, 50 * np.abs(kernel).max()))):  # fmt: skip
        weights = model.get_layer(name).get_weights()
        change(*weights)
        model.get_layer(name).set_weights(weights)
    hurt = tmp_path / "hurt"
    hurt.mkdir()
    model.save(hurt / "student_float.keras")
    stage.float_form(model, hurt)
    judged, reporter = all_right(shipped, hurt), RecordingReporter()
    facts = climb(hurt, judged, kept, tmp_path, "max_drop=3", reporter=reporter)
    assert any("float32 input and output, whatever quantization.io (int8)" in text for text in reporter.warnings)
    assert facts["rungs"][-1]["detail"]["io"] == "float32"
    assert litert.describe(tmp_path / "model_int8.tflite")[0][0].dtype == "float32"
    names = [row["name"] for row in facts["rungs"]]
    assert names[:3] == ["calibration", "calibration at percentile 99.99", "calibration at percentile 99.9"]
    assert "in float" in names[-1]
    assert [row["passed"] for row in facts["rungs"]] == [False] * (len(names) - 1) + [True]
    exported = json.loads((tmp_path / "export.json").read_text())
    assert exported["precision"] == "int8-mixed"
    assert "FULLY_CONNECTED" in exported["float_operators"]
    assert exported["shrink"]["bit_exact"]
    found = litert.probabilities(tmp_path / "model_int8.tflite", judged.val.x).argmax(axis=1)
    assert (found == judged.val.y).mean() == facts["rungs"][-1]["val_accuracy"] >= 0.97


def test_when_nothing_holds_the_best_file_stays_and_the_gate_says_so(network, judged, kept, tmp_path):
    with pytest.raises(GateNotMet, match="No quantization keeps within 0 points"):
        climb(network, judged, kept, tmp_path, "max_drop=0", force=True)
    facts = json.loads((tmp_path / "ladder.json").read_text())
    names = [row["name"] for row in facts["rungs"]]
    assert names[0] == "calibration"
    assert names[-1] == "quantization-aware training"
    assert any("in float" in name for name in names)
    assert not facts["passed"]
    best = min((row for row in facts["rungs"] if row["bytes"] <= row["detail"].get("most_bytes", 10**9)),
               key=lambda row: row["drop"])  # fmt: skip
    assert facts["shipped"] == best["name"]
    assert (tmp_path / "model_int8.tflite").stat().st_size == best["bytes"]
    with pytest.raises(GateNotMet):
        ladder.demand(facts)


def test_one_scale_per_kernel_leaves_no_layer_in_float(network, judged, kept, tmp_path):
    reporter = RecordingReporter()
    with pytest.raises(GateNotMet):
        climb(
            network,
            judged,
            kept,
            tmp_path,
            "max_drop=0",
            "quantization.per_channel=false",
            force=True,
            reporter=reporter,
        )
    names = [row["name"] for row in json.loads((tmp_path / "ladder.json").read_text())["rungs"]]
    assert names == ["calibration", "calibration at percentile 99.99", "calibration at percentile 99.9",
                     "quantization-aware training"]  # fmt: skip
    assert any("quantization.per_channel is false" in text for text in reporter.warnings)


def test_when_the_best_cannot_be_written_the_next_best_is():
    def write(rung):
        if rung in broken:
            raise GateNotMet(f"{rung} differs")
        written.append(rung)

    rows = [{"name": "first", "drop": 2.0}, {"name": "second", "drop": 1.0}, {"name": "third", "drop": 1.5}]
    others = [(row, row["name"]) for row in rows]
    written, broken = [], {"second"}
    assert ladder.best_written(others, write) == "third"
    assert written == ["third"]
    assert [row.get("error") for row in rows] == [None, "second differs", None]
    broken = {"first", "second", "third"}
    assert ladder.best_written(others, write) is None
    assert ladder.best_written([], write) is None


def test_a_drop_finer_than_validation_resolves_is_refused(shipped):
    with pytest.raises(UsageError, match=r"--max-drop 0.3 .* on 500 validation samples: one is 0.2 points.*1 or more"):
        ladder.check(recipe.load(), shipped)
    ladder.check(recipe.load(), shipped, force=True)
    ladder.check(recipe.load(settings=["max_drop=1.0"]), shipped)
    with pytest.raises(UsageError):
        ladder.check(recipe.load(settings=["max_drop=0.99"]), shipped)
