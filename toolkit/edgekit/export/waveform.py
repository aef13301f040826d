"""A .tflite that takes the waveform as input: the front end of `data.audio.frontend` in float32 before the network.

The front end is never quantized: its powers span nine decades, too many for 256 levels. The file has float32 input and output,
whatever type the network inside computes in.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.audio import frontend
from edgekit.data.audio.waves import waves
from edgekit.data.splits import joined, take
from edgekit.errors import ExportError, GateNotMet, RecipeError
from edgekit.export import parity
from edgekit.export import stage as exporting
from edgekit.export.shrink import shrunk
from edgekit.export.stitch import stitched
from edgekit.frameworks import tf
from edgekit.inference import litert
from edgekit.quiet import quiet_stderr
from edgekit.recipe import Recipe
from edgekit.runs.folder import RunFolder
from edgekit.runs.stages import Stages
from edgekit.types import Artifact, Dataset, FrontEnd

TOLERANCE = 1e-3
SUFFIX = "_waveform"


def check(recipe: Recipe, dataset: Dataset) -> None:
    """Refuse, before any training, a front end inside the file if that is impossible.

    Raises:
        RecipeError: the data set has images. ExportError: LiteRT cannot compute its front end.
    """
    front_end = dataset.input.front_end
    if recipe.quantization.waveform and front_end is None:
        raise RecipeError(
            f"quantization.waveform (--waveform) works only with clips, and {dataset.name} has images; remove it."
        )
    if recipe.quantization.waveform and front_end is not None:
        _check_transform(front_end)


def _check_transform(front_end: FrontEnd) -> None:
    if front_end.fft_length & (front_end.fft_length - 1):
        raise ExportError(
            f"data.audio.fft_length {front_end.fft_length} is not a power of two, as required for a transform inside a .tflite."
        )


def add(recipe: Recipe, dataset: Dataset, shipped: Artifact, folder: RunFolder, stages: Stages) -> Artifact | None:
    """The shipped file with its front end inside, written to artifacts/, if the recipe asks for it; the checks in `facts`.

    Raises:
        ExportError: it could not be written. GateNotMet: it does not compute what its parts do. DataError: a clip is missing.
    """
    front_end = dataset.input.front_end
    if not recipe.quantization.waveform or front_end is None or dataset.root is None:
        return None
    with stages.timed("waveform", "The front end inside the file"), tempfile.TemporaryDirectory() as work:
        most = exporting.PARITY_SAMPLES
        firsts = (take(part, np.arange(min(len(part), most))) for part in (dataset.val, dataset.cal, dataset.train))
        parts = joined(*firsts)
        real = waves(take(parts, np.arange(min(len(parts), most))), dataset.root, front_end)
        path, facts = write(shipped.path, front_end, real, Path(work))
        exported = exporting.Exported(files=(path.name,), precision=shipped.precision, output=shipped.output)
        kept = folder.adopt(path, f"artifacts/{path.name}")
        artifact = exporting.artifact(kept, exported, params=shipped.params, macs=shipped.macs)
    stages.reporter.note(
        f"{artifact.name}: {artifact.size_bytes:,} bytes; takes {facts['clip_samples']:,} amplitudes at "
        f"{facts['sample_rate']:,} Hz"
    )
    return dataclasses.replace(artifact, facts={"name": artifact.name, "sha256": artifact.sha256, **facts})


def front_end_file(front_end: FrontEnd) -> bytes:
    """The .tflite of a front end: (N, front_end.clip_samples) float32 -> (N, T, F, 1) float32.

    Raises:
        ExportError: fft_length is not a power of two, which LiteRT's transform needs, or the converter failed.
    """
    _check_transform(front_end)
    tensorflow = tf.tensorflow()
    constants = frontend.constants(front_end)
    frames, features, _ = front_end.shape
    low, span = math.log(front_end.floor), math.log(front_end.top) - math.log(front_end.floor)

    def computed(waveform: Any) -> dict[str, Any]:
        framed = tensorflow.signal.frame(waveform, front_end.window_samples, front_end.hop_samples)
        spectrum = tensorflow.abs(tensorflow.signal.rfft(framed * constants.window, [front_end.fft_length]))
        bands = spectrum * spectrum @ constants.filters
        if front_end.level == "loudest":
            bands /= tensorflow.maximum(tensorflow.reduce_max(bands, axis=(1, 2), keepdims=True), frontend.SILENCE)
        u = (tensorflow.math.log(bands + front_end.floor) - low) / span
        if constants.cosines is not None:
            offset = np.full(features, 0.5, np.float32)
            offset[0] = 0
            u = u @ constants.cosines + offset
        u = tensorflow.clip_by_value(u, 0.0, 1.0)
        return {"features": tensorflow.reshape(u, (-1, frames, features, 1))}

    module = tensorflow.Module()
    given = tensorflow.TensorSpec((None, front_end.clip_samples), tensorflow.float32, name="waveform")
    module.serve = tensorflow.function(computed, input_signature=[given])
    with quiet_stderr(), tempfile.TemporaryDirectory() as folder:
        try:
            tensorflow.saved_model.save(module, folder, signatures=module.serve)
            return bytes(tensorflow.lite.TFLiteConverter.from_saved_model(folder).convert())
        except OSError:
            raise
        except Exception as error:  # the converter raises anything
            line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ExportError(f"The TFLite converter could not write the front end: {line}") from error


def write(
    classifier: Path, front_end: FrontEnd, waves: NDArray[np.float32], folder: Path
) -> tuple[Path, Mapping[str, Any]]:
    """Write `classifier` with the front end inside, after comparing both parts with their sources.

    Args:
        classifier: a .tflite that takes (N, T, F, 1).
        waves: (n, front_end.clip_samples) of real clips outside test.

    Returns:
        The path in `folder`, and: of, sample_rate, clip_samples, size_bytes, front_end_bytes, samples, max_feature_difference,
        allowed_feature_difference, agreement (of the predictions of both ways), max_difference (of their outputs), batch (see
        `parity.batch_parity`).

    Raises:
        ExportError: see `front_end_file`. GateNotMet: a feature differs by more than 1e-3 from that of the Python front end, the
        file's output differs from that of its two parts run one after the other, or from batch to batch.
    """
    path = folder / f"{classifier.stem}{SUFFIX}.tflite"
    front = folder / f"{classifier.stem}_front_end.tflite"
    head = front_end_file(front_end)
    front.write_bytes(head)
    try:
        inside = litert.run(front, waves)
    finally:
        front.unlink()
    expected = frontend.features(waves, front_end)
    difference = float(np.abs(inside - expected).max())
    if not difference <= TOLERANCE:
        raise GateNotMet(
            f"The front end inside a .tflite differs by {difference:.3g} from the one outside (allowed {TOLERANCE:g})."
        )
    path.write_bytes(shrunk(stitched(head, classifier.read_bytes(), given="waveform", result="output")).content)
    outputs = litert.outputs(path, waves)
    if not np.array_equal(outputs, litert.outputs(classifier, inside)):
        raise GateNotMet(f"{path.name} does not compute the same as the front end followed by {classifier.name}.")
    outside = litert.outputs(classifier, expected)
    return path, {
        "of": classifier.name,
        "sample_rate": front_end.sample_rate,
        "clip_samples": front_end.clip_samples,
        "size_bytes": path.stat().st_size,
        "front_end_bytes": path.stat().st_size - classifier.stat().st_size,
        "samples": len(waves),
        "max_feature_difference": difference,
        "allowed_feature_difference": TOLERANCE,
        "agreement": parity.agreement(outputs, outside),
        "max_difference": float(np.abs(outputs - outside).max()),
        "batch": parity.batch_parity(path, waves),
    }
