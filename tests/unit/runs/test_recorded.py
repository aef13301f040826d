"""Names that come out of files lead nowhere but below their folder: every reader and remover, with the same bad names."""

import contextlib
import dataclasses
import hashlib
import importlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from onnx import TensorProto, helper
from tests.unit.bad_names import BAD, DIGEST, LEADING_OUT, SECRET, change, untouched, victims, written
from tests.unit.finished_run import finished
from typer.testing import CliRunner

import edgekit.bundle
from edgekit import recipe
from edgekit.bundle import subject
from edgekit.cli.app import app
from edgekit.errors import IntegrityError
from edgekit.inference import predict as predicting
from edgekit.inference import standalone
from edgekit.inference.evaluate import stored_predictions
from edgekit.report import changes, compared, integrity, values
from edgekit.review import decisions
from edgekit.runs import recorded
from edgekit.runs.cache import StageCache
from edgekit.runs.files import sha256_file
from edgekit.runs.folder import RunFolder
from edgekit.study.plan import Arm, Run
from edgekit.study.results import Finished
from edgekit.training.averaging import Mean
from edgekit.training.checkpoint import Checkpoint
from edgekit.zoo import products
from edgekit.zoo.products import KEYS
from edgekit.zoo.publish import publish


def reported(folder, **changed):
    """A finished run in `folder`, which may hold links already; its manifest records what the report then says."""
    with tempfile.TemporaryDirectory() as made:
        finished(Path(made) / folder.name)
        shutil.copytree(Path(made) / folder.name, folder, dirs_exist_ok=True)
    document = json.loads((folder / "report.json").read_text())
    document["recipe"] = recipe.load().model_dump(mode="json")
    document |= {key: value(document[key]) for key, value in changed.items()}
    written(folder / "report.json", document)
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    files = {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}
    change(folder / "manifest.json", files={name: files[name] for name in files if name != "manifest.json"})
    return document


def first(**values):
    """A change of the first row."""
    return lambda rows: [rows[0] | values, *rows[1:]]


def opened(folder, files, **options):
    written(folder / "manifest.json", {"files": files, "status": "complete"})
    (folder / "good.txt").write_text("good")
    try:
        RunFolder.open(folder, **options)
    finally:
        assert (folder / "good.txt").read_text() == "good"  # nothing is removed where one name is bad


def force(folder, name):
    good = hashlib.sha256(b"good").hexdigest()
    opened(folder, {"good.txt": good, name: DIGEST, "last.txt": good}, force=True)


def force_changed(folder, name):
    opened(folder, {name: "00"}, force=True)


def control(folder, name):
    """`folder` is run/control."""
    written(folder / "manifest.json", {"files": {name: DIGEST}})
    opened(folder.parent, {"good.txt": hashlib.sha256(b"good").hexdigest()}, force=True)


def write(folder, name):
    with contextlib.closing(RunFolder(folder, os.open(folder, os.O_RDONLY), {"files": {}})) as run:
        run.write(name, "mine now")


def adopt(folder, name):
    (folder / "source.txt").write_text("mine now")
    with contextlib.closing(RunFolder(folder, os.open(folder, os.O_RDONLY), {"files": {}})) as run:
        run.adopt(folder / "source.txt", name)


def verify(folder, name):
    with contextlib.closing(RunFolder(folder, os.open(folder, os.O_RDONLY), {"files": {name: DIGEST}})) as run:
        run.verify()


def gate_manifest(folder, name):
    document = reported(folder)
    change(folder / "manifest.json", files={name: DIGEST})
    raise IntegrityError(next(check.problem for check in integrity.checks(folder, document) if check.damage))


def gate_report(folder, name):
    integrity.checks(folder, reported(folder, artifacts=first(path=name, sha256=DIGEST)))


def run_values(read, **changed):
    def reader(folder, name):
        values = {key: change(name) for key, change in changed.items()}
        read(SimpleNamespace(path=folder, document=reported(folder, **values)))

    return reader


def product(folder, name, **own):
    written(folder / "manifest.json", dict.fromkeys(KEYS, 0) | {"artifact": name, "files": {name: DIGEST}} | own)


def zoo(folder, name):
    product(folder, name)
    products(folder.parent)


def product_found(folder, name):
    product(folder, name)
    predicting.find(folder)


def bundle_found(folder, name):
    written(folder / "manifest.json", {"bundle": "pi", "model": Path(name).name, "files": {name: {"sha256": DIGEST}}})
    predicting.find(folder)


def run_found(folder, name):
    reported(folder.parent, run=lambda run: run | {"shipped": name})
    predicting.find(folder.parent)


def waveform(folder, name):
    entry = {"waveform": {"of": "features.tflite"}}
    written(folder / "metadata.json", {"artifacts": {name: entry}})
    subject._waveform_of(folder / "features.tflite")


def publishable(folder, shipped="model_int8.tflite", student="models/student_float.keras"):
    for name in ("recipe.yaml", "card.md", "artifacts/labels.txt"):
        written(folder / name, recipe.load().to_yaml())
    written(folder / "artifacts/metadata.json", {"artifacts": {shipped: {}}})
    reported(folder, run=lambda run: run | {"shipped": shipped})
    change(folder / "report.json", training={"student": {"path": student}})
    files = json.loads((folder / "manifest.json").read_text())["files"]
    change(folder / "manifest.json", files=files | {"report.json": sha256_file(folder / "report.json")})


def published(folder, name):
    publishable(folder.parent, shipped=name)
    publish([folder.parent], "new", folder.parent.parent / "zoo")


def published_student(folder, name):
    publishable(folder, student=name)
    publish([folder], "new", folder.parent / "zoo")


def compare(folder, name):
    root = folder.parent
    reported(root, artifacts=first(name=name), run=lambda run: run | {"shipped": name})
    compared.arms([root], [root], ["accuracy"])


def page(folder, name):
    changes.load(folder.parent, name)


def predictions(folder, name):
    stored_predictions(folder.parent, name)


def study(folder, name):
    run = Run(arm=Arm(name="a", kind="arm"), seed=1)
    Finished(run=run, folder=folder.parent, document={}, files={"shipped": name}).path("shipped")


def onnx_weights(folder, name):
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1, 1], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value=name)
    ends = [helper.make_tensor_value_info(end, TensorProto.FLOAT, ["N", 1]) for end in "xy"]
    inner = helper.make_graph([], "inner", [], [helper.make_tensor_value_info("w", 1, [1, 1])], [weights])
    outer = helper.make_graph([helper.make_node("If", ["x"], ["y"], then_branch=inner)], "outer", ends[:1], ends[1:])
    (folder / "m.onnx").write_bytes(helper.make_model(outer).SerializeToString())
    standalone.artifact_of(folder / "m.onnx")


READERS = {
    "inside": lambda folder, name: recorded.inside(folder, name, folder / "manifest.json"),
    "digests": lambda folder, name: recorded.digests({"files": {name: DIGEST}}, folder / "manifest.json"),
    "build --force": force,
    "build --force, as a changed file": force_changed,
    "build --resume": lambda folder, name: opened(folder, {name: DIGEST}, resume=True),
    "a file of a run, written": write,
    "a file of a run, adopted": adopt,
    "a file of a run, verified": verify,
    "gate, manifest": gate_manifest,
    "gate, report": gate_report,
    "values, artifacts": run_values(values.artifacts, artifacts=lambda name: first(path=name)),
    "values, predictions": run_values(values.evaluations, evaluations=lambda name: first(predictions=name)),
    "zoo": zoo,
    "predict, product": product_found,
    "predict, bundle": bundle_found,
    "export, waveform file": waveform,
    "zoo publish, student": published_student,
    "ONNX weights": onnx_weights,
}
# (reader, the folder in the run that it looks in, what it adds to a name). Their names are in a place of their own.
PLACED = {
    "build --force, control": (control, "control", ""),
    "predict, run": (run_found, "artifacts", ""),
    "zoo publish, file": (published, "artifacts", ""),
    "compare": (compare, "evaluation", ".predictions.npz"),
    "report, page": (page, "evaluation", ".predictions.npz"),
    "predictions of a run": (predictions, "evaluation", ".predictions.npz"),
    "study": (study, "artifacts", ""),
}


@pytest.mark.parametrize("reader", READERS)
def test_no_name_leads_out_of_its_folder(tmp_path, reader):
    for kind in BAD:
        if kind == "half a pair" and reader == "ONNX weights":
            continue  # protobuf has no such text
        root = tmp_path / kind
        name = victims(root, root / "zoo" / "run")[kind]
        with pytest.raises(IntegrityError) as caught:
            READERS[reader](root / "zoo" / "run", name)
        message = str(caught.value)
        assert f" names {name!r}"[:100] in message
        assert "expected a file below" in message
        assert "\n" not in message
        assert caught.value.exit_code == 9
        untouched(root)
        assert not (root / "zoo" / "new").exists()


@pytest.mark.parametrize("reader", PLACED)
def test_no_name_leads_out_of_a_run_from_a_place_inside(tmp_path, reader):
    call, place, end = PLACED[reader]
    for kind in LEADING_OUT:
        root = tmp_path / kind
        name = victims(root, root / "run" / place, end)[kind]
        with pytest.raises(IntegrityError, match="expected a file below"):
            call(root / "run" / place, name)
        untouched(root)
        assert not (root / "zoo" / "new").exists()


def test_names_that_edgekit_writes_are_taken(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "latest").symlink_to("real")
    (tmp_path / "real" / "a").symlink_to("b")  # a link that stays inside
    for name in ("a", "evaluation/model_int8.tflite.predictions.npz", "12:30 é.txt", "..x", "a..b"):
        assert recorded.inside(tmp_path / "latest", name, tmp_path) == tmp_path / "latest" / name
    (tmp_path / "real" / "pipe").mkdir()
    with pytest.raises(IntegrityError, match="is not a file"):
        recorded.inside(tmp_path / "latest", "pipe", tmp_path)


@pytest.mark.parametrize("kind", BAD)
def test_a_cached_stage_with_a_bad_name_is_no_result(tmp_path, kind):
    cache = StageCache(tmp_path / "stages")
    folder = cache.folder("s", {})
    name = victims(tmp_path, folder)[kind]
    written(folder / "stage.json", {"files": {name: DIGEST}})
    assert not cache.has("s", {})
    made = cache.run("s", {}, lambda private: written(private / "x.txt", "x"))
    assert [path.name for path in sorted(made.iterdir())] == ["stage.json", "x.txt"]
    untouched(tmp_path)


@pytest.mark.parametrize("kind", BAD)
def test_a_checkpoint_with_a_bad_name_is_none(tmp_path, kind):
    folder = tmp_path / "progress"
    name = victims(tmp_path, folder)[kind]
    np.savez(folder / "1.arrays.npz")
    read = []
    model = SimpleNamespace(weights=[], variables=[], load_weights=read.append)
    for epoch, weights in ((1, name), (f"{name}/1", "1.weights.h5")):
        written(folder / "state.json", {"epoch": epoch, "weights": weights, "history": {}, "averaged": 0})
        assert Checkpoint(folder).load(model)[:2] == (0, {})
    assert read == []
    assert Mean().count == 0


@pytest.mark.parametrize("kind", BAD)
def test_a_bundle_on_a_device_stays_in_its_folder(tmp_path, monkeypatch, kind):
    monkeypatch.syspath_prepend(edgekit.bundle.__path__[0] + "/templates/python")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    model, errors = (importlib.import_module(f"edgekit_classifier.{name}") for name in ("model", "errors"))
    name = victims(tmp_path, tmp_path / "bundle")[kind]
    metadata = {"bundle": {"model": name}, "artifacts": {name: {"sha256": DIGEST}}}
    written(tmp_path / "bundle" / "metadata.json", metadata)
    there = kind not in ("a drive", "not plain", "too long")  # names of no file, but inside
    with pytest.raises(errors.Refused if there else OSError):
        model.Classifier(tmp_path / "bundle")
    untouched(tmp_path)
    for module in [module for module in sys.modules if module.startswith("edgekit_classifier")]:
        del sys.modules[module]


def test_a_review_writes_no_decision_out_of_the_run(tmp_path):
    name = victims(tmp_path, tmp_path / "elsewhere")["absolute"]
    (tmp_path / "run" / "curation").mkdir(parents=True)
    (tmp_path / "run" / "curation" / "edits.jsonl").symlink_to(name)
    with pytest.raises(IntegrityError, match="by a link"), decisions.opened(tmp_path / "run"):
        pass
    untouched(tmp_path)


def edgekit_error(*arguments):
    """The error that a command ends with."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exception, done.output


def test_build_force_with_a_crafted_manifest_fails_before_any_work_and_touches_nothing(tmp_path):
    x, y = np.random.default_rng(0).integers(0, 256, (120, 28, 28, 1), np.uint8), np.tile([0, 1], 60)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    victim, run = tmp_path / "victim", tmp_path / "run"
    victim.mkdir()
    for name in ("mine.txt", "gone.txt"):
        (victim / name).write_bytes(SECRET)
    files = {"../victim/mine.txt": "00", f"{victim}/gone.txt": DIGEST}
    written(run / "manifest.json", {"files": files, "status": "complete"})
    error, output = edgekit_error("build", "--data", tmp_path / "data.npz", "--force", "--out", run)
    assert isinstance(error, IntegrityError), output
    assert str(error).startswith(
        f"{run}/manifest.json names '../victim/mine.txt', which leads out of the folder; expected"
    )
    assert "Teacher" not in output
    assert "Training" not in output
    assert sorted(path.name for path in run.iterdir()) == ["manifest.json"]
    assert [path.read_bytes() for path in victim.iterdir()] == [SECRET] * 2


def test_other_commands_end_with_the_same_error(tmp_path):
    name = victims(tmp_path, tmp_path / "elsewhere")["absolute"]
    finished(tmp_path / "run")
    product(tmp_path / "zoo" / "p", name)
    change(tmp_path / "run" / "manifest.json", files={name: DIGEST})
    for arguments in (("gate", "run"), ("report", "run"), ("compare", "run", "run"), ("zoo", "verify", "--zoo", "zoo")):
        paths = [tmp_path / each if each in ("run", "zoo") and i else each for i, each in enumerate(arguments)]
        error, output = edgekit_error(*paths)
        assert isinstance(error, IntegrityError), output
        assert "leads out of the folder" in str(error)
    untouched(tmp_path)


def test_reports_of_a_run_are_plain_values(tmp_path):
    """What the table above changes is what a build writes: unchanged, every reader takes it."""
    folder = tmp_path / "run"
    folder.mkdir()
    document = reported(folder)
    run = SimpleNamespace(path=folder, document=document)
    assert not [check for check in integrity.checks(folder, document) if check.damage]
    assert [artifact.path.parent for artifact in values.artifacts(run)] == [folder / "artifacts"] * 2
    assert all(dataclasses.asdict(row)["predictions"] is None for row in values.evaluations(run))
    assert predicting.find(folder) == folder / "artifacts" / "model_int8.tflite"
