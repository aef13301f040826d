"""edgekit compress, as a user runs it: another process, a model file of their own, files out."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.tf

_MODEL = """
import sys
from edgekit import backend
keras = backend.load("tensorflow")
keras.utils.set_random_seed(0)
import numpy as np
with np.load(sys.argv[1]) as data:
    x, y = data["x_train"].astype("float32"), data["y_train"]
if x.ndim == 3:
    x = x[..., None]
layers = keras.layers
body = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(32, 3, strides=2), layers.BatchNormalization(momentum=0.5),
                         layers.ReLU(), layers.SeparableConv2D(64, 3, strides=2, activation="relu")], name="body")
image = keras.Input((28, 28, 1))
x_ = body(layers.Rescaling(1 / 255)(layers.RandomTranslation(0.05, 0.05)(image)))
model = keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling2D()(x_)), name="mine")
model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(x, y, epochs=12, batch_size=64, verbose=0)
model.save(sys.argv[2])
"""


@pytest.fixture(scope="module")
def mine(small_npz, tmp_path_factory):
    """A nested model with preprocessing inside that ends in logits, trained on 0 to 255."""
    path = tmp_path_factory.mktemp("model") / "mine.keras"
    subprocess.run([sys.executable, "-c", _MODEL, str(small_npz), str(path)], check=True, capture_output=True)
    return path


def edgekit(*arguments, code=0):
    command = [sys.executable, "-m", "edgekit", "compress", *map(str, arguments)]
    made = subprocess.run(command, capture_output=True, text=True)
    assert made.returncode == code, made.stderr
    return made


def test_prune_and_qat_of_a_users_model(mine, small_npz, tmp_path):
    out = tmp_path / "out"
    made = edgekit(
        "--model", mine, "--data", small_npz, "--prune", 0.5, "--quantize", "int8-qat", "--out", out, "--json",
        "--set", "pruning.epochs=8", "--set", "quantization.qat_epochs=1",
    )  # fmt: skip
    document = json.loads(made.stdout)
    assert document == json.loads((out / "report.json").read_text())
    assert document["model"]["input_range"] == "0-255"
    assert "ends in logits" in made.stderr
    first, last = document["artifacts"]
    assert [first["name"], last["name"]] == ["model_float32.tflite", "model_int8.tflite"]
    assert last["size_bytes"] < first["size_bytes"]
    assert last["sparsity"] > 0.4 > first["sparsity"]
    test = {row["artifact"]: row for row in document["evaluations"] if row["split"] == "test"}
    assert test[first["name"]]["accuracy"] > 0.4
    assert test[last["name"]]["accuracy"] > test[first["name"]]["accuracy"] - 0.08
    assert any("latency was not measured" in line for line in document["not_improved"])
    assert {path.name for path in (out / "models").iterdir()} == {
        "model_pruned.tfkeras.keras",
        "model_qat.tfkeras.keras",
    }
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert "artifacts/model_int8.tflite" in manifest["files"]
    assert not list(out.rglob(".edgekit-partial-*"))
    assert "holds a run already" in edgekit("--model", mine, "--data", small_npz, "--out", out, code=2).stderr


def test_ptq_prints_sizes_and_what_did_not_improve(mine, small_npz, tmp_path):
    made = edgekit(
        "--model", mine, "--data", small_npz, "--io", "uint8", "--calibration", small_npz, "--out", tmp_path / "o"
    )
    assert "model_int8.tflite" in made.stdout
    assert "not improved: latency was not measured" in made.stdout


def test_refusals_and_their_exit_codes(mine, small_npz, tmp_path):
    out = tmp_path / "o"
    assert "does not exist" in edgekit("--model", "none.keras", "--data", small_npz, "--out", out, code=2).stderr
    wrong = tmp_path / "wrong.npz"
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (60, 28, 28), dtype=np.uint8)
    np.savez(wrong, x_train=x, y_train=np.arange(60) % 3, x_test=x[:30], y_test=np.arange(30) % 3)
    assert "has 3 classes" in edgekit("--model", mine, "--data", wrong, "--out", out, code=4).stderr
    assert "'int7'" in edgekit("--model", mine, "--quantize", "int7", "--out", out, code=2).stderr
    assert "--input-range is" in edgekit("--model", mine, "--input-range", "255", "--out", out, code=2).stderr
    assert not out.exists()
