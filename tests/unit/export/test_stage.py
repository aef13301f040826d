import dataclasses
import json
from functools import partial

import numpy as np
import pytest
from tests.cpu import EXACT_INT8

from edgekit import recipe
from edgekit.compression import qat
from edgekit.data.splits import take
from edgekit.errors import UsageError
from edgekit.export import stage

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def model_path(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "student_float.keras"
    trained.save(path)
    return path


@pytest.fixture(scope="module")
def kept(shipped):
    return take(shipped.train, np.arange(600))


def exported(*settings, precision="int8", shipped, kept, model_path, folder, **more):
    chosen = recipe.load(settings=["quantization.calibration_samples=50", *settings])
    stage.run(chosen, precision, shipped, kept, model_path, folder, **more)
    return json.loads((folder / "export.json").read_text())


def test_int8_comes_shrunk_as_onnx_too_and_told(shipped, kept, model_path, tmp_path):
    facts = exported(shipped=shipped, kept=kept, model_path=model_path, folder=tmp_path)
    assert facts["files"] == ["model_int8.tflite", "model_int8.onnx"]
    assert facts["precision"] == "int8"
    assert facts["float_operators"] == {}
    assert facts["calibration"]["samples"] == 50
    assert facts["shrink"]["bit_exact"]
    assert facts["shrink"]["bytes_after"] == (tmp_path / "model_int8.tflite").stat().st_size
    assert facts["shrink"]["bytes_after"] < 0.91 * facts["shrink"]["bytes_before"]
    assert facts["onnx_int8"]["written"]
    assert facts["parity"]["model_int8.onnx"]["agreement_with_tflite"] >= 0.995
    snr = [row["snr_db"] for row in facts["layers"]]
    assert len(snr) >= 10
    assert snr == sorted(snr)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export.json", "model_int8.onnx", "model_int8.tflite"]


def test_shrink_and_onnx_can_be_left_out(shipped, kept, model_path, tmp_path):
    settings = ("quantization.shrink=false", "quantization.onnx=false")
    facts = exported(*settings, shipped=shipped, kept=kept, model_path=model_path, folder=tmp_path)
    assert facts["files"] == ["model_int8.tflite"]
    assert facts["shrink"] is None


def test_percentile_ranges_come_from_the_given_function(shipped, kept, model_path, tmp_path):
    common = {"shipped": shipped, "kept": kept, "model_path": model_path, "folder": tmp_path}
    ranges = partial(qat.calibrated, percentile=99.9, per_channel=True)
    facts = exported("quantization.ranges=percentile", with_ranges=ranges, **common)
    if EXACT_INT8 or facts["onnx_int8"]["written"]:
        assert facts["onnx_int8"]["way"] == "scales of the .tflite"
        assert facts["onnx_int8"]["failures"] == [], "ONNX Runtime, which reads ranges of its own, was not asked"
    assert facts["parity"]["model_int8.tflite"]["fake_quantization"]["agreement"] >= 0.99
    assert "no operator output with the same name" in facts["layers_missing"]
    with pytest.raises(UsageError, match="percentile works only for int8"):
        exported("quantization.ranges=percentile", precision="int16x8", **common)


def test_a_quantization_aware_model_becomes_an_int8_file(shipped, kept, model_path, tmp_path):
    made = qat.calibrated(
        stage.keras_model(model_path), kept.x[:50] / np.float32(255), percentile=100, per_channel=True
    )
    path = tmp_path / "student_qat.tfkeras.keras"
    made.save(path)
    facts = exported(precision="int8-qat", shipped=shipped, kept=kept, model_path=path, folder=tmp_path,
                     load=qat.load_tf_keras)  # fmt: skip
    assert facts["files"] == ["model_int8.tflite", "model_int8.onnx"]
    assert facts["precision"] == "int8"
    assert facts["float_operators"] == {}
    assert facts["parity"]["model_int8.tflite"]["fake_quantization"]["agreement"] >= 0.99


def test_what_decides_an_export_is_in_its_key(kept, tmp_path):

    def key(*settings, precision="int8"):
        return stage.key(recipe.load(settings=settings), precision, "model", "samples")

    auto = "quantization.precision=auto"
    assert key() == key(auto) == key(auto, "quantization.qat_epochs=9") == key("training.epochs=3")
    assert key() != key("quantization.calibration_samples=9")
    assert key(precision="float16") == key("quantization.calibration_samples=9", precision="float16")
    assert key(precision="float16") != key("quantization.shrink=false", precision="float16")
    assert key(precision="dynamic") != key("quantization.per_channel=false", precision="dynamic")
    assert {"ranges_code", "tools"} <= key("quantization.ranges=percentile").keys() - key().keys()
    np.savez(tmp_path / "pool.npz", x=kept.x[:50])
    before = key(f"quantization.calibration={tmp_path / 'pool.npz'}")
    np.savez(tmp_path / "pool.npz", x=kept.x[:60])
    assert key(f"quantization.calibration={tmp_path / 'pool.npz'}") != before


def test_the_precision_of_an_artifact(files):
    def artifact(name, precision, **facts):
        return stage.artifact(
            files[name], stage.Exported(files=(name,), precision=precision, **facts), params=5, macs=7
        )

    assert artifact("int8", "int8-qat").precision == "int8"
    assert artifact("int8", "int8-mixed").precision == "int8-mixed"
    found = artifact("onnx", "int8-mixed", calibration={"samples": 3})
    assert (found.precision, found.format, found.params, found.macs) == ("int8", "onnx", 5, 7)
    assert dataclasses.asdict(found)["facts"] == {"calibration": {"samples": 3}}
