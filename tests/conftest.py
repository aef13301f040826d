"""Fixtures: small real data, and a cache of its own for every test."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from edgekit import data
from edgekit.types import Dataset, Silent

# TensorFlow turns oneDNN on by itself only on CPUs with VNNI or AMX; elsewhere it makes convolutions much faster too.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
REPOSITORY = Path(__file__).parents[1]
SHIPPED = REPOSITORY / "calibration_data" / "fashion-mnist-mini"


def heed_ctrl_c() -> None:
    """As Popen's preexec_fn: a shell's background jobs ignore SIGINT and hand that down; what is tested is a user's Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Told(Silent):
    """A reporter that keeps what it was told and warned of."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("EDGEKIT_DATA", raising=False)


@pytest.fixture(scope="session")
def shipped() -> Dataset:
    """The shipped data set, whole."""
    return data.load("fashion-mnist-mini")


@pytest.fixture(scope="session")
def small_npz(tmp_path_factory: pytest.TempPathFactory, shipped: Dataset) -> Path:
    """1,000 train and 300 test images of the shipped set as a .npz file, class-balanced: trains in seconds."""

    def balanced(split, per_class):
        index = np.concatenate([np.flatnonzero(split.y == k)[:per_class] for k in range(10)])
        return split.x[index], split.y[index]

    path = tmp_path_factory.mktemp("data") / "small.npz"
    x_train, y_train = balanced(shipped.train, 100)
    x_test, y_test = balanced(shipped.test, 30)
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test, classes=np.array(shipped.classes))
    return path


@pytest.fixture(scope="session")
def trained(shipped: Dataset):
    """The default student after a short training: a Keras 3 model with weights that mean something."""
    from edgekit import backend, recipe, students
    from edgekit.data.splits import take
    from edgekit.training.fit import fit

    keras = backend.load("tensorflow")
    backend.seed(keras, 0, deterministic=False)
    model = students.build("students", "microresnet", keras, (28, 28, 1), 10)
    section = recipe.load(settings=["training.epochs=3", "training.batch_size=128"]).training
    train = take(shipped.train, np.arange(2000))
    fit(keras, model, train, shipped.val, section, full=2000, seed=0, augment="none", reporter=Silent())
    return model


@pytest.fixture(scope="session")
def files(trained, shipped: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """`trained` as float32, float16, dynamic and int8 .tflite, and as .onnx."""
    from edgekit.data.pixels import to_float
    from edgekit.export import calibration, onnx, tflite

    folder = tmp_path_factory.mktemp("files")
    index = calibration.calibration_index(shipped.train.y, 100, 0)
    made = {}
    for precision in ("float32", "float16", "dynamic", "int8"):
        made[precision] = folder / f"model_{precision}.tflite"
        made[precision].write_bytes(tflite.convert(trained, precision, calibration=to_float(shipped.train.x[index])))
    made["onnx"] = folder / "model_float32.onnx"
    onnx.convert(made["float32"], made["onnx"])
    return made
