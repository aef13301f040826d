import json

import numpy as np
import pytest

from edgekit import recipe, students
from edgekit.data.splits import take
from edgekit.errors import DataError, IntegrityError, MissingExtra, TrainingError
from edgekit.frameworks import backend
from edgekit.training import flops, jobs, process, signals, stage
from edgekit.training.augment import Augmentation
from edgekit.training.batches import Samples, batch_indices
from edgekit.training.fit import fit, steps_per_epoch
from edgekit.types import Silent


def section(**values):
    return recipe.from_mapping({"training": values}).training


def test_steps_match_the_uncurated_run_unless_epochs_are_asked_for():
    assert steps_per_epoch(section(batch_size=32), kept=48_184, full=60_000) == 1875
    # the IQR study: 48,184 samples, batch 32, 15 epochs -> 22,590 steps
    assert 15 * steps_per_epoch(section(batch_size=32, match="epochs"), kept=48_184, full=60_000) == 22_590


def test_batches_show_every_sample_equally_often():
    indices = batch_indices(samples=10, batch_size=4, batches=10, seed=0)
    assert indices.shape == (10, 4)
    assert np.bincount(indices.ravel()).tolist() == [4] * 10
    assert not np.array_equal(indices, batch_indices(10, 4, 10, seed=1))


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


@pytest.mark.tf
@pytest.mark.parametrize(
    ("table", "name", "params", "macs"),
    [("teachers", "cnn32-64", 1_199_882, 11_992_448), ("students", "conv8", 21_898, 70_464)],
)
def test_flop_ledger_of_the_iqr_studys_networks(keras, table, name, params, macs):
    model = students.build(table, name, keras, (28, 28, 1), 10)
    assert model.count_params() == params
    assert flops.macs(model) == macs


@pytest.mark.tf
def test_training_flops_of_the_iqr_study(keras):
    """3 * forward less the first layer's input gradient, which the 43.2 and 0.306 TFLOP of docs/methods.md, "FLOPs", leave in."""
    teacher = students.build("teachers", "cnn32-64", keras, (28, 28, 1), 10)
    student = students.build("students", "conv8", keras, (28, 28, 1), 10)
    assert flops.train_flops(teacher, 600_000) == 2 * 600_000 * (3 * 11_992_448 - 26 * 26 * 9 * 32)
    assert flops.train_flops(teacher, 600_000) / 1e12 == pytest.approx(43.2, rel=0.01)
    seen = 48_184 * 15
    assert flops.train_flops(student, seen) == 2 * seen * (3 * 70_464 - 26 * 26 * 9 * 8)
    assert (flops.train_flops(student, seen) + 2 * seen * 26 * 26 * 9 * 8) / 1e12 == pytest.approx(0.306, rel=0.01)


@pytest.mark.tf
def test_too_small_images_are_a_clear_error(keras):
    with pytest.raises(DataError, match="Images of 2x2 do not fit 'cnn32-64'"):
        students.build("teachers", "cnn32-64", keras, (2, 2, 1), 10)


@pytest.mark.tf
@pytest.mark.parametrize("values", [{}, {"label_smoothing": 0.1, "ema": 0.9}])
def test_a_network_is_traced_once(keras, shipped, monkeypatch, values):
    """Variables that a first step makes would have TensorFlow trace it again: seconds for each training."""
    traced = []
    step = keras.Model.train_step
    monkeypatch.setattr(keras.Model, "train_step", lambda model, data: (traced.append(model), step(model, data))[1])
    train = take(shipped.train, np.arange(64))
    samples, plain = Samples(train=train, val=train, full=64), Augmentation(name="none")
    model = students.build("students", "conv8", keras, (28, 28, 1), 10)
    chosen = section(epochs=2, batch_size=16, **values)
    fit(keras, model, samples, chosen, augmentation=plain, seed=0, reporter=Silent())
    assert len(traced) == 1


@pytest.mark.tf
def test_the_default_student_learns(keras, shipped):
    backend.seed(keras, 0, deterministic=False)
    model = students.build("students", "microresnet", keras, (28, 28, 1), 10)
    train = take(shipped.train, np.arange(2000))
    history = fit(
        keras,
        model,
        Samples(train=train, val=shipped.val, full=2000),
        section(epochs=6, batch_size=128),
        augmentation=Augmentation(name="shift-flip"),
        seed=0,
        reporter=Silent(),
    )
    assert history["val_accuracy"][-1] > 0.7
    assert history["learning_rate"][-1] < 1e-5 < history["learning_rate"][1]
    p = signals.probabilities(model, shipped.val.x)
    assert p.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (p.argmax(axis=1) == shipped.val.y).mean() == pytest.approx(history["val_accuracy"][-1])


@pytest.mark.tf
@pytest.mark.parametrize(
    "extra",
    [
        {"label_smoothing": 0.1, "cutout": 0.2},
        {"optimizer": "adam", "schedule": "constant", "clip_norm": None},
        {"optimizer": "sgd", "schedule": "step", "learning_rate": 0.05, "ema": 0.9},
        {"mixup": 0.2, "precision": "bfloat16"},
    ],
)
def test_other_training_options_train(keras, shipped, extra):
    backend.seed(keras, 0, deterministic=False)
    model = students.build("students", "conv8", keras, (28, 28, 1), 10)
    before = model.get_weights()[0].copy()
    train = take(shipped.train, np.arange(512))
    history = fit(
        keras,
        model,
        Samples(train=train, val=shipped.val, full=512),
        section(epochs=2, batch_size=32, **extra),
        augmentation=Augmentation(name="none", cutout=extra.get("cutout", 0.0)),
        seed=0,
        reporter=Silent(),
    )
    assert len(history["loss"]) == len(history["learning_rate"]) == 2
    assert history["loss"][1] < history["loss"][0]
    assert not np.array_equal(before, model.get_weights()[0])


@pytest.mark.tf
def test_a_diverging_run_is_a_training_error(keras, shipped):
    model = students.build("students", "conv8", keras, (28, 28, 1), 10)
    with pytest.raises(TrainingError, match="diverged in epoch 1"):
        fit(
            keras,
            model,
            Samples(train=take(shipped.train, np.arange(256)), val=shipped.val, full=256),
            section(
                epochs=2, batch_size=128, learning_rate=1e30, clip_norm=None, schedule="constant", optimizer="adam"
            ),
            augmentation=Augmentation(name="none"),
            seed=0,
            reporter=Silent(),
        )


@pytest.mark.jax
def test_jax_trains_in_its_own_process_and_the_model_loads_under_tensorflow(small_npz, tmp_path):
    from edgekit import data

    pytest.importorskip("jax")
    loaded = recipe.load(
        values={"backend": "jax", "data.spec": str(small_npz), "training.epochs": 2, "training.batch_size": 64}
    )
    dataset = data.load(str(small_npz))
    folder = tmp_path / "stage"
    folder.mkdir()
    job = jobs.Job(ids=dataset.train.ids, labels=dataset.train.y)
    stage.run("student", loaded, dataset, job, folder, Silent())
    facts = json.loads((folder / "training.json").read_text())
    assert "on jax" in facts["framework"]
    assert sorted(p.name for p in folder.iterdir()) == ["student_float.keras", "training.json", "tuning.json"]
    keras = backend.load("tensorflow")
    model = keras.models.load_model(folder / "student_float.keras", compile=False)
    accuracy = (signals.probabilities(model, dataset.val.x).argmax(axis=1) == dataset.val.y).mean()
    assert accuracy == pytest.approx(facts["history"]["val_accuracy"][-1], abs=1e-6)


@pytest.mark.jax
def test_an_error_in_the_backends_process_reaches_the_user(small_npz, tmp_path):
    from edgekit import data

    pytest.importorskip("jax")
    loaded = recipe.load(values={"backend": "jax", "data.spec": str(small_npz)})
    dataset = data.load(str(small_npz), seed=1)  # another split than the recipe's seed gives
    with pytest.raises(TrainingError, match="changed while the build ran"):
        stage.run(
            "student", loaded, dataset, jobs.Job(ids=dataset.train.ids, labels=dataset.train.y), tmp_path, Silent()
        )


@pytest.mark.jax
def test_it_keeps_the_class_that_it_had_there(small_npz, tmp_path):
    """A damaged backbone is exit 9 on every backend."""
    from edgekit import data

    pytest.importorskip("jax")
    (tmp_path / "c.npz").write_bytes(b"PK damaged")
    values = {"backend": "jax", "data.spec": str(small_npz), "student.name": "passt_tiny",
              "student.backbone": str(tmp_path / "c.npz")}  # fmt: skip
    loaded = recipe.load(values=values)
    dataset = data.load_section(loaded.data, loaded.seed)
    job = jobs.Job(ids=dataset.train.ids, labels=dataset.train.y)
    with pytest.raises(IntegrityError, match=r"c\.npz cannot be read as \.npz"):
        stage.run("student", loaded, dataset, job, tmp_path, Silent())


def test_errors_that_word_themselves_arrive_as_they_were():
    message = str(MissingExtra("Reading a .safetensors file", "safetensors"))
    found = process.of_kind("MissingExtra", message)
    assert isinstance(found, MissingExtra) and str(found) == message and found.exit_code == 3
    assert type(process.of_kind("ValueError", "x")) is TrainingError
