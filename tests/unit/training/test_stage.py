"""What the training stage adds to a fit: a teacher's soft labels, checkpoints, weights to start from, several devices."""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from edgekit import data, recipe, students
from edgekit.data.splits import take
from edgekit.errors import RecipeError
from edgekit.frameworks import backend
from edgekit.peft.apply import train_only
from edgekit.training import distill, jobs, soft_labels, stage, transfer
from edgekit.training.augment import Augmentation
from edgekit.training.batches import Samples, draw
from edgekit.training.checkpoint import Checkpoint
from edgekit.training.fit import fit
from edgekit.types import Silent, Split

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


def section(**values):
    return recipe.from_mapping({"training": values}).training


def trained(keras, shipped, values, checkpoint=None, watch=None):
    backend.seed(keras, 0, deterministic=False)
    model = students.build("students", "conv8", keras, (28, 28, 1), 10)
    train = take(shipped.train, np.arange(256))
    history = fit(
        keras,
        model,
        Samples(train=train, val=take(shipped.val, np.arange(100)), full=256),
        section(batch_size=64, learning_rate=0.01, **values),
        augmentation=Augmentation(name="shift"),
        seed=0,
        reporter=watch or Silent(),
        checkpoint=checkpoint,
    )
    return model, history


class Killed(Exception):
    pass


class KilledLater(Silent):
    """Ends the process's training in the third epoch, as a kill would."""

    def progress(self, done, total, text):
        if done > total / 2:
            raise Killed


@pytest.mark.parametrize("average", [{"swa": 0.8, "swa_learning_rate": 0.005}, {"ema": 0.9}])
def test_a_killed_training_goes_on_to_the_same_weights(keras, shipped, tmp_path, average):
    values = {"epochs": 4, "checkpoint": 1, **average}
    whole, expected = trained(keras, shipped, values)
    checkpoint = Checkpoint(tmp_path / "state")
    with pytest.raises(Killed):
        trained(keras, shipped, values, checkpoint, KilledLater())
    assert json.loads((tmp_path / "state/state.json").read_text())["epoch"] == 2
    resumed, history = trained(keras, shipped, values, checkpoint)
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-3)
    assert history["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-3)
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        assert one == pytest.approx(other, abs=1e-3)


def test_the_average_is_what_the_network_holds(keras, shipped):
    model, history = trained(keras, shipped, {"epochs": 3, "ema": 0.95})
    val = take(shipped.val, np.arange(100))
    p = np.asarray(model.predict_on_batch(val.x[:].astype(np.float32) / 255))
    assert (p.argmax(axis=1) == val.y).mean() == pytest.approx(history["val_accuracy"][-1])
    plain, _ = trained(keras, shipped, {"epochs": 3})
    assert not np.allclose(plain.get_weights()[0], model.get_weights()[0], atol=1e-4)


@pytest.mark.parametrize("average", [{"ema": 0.9}, {"swa": 0.5}])
def test_batch_statistics_are_renewed_for_the_average(keras, shipped, average):
    """One batch is the whole set, so the moving statistics must be those of the averaged weights on it."""
    backend.seed(keras, 0, deterministic=False)
    model = students.build("students", "microresnet", keras, (28, 28, 1), 10, width="fast")
    train = take(shipped.train, np.arange(64))
    samples, plain = Samples(train=train, val=train, full=64), Augmentation(name="none")
    chosen = section(epochs=4, batch_size=64, learning_rate=0.01, **average)
    fit(keras, model, samples, chosen, augmentation=plain, seed=0, reporter=Silent())
    first = keras.Model(model.input, model.get_layer("stem_conv").output)
    seen = np.asarray(first(train.x[:].astype(np.float32) / 255))
    _, _, mean, variance = model.get_layer("stem_bn").get_weights()
    assert mean == pytest.approx(seen.mean(axis=(0, 1, 2)), abs=1e-4)
    assert variance == pytest.approx(seen.var(axis=(0, 1, 2)), rel=1e-2, abs=1e-5)


@pytest.mark.parametrize("average", [{"ema": 0.9}, {"swa": 0.5}])
def test_a_frozen_trunk_keeps_its_batch_statistics(keras, average):
    rng = np.random.default_rng(0)
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Conv2D(4, 3, name="conv")(image))
    x = keras.layers.Dense(2, name="logits")(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, keras.layers.Softmax()(x))
    train_only(model, {"logits"})
    trunk = [layer for layer in model.layers if layer.name in ("conv", "norm")]
    before = [w for layer in trunk for w in layer.get_weights()]
    head = model.get_layer("logits").get_weights()
    train = Split(x=rng.random((32, 8, 8, 1), np.float32) + 3, y=np.arange(32) % 2, ids=np.arange(32).astype(str))
    samples, plain = Samples(train=train, val=train, full=32), Augmentation(name="none")
    chosen = section(epochs=2, batch_size=16, learning_rate=0.1, **average)
    fit(keras, model, samples, chosen, augmentation=plain, seed=0, reporter=Silent())
    for old, new in zip(before, (w for layer in trunk for w in layer.get_weights()), strict=True):
        assert np.array_equal(old, new)
    assert not np.array_equal(head[0], model.get_layer("logits").get_weights()[0])


def test_class_weights_by_hand():
    labels = np.array([0, 0, 0, 1])
    balanced = section(class_weights="balanced")
    assert stage.weights_of(labels, None, section()) is None
    # Each class sums to the same: 1/3 each and 1, scaled to mean 1.
    assert stage.weights_of(labels, None, balanced) == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])
    weighted = stage.weights_of(labels, np.array([1, 1, 2, 1], np.float32), balanced)
    assert weighted == pytest.approx(np.array([1 / 3, 1 / 3, 2 / 3, 1]) * 4 / (7 / 3))


def test_soft_labels_are_of_their_views(small_npz):
    def key(**values):
        asked = recipe.load(values={"data.spec": str(small_npz), "distillation.alpha": 0.5, **values})
        return json.dumps(soft_labels.key(asked, dataset, job))

    dataset = data.load(str(small_npz))
    job = jobs.Job(ids=dataset.train.ids, labels=dataset.train.y, teacher="/cache/teacher/abc/teacher.keras")
    plain = key()
    assert plain == key(**{"student.width": "xs", "training.learning_rate": 0.1})
    for values in ({"training.augment": "affine"}, {"training.cutout": 0.2}, {"distillation.views": 3}):
        assert key(**values) != plain
    none = recipe.load(values={"data.spec": str(small_npz), "distillation.alpha": 0.5, "training.augment": "none"})
    assert soft_labels.views_of(none, dataset) == 1, "all views are the same image"


def test_a_teacher_is_asked_about_the_views_that_a_student_sees(keras, shipped):
    teacher = students.build("students", "conv8", keras, (28, 28, 1), 10)
    train = take(shipped.train, np.arange(40))
    augmentation = Augmentation(name="shift-flip", cutout=0.2)
    found = distill.teacher_logits(keras, teacher, train, augmentation, views=2, seed=5, reporter=Silent())
    assert found.shape == (2, 40, 10)
    seen = augmentation.apply(train.x[:], draw(augmentation, 40, (28, 28, 1), 5, 1)).astype(np.float32) / 255
    logits = keras.Model(teacher.input, teacher.get_layer("logits").output)
    assert found[1].astype(np.float32) == pytest.approx(np.asarray(logits(seen)), abs=2e-3)


def test_a_student_learns_from_its_teacher_and_starts_from_weights(keras, small_npz, tmp_path):
    loaded = recipe.load(
        values={"data.spec": str(small_npz), "student.name": "conv8", "teacher.name": "microresnet",
                "training.epochs": 2, "teacher.epochs": 2, "training.batch_size": 128,
                "teacher.batch_size": 128, "distillation.alpha": 0.5, "distillation.views": 2,
                "training.class_weights": "balanced"}
    )  # fmt: skip
    dataset = data.load_section(loaded.data, loaded.seed)
    ids, labels = dataset.train.ids, dataset.train.y
    folders = {name: tmp_path / name for name in ("teacher", "soft_labels", "student", "other")}
    for folder in folders.values():
        folder.mkdir()
    stage.run("teacher", loaded, dataset, jobs.Job(ids=ids, labels=labels), folders["teacher"], Silent())
    asked = jobs.Job(ids=ids, labels=labels, teacher=str(folders["teacher"] / "teacher.keras"))
    stage.run("soft_labels", loaded, dataset, asked, folders["soft_labels"], Silent())
    assert distill.load(folders["soft_labels"] / "soft_labels.npy").shape == (2, len(ids), len(dataset.classes))
    job = jobs.Job(ids=ids[::2], labels=labels[::2], soft_labels=str(folders["soft_labels"] / "soft_labels.npy"))
    stage.run("student", loaded, dataset, job, folders["student"], Silent())
    facts = json.loads((folders["student"] / "training.json").read_text())
    assert facts["history"]["loss"][1] < facts["history"]["loss"][0]
    keys = {json.dumps(jobs.key(loaded, dataset, j)) for j in (job, jobs.Job(ids=ids[::2], labels=labels[::2]))}
    assert len(keys) == 2, "with and without the soft labels are two trainings"

    weights = folders["student"] / "student_float.keras"
    model = students.build("students", "conv8", keras, dataset.input.shape, 7)
    loaded = transfer.start_from(keras, model, weights)
    assert (loaded.layers, loaded.fresh) == (2, ("logits",)), "another number of classes keeps a fresh head"
    source = keras.models.load_model(weights, compile=False)
    assert np.array_equal(model.layers[1].get_weights()[0], source.layers[1].get_weights()[0])
    other = students.build("students", "microresnet", keras, dataset.input.shape, 7)
    with pytest.raises(RecipeError, match=r"No layer of .* fits 'microresnet'"):
        transfer.start_from(keras, other, weights)
    (tmp_path / "x.keras").write_text("no zip")
    with pytest.raises(RecipeError, match="cannot be read"):
        transfer.start_from(keras, other, tmp_path / "x.keras")


class Noting(Silent):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def test_a_student_with_a_fresh_head_trains_it_first(keras, small_npz, tmp_path):
    """Weights of 7 classes, in color: the kernel is summed, the head is fresh; the steps are those of one training."""
    students.build("students", "microresnet", keras, (28, 28, 3), 7, "fast").save(tmp_path / "other.keras")
    found = {}
    for share in ("auto", 0):
        loaded = recipe.load(
            values={"data.spec": str(small_npz), "student.width": "fast", "student.weights": str(tmp_path / "other.keras"),
                    "student.head_first": share, "training.epochs": 2, "training.batch_size": 128}
        )  # fmt: skip
        dataset, heard = data.load_section(loaded.data, loaded.seed), Noting()
        folder = tmp_path / str(share)
        folder.mkdir()
        stage.run("student", loaded, dataset, jobs.Job(ids=dataset.train.ids, labels=dataset.train.y), folder, heard)
        found[share] = json.loads((folder / "training.json").read_text())
        assert "not logits; its first kernel is adapted" in heard.notes[0]
        assert ("epochs 1 to 1 train only logits, then up to 2 all layers" in heard.notes[0]) == (share == "auto")
        assert all(layer.trainable for layer in keras.models.load_model(folder / "student_float.keras").layers)
    assert found["auto"]["steps"] == found[0]["steps"]
    assert 0.6 < found["auto"]["train_flops"] / found[0]["train_flops"] < 0.7, "a frozen trunk costs a third"


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_files_of_keras_applications_fit_by_order(keras, tmp_path, suffix):
    """The student's MobileNetV2 has the backbone of keras.applications', with other names and another head."""
    source = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None, classes=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras calls .h5 files legacy
        source.save(tmp_path / f"weights{suffix}")
    model = students.build("students", "mobilenetv2", keras, (96, 96, 3), 3, width="035")
    loaded = transfer.start_from(keras, model, tmp_path / f"weights{suffix}")
    assert loaded.fresh == ("last_conv", "last_bn", "logits")
    assert loaded.layers == 2 * 51
    project = source.get_layer("block_16_project").get_weights()[0]
    assert np.array_equal(model.get_layer("stage6_0_project_conv").get_weights()[0], project)


_TWO_DEVICES = """
import sys
import numpy as np
name = sys.argv[1]
from edgekit import recipe, students
from edgekit.frameworks import backend
keras = backend.load(name)
if name == "tensorflow":
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from edgekit.training.augment import Augmentation
from edgekit.training.batches import Samples
from edgekit.training.fit import fit
from edgekit.types import Silent, Split
rng = np.random.default_rng(0)
y = np.arange(128) % 2
x = (rng.random((128, 8, 8, 1)) * 50 + 200 * y[:, None, None, None]).astype(np.uint8)
split = Split(x=x, y=y, ids=np.array([str(i) for i in range(128)]), group=None)
section = recipe.from_mapping({"training": {"epochs": 12, "batch_size": 32, "learning_rate": 0.02}}).training
backend.seed(keras, 0, deterministic=False)
with backend.distributed(keras) as devices:
    model = students.build("students", "conv8", keras, (8, 8, 1), 2)
    samples, plain = Samples(train=split, val=split, full=128), Augmentation(name="none")
    history = fit(keras, model, samples, section, augmentation=plain, seed=0, reporter=Silent())
print(devices, history["loss"][-1], history["val_accuracy"][-1])
"""


@pytest.mark.parametrize("name", ["tensorflow", "jax"])
def test_two_devices_share_a_batch_and_learn_what_one_learns(name):
    found = {}
    for count in (1, 2):
        code = _TWO_DEVICES if count == 2 else _TWO_DEVICES.replace("* 2)", "* 1)")
        flags = f"--xla_force_host_platform_device_count={count}"
        run = subprocess.run(
            [sys.executable, "-c", code, name],
            capture_output=True, text=True, check=False,
            env={**os.environ, "XLA_FLAGS": flags},
        )  # fmt: skip
        assert run.returncode == 0, run.stderr[-2000:]
        devices, loss, accuracy = run.stdout.split()[-3:]
        assert int(devices) == count
        found[count] = float(loss), float(accuracy)
    assert found[2][1] == found[1][1] == 1.0
    assert found[2][0] == pytest.approx(found[1][0], abs=0.1)
