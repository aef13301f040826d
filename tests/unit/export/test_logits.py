"""Exports that end in logits: every precision, and each way to int8."""

import json
from functools import partial

import numpy as np
import pytest
from scipy.special import softmax

from edgekit import recipe
from edgekit.compression import qat
from edgekit.data.splits import take
from edgekit.export import operators, stage
from edgekit.export.layers import errors_by_layer
from edgekit.inference import litert, onnxrt
from edgekit.pipeline import ladder
from edgekit.types import Silent

pytestmark = pytest.mark.tf

LOGITS = "quantization.output=logits"
FEW = "quantization.calibration_samples=50"


@pytest.fixture(scope="module")
def kept(shipped):
    return take(shipped.train, np.arange(600))


def exported(model, precision, shipped, kept, folder, *settings, **more):
    folder.mkdir()
    chosen = recipe.load(settings=[f"quantization.precision={precision}", FEW, *settings])
    stage.of_model(chosen, precision, shipped, kept, model, folder, **more)
    facts = json.loads((folder / "export.json").read_text())
    return folder / facts["files"][0], facts


@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic", "int8", "int16x8"])
def test_files_end_before_the_softmax_and_say_so(precision, trained, files, shipped, kept, tmp_path):
    x, whole = shipped.val.x[:100], files["float32" if precision == "int16x8" else precision]
    path, facts = exported(trained, precision, shipped, kept, tmp_path / "z", LOGITS)
    assert "SOFTMAX" in operators.histogram(whole.read_bytes())
    assert "SOFTMAX" not in operators.histogram(path.read_bytes())
    assert (
        facts["output"] == stage.artifact(path, stage.Exported.read(path.parent), params=1, macs=1).output == "logits"
    )
    p = litert.probabilities(path, x, output="logits")
    assert p == pytest.approx(softmax(litert.outputs(path, x), axis=1), abs=1e-6)
    steps = 1e-5 if precision == "float32" else 0.05  # levels of logits and of probabilities round otherwise
    assert p == pytest.approx(litert.probabilities(whole, x), abs=steps)
    for name in facts["files"][1:]:
        assert onnxrt.probabilities(tmp_path / "z" / name, x, output="logits") == pytest.approx(p, abs=steps)
    if precision == "float32":
        assert facts["parity"][path.name]["keras"]["onnx_agreement"] == 1
    if precision == "int8":
        _, (output,) = litert.describe(path)
        least, largest = litert.limits(output)
        assert (output.dtype, largest - least) == ("int8", pytest.approx(255 * output.scale))
        assert least <= litert.outputs(path, x).min() < 0 < litert.outputs(path, x).max() <= largest
        assert facts["onnx_int8"]["written"]
        assert len(facts["layers"]) >= 10


def test_trained_and_percentile_ranges_go_along(trained, shipped, kept, tmp_path):
    section = recipe.load(settings=["quantization.precision=int8-qat", "quantization.qat_epochs=1", FEW]).quantization
    aware = qat.quantize_aware(trained, kept, section, batch_size=64, seed=0, reporter=Silent())
    ranges = partial(qat.calibrated, percentile=qat.PERCENTILE, per_channel=True)
    cases = {
        "int8-qat": (aware, [], {}),
        "int8": (trained, ["quantization.ranges=percentile"], {"with_ranges": ranges}),
    }
    for precision, (model, settings, more) in cases.items():
        path, facts = exported(model, precision, shipped, kept, tmp_path / precision, LOGITS, *settings, **more)
        assert "SOFTMAX" not in operators.histogram(path.read_bytes())
        assert facts["float_operators"] == {}
        assert facts["parity"][path.name]["fake_quantization"]["agreement"] >= 0.99
        p = litert.probabilities(path, shipped.val.x[:100], output="logits")
        if precision == "int8-qat":
            assert p == pytest.approx(stage.fake_quantized_probabilities(aware, shipped.val.x[:100]), abs=0.03)


def test_the_ladder_ships_logits_too(trained, shipped, kept, tmp_path):
    chosen = recipe.load(
        settings=["quantization.precision=auto", "max_drop=20", "training.batch_size=128", LOGITS, FEW]
    )
    exact = stage.float_form(trained, tmp_path, "logits")
    folder = tmp_path / "ladder"
    folder.mkdir()
    found = ladder.climb(chosen, shipped, kept, None, trained, exact, folder, Silent(), force=True)
    assert found["shipped"] == "calibration"
    assert json.loads((folder / "export.json").read_text())["output"] == "logits"
    assert "SOFTMAX" not in operators.histogram((folder / "model_int8.tflite").read_bytes())
    # Layers in float are named as in the float file that ends alike.
    mixed = tmp_path / "mixed.tflite"
    names = [row.name for row in errors_by_layer(exact, exact, shipped.val.x[:32]) if row.operator == "CONV_2D"][:1]
    chosen_samples = stage.calibration.choose(chosen.quantization, shipped, kept, 0)
    mixed.write_bytes(stage.converted(trained, "int8", chosen.quantization, chosen_samples, names))
    assert "SOFTMAX" not in operators.histogram(mixed.read_bytes())
    assert operators.float_operators(mixed.read_bytes())


def test_each_export_has_a_key_of_its_own(kept):
    for precision in ("float32", "float16", "int8", "int8-qat"):
        plain, logits = (
            stage.key(recipe.load(settings=settings), precision, "model", "samples") for settings in ([], [LOGITS])
        )
        assert plain != logits
