"""The export stage as a build runs it: writes one precision to a folder, with the parity of the result."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.pixels import to_float
from edgekit.errors import UsageError
from edgekit.export import calibration, tflite
from edgekit.export.head import without_softmax
from edgekit.export.write import stem, write
from edgekit.frameworks import backend
from edgekit.inference import litert, onnxrt
from edgekit.inference.standalone import artifact_of
from edgekit.recipe import QuantizationSection, Recipe
from edgekit.runs.code import code_digest
from edgekit.runs.environment import versions
from edgekit.training.signals import probabilities
from edgekit.types import Artifact, Dataset, Output, Reporter, Silent, Split

PARITY_SAMPLES = 512
_CALIBRATED = ("int8", "int16x8")
_ONLY_TRAINING = {"precision", "qat_epochs", "qat_learning_rate"}
FACTS = "export.json"
_DESCRIBED = ("shrink", "layers", "layers_missing", "float_operators", "onnx_int8", "calibration")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export left in its folder. files: their names, the .tflite first. parity: the checks of each.

    calibration: of the ranges, None where there are none. described: what report.json says under the name of the .tflite.
    """

    files: tuple[str, ...]
    precision: str
    output: Output = "probabilities"
    parity: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] | None = None
    described: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Exported:
        """Of a folder that an export, or the quantization ladder, filled."""
        facts = json.loads((folder / FACTS).read_text())
        return cls(
            files=tuple(facts["files"]),
            precision=facts["precision"],
            output=facts.get("output", "probabilities"),
            parity=facts["parity"],
            calibration=facts.get("calibration"),
            described={name: facts[name] for name in _DESCRIBED if name in facts},
        )


def key(recipe: Recipe, precision: str, model_key: str, samples: str, *, demand_onnx: bool = True) -> dict[str, Any]:
    """Everything that decides what an export comes to, for the stage cache.

    Args:
        model_key: names what made the model. samples: a digest of the training samples, which calibrate.
    """
    section = recipe.quantization
    common: dict[str, Any] = {
        "model": model_key,
        "precision": precision,
        "shrink": section.shrink,
        "output": section.output,
        "versions": versions("tensorflow", "keras", "tf2onnx", "ai-edge-litert", "onnx", "onnxruntime", "numpy"),
        "demand_onnx": demand_onnx,
        "code": code_digest(__name__),
    }
    if precision == "dynamic":
        common["per_channel"] = section.per_channel
    if precision not in (*_CALIBRATED, "int8-qat"):
        return common
    if precision == "int8" and section.ranges == "percentile":  # `with_ranges`, which comes from there
        common["ranges_code"] = code_digest("edgekit.compression.qat")
        common["tools"] = versions("tf-keras", "tensorflow-model-optimization")
    return common | {
        "section": section.model_dump(mode="json", exclude=_ONLY_TRAINING),
        "calibration": calibration.source_digest(section.calibration),
        "seed": recipe.seed,
        "samples": samples,
    }


def run(
    recipe: Recipe,
    precision: str,
    dataset: Dataset,
    kept: Split,
    model_path: Path,
    folder: Path,
    *,
    reporter: Reporter | None = None,
    load: Callable[[Path], Any] | None = None,
    with_ranges: Callable[[Any, NDArray[np.float32]], Any] | None = None,
    demand_onnx: bool = True,
) -> None:
    """Export the model at `model_path`, as `of_model` does.

    Args:
        load: reads `model_path` if it is not a Keras 3 file (a quantization-aware model is tf_keras).
    """
    model = (load or keras_model)(model_path)
    of_model(recipe, precision, dataset, kept, model, folder, reporter=reporter, with_ranges=with_ranges,
             demand_onnx=demand_onnx)  # fmt: skip


def of_model(
    recipe: Recipe,
    precision: str,
    dataset: Dataset,
    kept: Split,
    model: Any,
    folder: Path,
    *,
    reporter: Reporter | None = None,
    with_ranges: Callable[[Any, NDArray[np.float32]], Any] | None = None,
    demand_onnx: bool = True,
) -> None:
    """Convert `model` to `precision`; float32 and int8 also to ONNX. Writes the files and export.json to `folder`.

    Args:
        precision: "float32", "float16", "dynamic", "int8", "int16x8", or "int8-qat" for a quantization-aware model.
        model: of Keras 3 or tf_keras, outputs probabilities; files with quantization.output "logits" stop before the softmax.
        with_ranges: (model, calibration samples) -> the fake-quantized model, for quantization.ranges "percentile".
        demand_onnx: fail if there is no ONNX form of the float32 file; else warn.

    Raises:
        DataError: the calibration samples are unusable.
        UsageError: ranges "percentile" for a precision other than int8.
        ExportError: a conversion failed.
        GateNotMet: a file does not compute what the model does.
    """
    section, x = recipe.quantization, parity_samples(dataset)
    if precision == "int8-qat":
        content = converted(model, "int8", section, None)
        facts = write(content, "int8", folder, section=section, x=x, reporter=reporter or Silent(),
                      expected=fake_quantized_probabilities(model, x))  # fmt: skip
        (folder / FACTS).write_text(json.dumps(facts))
        return
    chosen = calibration.choose(section, dataset, kept, recipe.seed) if precision in _CALIBRATED else None
    expected, source = None, model
    if section.ranges == "percentile" and chosen is not None:
        if precision != "int8" or with_ranges is None:
            raise UsageError(f"quantization.ranges=percentile works only for int8 files; the precision is {precision}.")
        source = with_ranges(model, chosen.samples)
        expected = fake_quantized_probabilities(source, x)
    elif precision == "float32":
        expected = probabilities(model, x)
    content = converted(source, precision, section, chosen)
    with tempfile.TemporaryDirectory() as temporary:
        float_file = float_form(model, Path(temporary), section.output) if chosen is not None else None
        facts = write(content, precision, folder, section=section, x=x, reporter=reporter or Silent(),
                      expected=expected, float_file=float_file, calibration=chosen,
                      demand_onnx=demand_onnx)  # fmt: skip
    (folder / FACTS).write_text(json.dumps(facts))


def converted(
    model: Any,
    precision: str,
    section: QuantizationSection,
    chosen: calibration.Calibration | None,
    denylist: Sequence[str] = (),
) -> bytes:
    """`tflite.convert` with the values of a recipe's section, for `model`, which outputs probabilities."""
    return tflite.convert(
        _ending(model, section.output),
        precision,
        io=section.io,
        calibration=None if chosen is None else chosen.samples,
        per_channel=section.per_channel,
        denylist=denylist,
    )


def keras_model(path: Path) -> Any:
    """The Keras 3 model of a .keras file, on TensorFlow."""
    return backend.load("tensorflow").models.load_model(path, compile=False)


def float_form(model: Any, folder: Path, output: Output = "probabilities") -> Path:
    """The float32 .tflite of `model` in `folder`, including tensor names; output: the kind of its output."""
    path = folder / "float.tflite"
    path.write_bytes(tflite.convert(_ending(model, output), "float32"))
    return path


def _ending(model: Any, output: Output) -> Any:
    return without_softmax(model) if output == "logits" else model


def fake_quantized_probabilities(model: Any, x: NDArray[Any]) -> NDArray[np.float32]:
    """(N, K) probabilities of a tf_keras model on (N, H, W, C) pixels."""
    return np.asarray(model.predict(to_float(x), batch_size=64, verbose=0), np.float32)


def parity_samples(dataset: Dataset) -> NDArray[Any]:
    """512 real images outside test: from val, cal, then train."""
    return np.concatenate([split.x[:PARITY_SAMPLES] for split in (dataset.val, dataset.cal, dataset.train)])[
        :PARITY_SAMPLES
    ]


def artifact(path: Path, exported: Exported, *, params: int, macs: int) -> Artifact:
    """Describe a file of an export; sparsity and tensors are read from the file.

    params, macs: those of the model it was made from; 0 MAC = unknown.
    """
    runtime, precision = onnxrt if path.suffix == ".onnx" else litert, exported.precision
    if precision == "int8-qat" or path.suffix == ".onnx":
        precision = stem(precision).removeprefix("model_")
    return dataclasses.replace(
        artifact_of(path),
        precision=precision,
        params=params,
        macs=macs,
        sparsity=runtime.sparsity(path),
        output=exported.output,
        facts={"calibration": dict(exported.calibration)} if exported.calibration else {},
    )


def shipped(artifacts: Sequence[Artifact]) -> Artifact:
    """The main file of a build: the last .tflite, quantized if that was requested."""
    return [each for each in artifacts if each.format == "tflite"][-1]
