"""Fixtures: small real data, and one stage cache for the whole run. Long files come first, as tests/durations.json tells."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from edgekit import data
from edgekit.types import Dataset, Silent
from tests import once
from tests.schedule import (
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_runtest_logreport,
    pytest_sessionfinish,
    pytest_unconfigure,
    pytest_xdist_make_scheduler,
)

# TensorFlow turns oneDNN on by itself only on CPUs with VNNI or AMX; elsewhere it makes convolutions much faster too.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
HOOKS = (
    *(pytest_addoption, pytest_collection_modifyitems, pytest_configure),
    *(pytest_runtest_logreport, pytest_sessionfinish, pytest_unconfigure, pytest_xdist_make_scheduler),
)
REPOSITORY = Path(__file__).parents[1]
SHIPPED = REPOSITORY / "calibration_data" / "fashion-mnist-mini"


class RecordingReporter(Silent):
    """A reporter that keeps what it was told and warned of."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture(autouse=True)
def _ctrl_c():
    """A shell's background job ignores SIGINT, and hands that down to pytest and what it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def _no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEKIT_DATA", raising=False)


@pytest.fixture(autouse=True)
def _no_test_machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once booted, the arm64 machine answers to every name: only for the tests that ask for it."""
    if "machine" not in request.fixturenames:
        monkeypatch.delenv("EDGEKIT_SSH_CONFIG", raising=False)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own, for tests of the cache, of kills and of going on; else all tests share one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def shipped() -> Dataset:
    """The shipped data set, whole."""
    return data.load("fashion-mnist-mini")


@pytest.fixture(scope="session")
def small_npz(shipped: Dataset) -> Path:
    """1,000 train and 300 test images of the shipped set as a .npz file, class-balanced, at 14x14: trains in seconds."""
    return _part_of(shipped, "small", 2)


@pytest.fixture(scope="session")
def small_28_npz(shipped: Dataset) -> Path:
    """The same at 28x28."""
    return _part_of(shipped, "small-28", 1)


def _part_of(shipped: Dataset, name: str, step: int) -> Path:
    """A .npz file of the first images of each class, step x step pixels averaged to one."""

    def balanced(split, per_class):
        index = np.concatenate([np.flatnonzero(split.y == k)[:per_class] for k in range(10)])
        blocks = split.x[index].reshape(len(index), 28 // step, step, 28 // step, step, 1)
        return blocks.mean(axis=(2, 4)).round().astype(np.uint8), split.y[index]

    def fill(folder: Path) -> None:
        x_train, y_train = balanced(shipped.train, 100)
        x_test, y_test = balanced(shipped.test, 30)
        arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
        np.savez(folder / "small.npz", **arrays, classes=np.array(shipped.classes))

    return once.shared(name, fill) / "small.npz"


@pytest.fixture(scope="session")
def trained(shipped: Dataset):
    """The default student after a short training: a Keras 3 model with weights that mean something."""
    from edgekit import recipe, students
    from edgekit.data.splits import take
    from edgekit.frameworks import backend
    from edgekit.training.augment import Augmentation
    from edgekit.training.batches import Samples
    from edgekit.training.fit import fit

    keras = backend.load("tensorflow")

    def fill(folder: Path) -> None:
        backend.seed(keras, 0, deterministic=False)
        model = students.build("students", "microresnet", keras, (28, 28, 1), 10)
        section = recipe.load(settings=["training.epochs=3", "training.batch_size=128"]).training
        samples = Samples(train=take(shipped.train, np.arange(2000)), val=shipped.val, full=2000)
        fit(keras, model, samples, section, augmentation=Augmentation(name="none"), seed=0, reporter=Silent())
        model.save(folder / "trained.keras")

    return keras.models.load_model(once.shared("trained", fill) / "trained.keras", compile=False)


@pytest.fixture(scope="session")
def files(trained, shipped: Dataset) -> dict[str, Path]:
    """`trained` as float32, float16, dynamic and int8 .tflite, and as .onnx."""
    from edgekit.data.pixels import to_float
    from edgekit.export import calibration, onnx, tflite

    precisions = ("float32", "float16", "dynamic", "int8")

    def fill(folder: Path) -> None:
        index = calibration.calibration_index(shipped.train.y, 100, 0)
        for precision in precisions:
            made = tflite.convert(trained, precision, calibration=to_float(shipped.train.x[index]))
            (folder / f"model_{precision}.tflite").write_bytes(made)
        onnx.convert(folder / "model_float32.tflite", folder / "model_float32.onnx")

    folder = once.shared("files", fill)
    return {precision: folder / f"model_{precision}.tflite" for precision in precisions} | {
        "onnx": folder / "model_float32.onnx"
    }
