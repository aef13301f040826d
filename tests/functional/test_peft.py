"""Whole builds on a trained backbone: each way to adapt it, merged; a frozen trunk with curation on its embeddings."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import RecordingReporter

from edgekit import data, recipe
from edgekit.errors import RecipeError
from edgekit.frameworks import backend
from edgekit.pipeline.build import build
from edgekit.training import jobs, stage, tuning
from edgekit.types import Silent

pytestmark = pytest.mark.tf

FAST = {"training.epochs": 1, "training.batch_size": 64, "bench.targets": [], "student.width": "fast"}


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


@pytest.fixture(scope="module")
def backbones(small_npz, tmp_path_factory):
    """The two networks after two epochs on the first five classes."""
    found = {}
    for name, width in (("microresnet", "fast"), ("conv8", "")):
        asked = recipe.load(
            values={
                "data.spec": str(small_npz),
                **FAST,
                "student.name": name,
                "student.width": width,
                "training.epochs": 2,
            }
        )
        dataset = data.load_section(asked.data, asked.seed)
        few = dataset.train.y < 5
        folder = tmp_path_factory.mktemp(name)
        job = jobs.Job(ids=dataset.train.ids[few], labels=dataset.train.y[few])
        stage.run("student", asked, dataset, job, folder, Silent())
        found[name] = folder / "student_float.keras"
    return found


def load(small_npz, backbone, **values):
    return recipe.load(values={"data.spec": str(small_npz), **FAST, "student.backbone": str(backbone), **values})


def trained(asked, folder):
    """A training stage of `asked` on its own, without a cache."""
    dataset = data.load_section(asked.data, asked.seed)
    folder.mkdir(exist_ok=True)
    stage.run("student", asked, dataset, jobs.Job(ids=dataset.train.ids, labels=dataset.train.y), folder, Silent())
    return dataset, json.loads((folder / "tuning.json").read_text())


def trunk(keras, path):
    model = keras.models.load_model(path, compile=False)
    return {layer.name: [w.tobytes() for w in layer.get_weights()] for layer in model.layers if layer.name != "logits"}


def test_a_frozen_trunk_does_not_move_while_its_head_is_trained(keras, small_npz, backbones, tmp_path):
    asked = load(small_npz, backbones["microresnet"], **{"student.frozen": True})
    _, facts = trained(asked, tmp_path / "made")
    left = tmp_path / "made" / tuning.STUDENT
    assert trunk(keras, left) == trunk(keras, backbones["microresnet"])
    model = keras.models.load_model(left, compile=False)
    assert np.abs(model.get_layer("logits").get_weights()[1]).max() > 0, "the bias of the head began at zero"
    assert facts["trainable"] == 33 * 10
    assert all(layer.trainable for layer in model.layers), "what prunes it or trains it for int8 may change all of it"
    document = json.loads((tmp_path / "made/training.json").read_text())
    # Forward, and the gradient of the head's weights: no gradient flows into the trunk.
    assert document["train_flops"] == 2 * document["steps"] * 64 * (document["macs"] + 32 * 10)


@pytest.mark.parametrize(
    ("name", "method"),
    [("microresnet", "lora"), ("microresnet", "bitfit"), ("microresnet", "layernorm"), ("conv8", "ssf")],
)
def test_the_merged_student_is_the_one_that_was_trained(keras, small_npz, backbones, own_cache, tmp_path, name, method):
    values = {"student.name": name, "peft.method": method} | ({"student.width": ""} if name == "conv8" else {})
    reporter = RecordingReporter()
    build(load(small_npz, backbones[name], **values), tmp_path / "run", until="train", reporter=reporter)
    assert any(note.endswith("the operators are the plain student's") for note in reporter.notes), reporter.notes
    plain = keras.models.load_model(backbones[name], compile=False)
    merged = keras.models.load_model(tmp_path / "run/models/student_float.keras", compile=False)
    assert [layer.name for layer in merged.layers] == [layer.name for layer in plain.layers]
    (base,) = own_cache.rglob(tuning.BASE)
    assert trunk(keras, base) == trunk(keras, backbones[name]), "the trunk itself is not trained"
    assert trunk(keras, tmp_path / "run/models/student_float.keras") != trunk(keras, backbones[name])


def test_an_adapter_is_told_to_break_parity(keras, small_npz, backbones, tmp_path):
    reporter = RecordingReporter()
    asked = load(small_npz, backbones["microresnet"], **{"peft.method": "adapter", "quantization.precision": "float32"})
    document = build(asked, tmp_path / "run", reporter=reporter).document
    facts = document["compression"]["peft"]
    assert not facts["inference_parity"]
    assert facts["operators"]["FULLY_CONNECTED"] > facts["plain_operators"]["FULLY_CONNECTED"] or (
        facts["operators"]["CONV_2D"] > facts["plain_operators"]["CONV_2D"]
    )
    assert (
        trunk(keras, backbones["microresnet"]).items()
        <= trunk(keras, tmp_path / "run/models/student_float.keras").items()
    )
    assert any("cannot be merged" in warning for warning in reporter.warnings)
    assert "cannot be merged" in Path(tmp_path / "run/report.html").read_text()
    assert document["training"]["student"]["params"] == facts["total"] > facts["params"]


def test_a_frozen_backbone_curates_by_its_embeddings_and_ships_as_int8(small_npz, backbones, tmp_path):
    """tracin reads one cached embedding; another method and another head reuse it."""
    values = {
        "student.frozen": True,
        "peft.method": "ssf",
        "curation.method": "tracin",
        "curation.budget": 0.01,
        "quantization.precision": "int8",
    }
    reporter = RecordingReporter()
    report = build(load(small_npz, backbones["microresnet"], **values), tmp_path / "run", reporter=reporter)
    document = report.document
    facts = document["compression"]["peft"]
    assert facts["inference_parity"] and facts["operators"] == facts["plain_operators"]
    assert facts["max_logit_difference"] <= 1e-4
    assert document["curation"]["n_dropped"] == 9, "1 % of 900"
    assert document["curation"]["curation_flops"] > 0
    assert document["training"]["student"]["params"] == facts["params"] < facts["total"]
    assert [row["precision"] for row in document["artifacts"] if row["format"] == "tflite"] == ["float32", "int8"]
    page = (tmp_path / "run/report.html").read_text()
    assert "parameters were trained" in page and "merged" in page
    assert not any(name.startswith(("teacher", "fold")) for name in document["timings"])

    values |= {"curation.method": "influence-function", "curation.folds": 3}
    again = build(
        load(small_npz, backbones["microresnet"], **values),
        tmp_path / "again",
        until="curate",
        reporter=RecordingReporter(),
    )
    assert again is None
    reused = json.loads((tmp_path / "again/manifest.json").read_text())["timings"]
    assert reused["embeddings"] < document["timings"]["embeddings"]


class GoesOn(Silent):
    """Keeps the share of the training that was done when it first told of it."""

    def __init__(self):
        self.first = None

    def progress(self, done, total, text):
        if self.first is None:
            self.first = done / total


def test_a_killed_training_goes_on(keras, small_npz, backbones, tmp_path):
    class Killed(Exception):
        pass

    class Kills(Silent):
        def progress(self, done, total, text):
            if done > 0.8 * total:
                raise Killed

    values = {"peft.method": "ssf", "training.epochs": 3, "training.checkpoint": 1, "deterministic": True}
    asked = load(small_npz, backbones["conv8"], **values, **{"student.name": "conv8", "student.width": ""})
    dataset, _ = trained(asked, tmp_path / "whole")
    (tmp_path / "killed").mkdir()
    job = jobs.Job(ids=dataset.train.ids, labels=dataset.train.y, checkpoint=str(tmp_path / "progress"))
    with pytest.raises(Killed):
        stage.run("student", asked, dataset, job, tmp_path / "killed", Kills())
    assert json.loads((tmp_path / "progress/0/state.json").read_text())["epoch"] == 2
    going_on = GoesOn()
    stage.run("student", asked, dataset, job, tmp_path / "killed", going_on)
    assert going_on.first is not None and going_on.first > 0.5, (
        "it goes on where the checkpoint is, not from the beginning"
    )
    with np.load(tmp_path / "whole/peft.npz") as whole, np.load(tmp_path / "killed/peft.npz") as resumed:
        assert whole.files == resumed.files
        for name in whole.files:
            assert resumed[name] == pytest.approx(whole[name], abs=1e-3)


def test_a_random_backbone_is_refused(keras, small_npz, backbones, tmp_path):
    with pytest.raises(RecipeError, match=r"frozen needs a trained network: name its file in student\.backbone"):
        recipe.load(values={"student.frozen": True})
    with pytest.raises(RecipeError, match="peft 'ssf' adapts a trained network"):
        recipe.load(values={"peft.method": "ssf"})
    asked = load(small_npz, backbones["conv8"], **{"student.frozen": True})
    with pytest.raises(
        RecipeError, match=r"does not fit 'microresnet': layer 'stem_conv' .* is not in it, and would stay random"
    ):
        trained(asked, tmp_path / "made")
    asked = load(small_npz, backbones["microresnet"], **{"student.frozen": True, "student.width": "s"})
    with pytest.raises(RecipeError, match=r"layer 'stage1_a_conv' \(shapes .*\) has the shapes .* there"):
        trained(asked, tmp_path / "made")
    asked = recipe.load(
        values={"data.spec": str(small_npz), **FAST, "student.width": "s", "student.frozen": True,
                "student.weights": str(backbones["microresnet"])}
    )  # fmt: skip
    with pytest.raises(RecipeError, match=r"The trunk is frozen, and .* has no weights that fit stage1"):
        trained(asked, tmp_path / "made")
