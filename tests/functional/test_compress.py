"""edgekit compress, as a user runs it: a model file of their own, files out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests import commands

from edgekit.frameworks import backend

pytestmark = pytest.mark.tf


def trained_by_user(small_28_npz, path, *, augment, end, epochs):
    keras = backend.load("tensorflow")
    keras.utils.set_random_seed(0)
    with np.load(small_28_npz) as data:
        x, y = data["x_train"].astype("float32"), data["y_train"]
    if x.ndim == 3:
        x = x[..., None]
    layers = keras.layers
    body = keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Conv2D(32, 3, strides=2), layers.BatchNormalization(momentum=0.5),
         layers.ReLU(), layers.SeparableConv2D(64, 3, strides=2, activation="relu")], name="body",
    )  # fmt: skip
    image = keras.Input((28, 28, 1))
    shifted = layers.RandomTranslation(0.05, 0.05)(image) if augment else image
    x_ = body(layers.Rescaling(1 / 255)(shifted))
    model = keras.Model(image, layers.Dense(10, activation=end)(layers.GlobalAveragePooling2D()(x_)), name="mine")
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=end == "linear"))
    model.fit(x, y, epochs=epochs, batch_size=64, verbose=0)
    model.save(path)
    return path


@pytest.fixture(scope="module")
def mine(small_28_npz, tmp_path_factory):
    """A nested model with preprocessing inside that ends in logits, trained on 0 to 255."""
    return trained_by_user(
        small_28_npz, tmp_path_factory.mktemp("model") / "mine.keras", augment=True, end="linear", epochs=12
    )


def edgekit(*arguments, code=0):
    made = commands.edgekit("compress", *arguments)
    assert made.returncode == code, made.stderr
    return made


def test_results_on_other_data_are_not_taken_for_these(mine, small_28_npz, tmp_path, own_cache):
    with np.load(small_28_npz) as whole:
        np.savez(
            tmp_path / "other.npz", **{**whole, "x_train": whole["x_train"][::-1], "y_train": whole["y_train"][::-1]}
        )

    def reused(number, data):
        made = edgekit("--model", mine, "--data", data, "--quantize", "float16", "--set", "bench.targets=[]",
                       "--set", "quantization.onnx=false", "--out", tmp_path / str(number), "--json")  # fmt: skip
        return json.loads(made.stdout)["reused_stages"]

    assert reused(1, small_28_npz) == []
    assert reused(2, tmp_path / "other.npz") == []
    assert reused(3, small_28_npz) == ["export_float32", "export_float16"]


def test_prune_and_qat_of_a_users_model(mine, small_28_npz, tmp_path):
    out = tmp_path / "out"
    made = edgekit(
        "--model", mine, "--data", small_28_npz, "--prune", 0.5, "--quantize", "int8-qat", "--out", out, "--json",
        "--set", "pruning.epochs=8", "--set", "quantization.qat_epochs=1", "--set", "bench.targets=[]",
        "--set", "operating.risk=0.2",
    )  # fmt: skip
    document = json.loads(made.stdout)
    assert document == json.loads((out / "report.json").read_text())
    assert document["model"]["input_range"] == "0-255"
    assert "ends in logits" in made.stderr
    first, last = [row for row in document["artifacts"] if row["format"] == "tflite"]
    assert [first["name"], last["name"]] == ["model_float32.tflite", "model_int8.tflite"]
    assert document["run"]["shipped"] == last["name"]
    # Conv 13*13*9*32, depthwise 6*6*9*32, pointwise 6*6*32*64, dense 64*10.
    assert document["model"]["macs"] == first["macs"] == last["macs"] == 48_672 + 10_368 + 73_728 + 640
    assert first["params"] == document["model"]["params"] > 2_000
    for row in (first, last):
        shrunk = document["compression"]["files"][row["name"]]["shrink"]
        assert shrunk["bit_exact"]
        assert shrunk["bytes_after"] == row["size_bytes"] < shrunk["bytes_before"]
        assert document["parity"][row["name"]]["batch"]["bit_exact"]
    assert document["parity"][last["name"]]["fake_quantization"]["agreement"] >= 0.99
    assert last["size_bytes"] < first["size_bytes"]
    assert last["sparsity"] > 0.4 > first["sparsity"]
    test = {row["artifact"]: row for row in document["evaluations"] if row["split"] == "test"}
    assert test[first["name"]]["accuracy"] > 0.4
    assert test[last["name"]]["accuracy"] > test[first["name"]]["accuracy"] - 0.08
    meta = json.loads((out / "artifacts/metadata.json").read_text())["artifacts"]
    for name, row in document["reliability"].items():
        assert row["operating"]["wanted"] == {"risk": 0.2}
        assert meta[name]["operating"]["threshold"] == row["operating"]["threshold"]
    assert document["reliability"][last["name"]]["drift"]["float"] == first["name"]
    assert document["comparisons"][0]["differences"]["nll"]["lower"] is not None
    assert any("latency was not measured" in line for line in document["not_improved"])
    assert {path.name for path in (out / "models").iterdir()} == {
        "model_pruned.tfkeras.keras",
        "model_qat.tfkeras.keras",
    }
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert "artifacts/model_int8.tflite" in manifest["files"]
    assert not list(out.rglob(".edgekit-partial-*"))
    assert "already contains a run" in edgekit("--model", mine, "--data", small_28_npz, "--out", out, code=2).stderr


def test_ptq_prints_sizes_and_what_did_not_improve(mine, small_28_npz, tmp_path):
    made = edgekit(
        "--model", mine, "--data", small_28_npz, "--io", "uint8", "--calibration", small_28_npz, "--out", tmp_path / "o",
        "--set", "quantization.ranges=percentile", "--set", "bench.targets=[]",
    )  # fmt: skip
    assert "model_int8.tflite" in made.stdout
    assert "not improved: latency was not measured" in made.stdout
    document = json.loads((tmp_path / "o" / "report.json").read_text())
    facts = document["compression"]["files"]["model_int8.tflite"]
    assert facts["calibration"]["source"] == str(small_28_npz)
    # Percentile ranges come by way of the fake-quantized twin.
    assert document["parity"]["model_int8.tflite"]["fake_quantization"]["agreement"] >= 0.99


def test_the_ladder_and_a_gate_that_is_missed(mine, small_28_npz, tmp_path):
    arguments = ("--model", mine, "--data", small_28_npz, "--quantize", "auto", "--set", "bench.targets=[]")
    out = tmp_path / "o"
    fine = edgekit(*arguments, "--max-drop", 0.1, "--out", out, code=2)
    assert "cannot be judged" in fine.stderr
    assert not out.exists()
    missed = edgekit(*arguments, "--max-drop", 30, "--gate", "accuracy>=0.999", "--out", out, code=7)
    assert "Gate not met: accuracy>=0.999" in missed.stderr
    assert "model_int8.tflite" in missed.stdout
    document = json.loads((out / "report.json").read_text())
    assert document["compression"]["ladder"]["shipped"] == "calibration"
    assert [(gate["demand"], gate["met"]) for gate in document["gates"]] == [
        ("accuracy>=0.999", False),
        ("max_drop<=30 points", True),
    ]
    assert json.loads((out / "manifest.json").read_text())["status"] == "complete"


def test_channels_are_removed_and_latency_is_measured(small_28_npz, tmp_path):
    model = trained_by_user(small_28_npz, tmp_path / "plain.keras", augment=False, end="softmax", epochs=3)
    out = tmp_path / "o"
    edgekit(
        "--model", model, "--data", small_28_npz, "--prune-channels", 0.5, "--quantize", "int8", "--out", out,
        "--set", "pruning.epochs=2", "--set", "training.augment=none", "--target", "host", "--set", "bench.threads=[1]",
        "--set", "bench.runs=50",
    )  # fmt: skip
    document = json.loads((out / "report.json").read_text())
    first, last = [row for row in document["artifacts"] if row["format"] == "tflite"]
    assert first["macs"] == 133_408
    # 16 and 32 of the 32 and 64 channels are left.
    assert last["macs"] == 13 * 13 * 9 * 16 + 6 * 6 * 9 * 16 + 6 * 6 * 16 * 32 + 32 * 10
    assert last["params"] < first["params"] / 2
    assert {row["artifact"] for row in document["measurements"]} >= {first["name"], last["name"]}
    assert not any("was not measured" in line for line in document["not_improved"])
    assert (out / "models" / "model_pruned.keras").is_file()


def test_refusals_and_their_exit_codes(mine, small_28_npz, tmp_path):
    out = tmp_path / "o"
    assert "does not exist" in edgekit("--model", "none.keras", "--data", small_28_npz, "--out", out, code=2).stderr
    wrong = tmp_path / "wrong.npz"
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (60, 28, 28), dtype=np.uint8)
    np.savez(wrong, x_train=x, y_train=np.arange(60) % 3, x_test=x[:30], y_test=np.arange(30) % 3)
    assert "has 3 classes" in edgekit("--model", mine, "--data", wrong, "--out", out, code=4).stderr
    assert "'int7'" in edgekit("--model", mine, "--quantize", "int7", "--out", out, code=2).stderr
    assert "--input-range must be" in edgekit("--model", mine, "--input-range", "255", "--out", out, code=2).stderr
    unread = ("--set", "training.epochs=3", "--set", "curation.method=iqr", "--set", "student.width=m")
    refused = edgekit("--model", mine, "--data", small_28_npz, *unread, "--out", out, code=2).stderr
    assert all(key in refused for key in ("training.epochs", "curation.method", "student.width"))
    channels = edgekit("--model", mine, "--data", small_28_npz, "--prune-channels", 0.5, "--out", out, code=6).stderr
    assert "Keras 3 without random augmentation" in channels
    assert not out.exists()
