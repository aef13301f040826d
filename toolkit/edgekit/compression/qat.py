"""Quantization-aware training, and the same fake-quantized model with ranges from percentiles and without training.

Both start from converged weights with batch normalization folded. A range starts from the values observed in the result:
tfmot's own start, -6 to 6 with a moving average of 0.999, takes thousands of steps to leave. Training: Jacob et al. 2018,
arXiv 1712.05877; percentile ranges: Wu et al. 2020, arXiv 2004.09602, section 3.2; zeros that stay zero: tfmot's PQAT.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.compression.finetune import Schedule, finetune
from edgekit.compression.twin import fake_quant
from edgekit.compression.twin.operators import KERNELS, rewrite
from edgekit.compression.twin.twin import twin
from edgekit.data.pixels import to_float
from edgekit.errors import ExportError, TrainingError
from edgekit.frameworks import tf
from edgekit.recipe import QuantizationSection
from edgekit.types import Reporter, Split

PERCENTILE = 99.99  # for ranges = "percentile"
_LOST_ZEROS = 0.005


def at_percentile(per_channel: bool) -> Callable[[Any, NDArray[np.float32]], Any]:
    """`calibrated` as ranges = "percentile" asks for it."""
    return partial(calibrated, percentile=PERCENTILE, per_channel=per_channel)


def calibrated(model: Any, samples: NDArray[np.float32], *, percentile: float, per_channel: bool) -> Any:
    """The fake-quantized form of `model` (either Keras) with ranges observed on `samples`, not trained.

    Args:
        samples: (M, H, W, C) float32 in [0, 1].
        percentile: a result's range goes from the (100 - percentile)th to the percentile-th of its values; 100 = all of them.
        per_channel: one scale per output channel of a kernel, or one for the whole kernel.

    Returns:
        A tf_keras model that the TFLite converter turns into a full-integer file; its input range is [0, 1].

    Raises:
        ExportError: layers that have no twin or no int8 form (all are named); no samples; or a percentile outside (50, 100].
    """
    if not 50 < percentile <= 100:
        raise ExportError(f"percentile must be above 50 and at most 100, found {percentile:g}.")
    return _calibrated(model, samples, percentile=percentile, per_channel=per_channel, sparse=False)


def _calibrated(model: Any, samples: NDArray[np.float32], *, percentile: float, per_channel: bool, sparse: bool) -> Any:
    if not len(samples):
        raise ExportError("Ranges need calibration samples; none were given.")
    program = rewrite(twin(model))
    if len(program.inputs) > 1 or len(program.outputs) > 1:
        raise ExportError(
            f"{program.name!r} has {len(program.inputs)} inputs and {len(program.outputs)} outputs; "
            "a classifier has one of each."
        )
    quantized = fake_quant.fake_quantized(program, per_channel=per_channel, sparse=sparse)
    fake_quant.set_ranges(quantized, fake_quant.observe(program, samples, percentile))
    return quantized


def quantize_aware(
    model: Any,
    train: Split,
    section: QuantizationSection,
    *,
    batch_size: int,
    seed: int,
    reporter: Reporter,
    sparse: bool = False,
    weights: NDArray[np.float32] | None = None,
) -> Any:
    """Fine-tune the fake-quantized form of `model` (either Keras, converged, gives probabilities).

    Adam at section.qat_learning_rate with cosine decay for section.qat_epochs; ranges start from section.calibration_samples
    of `train`. The loss per epoch is in the result's `edgekit_losses`.

    Args:
        sparse: keep the zeros of a pruned model (tfmot's collaborative PQAT), checked at the end.
        weights: (n,) weight of each training sample's loss, mean 1; None = all equal.

    Returns:
        A tf_keras model; save it with `.save`, read it with `load_tf_keras`.

    Raises:
        ExportError: layers that have no twin or no int8 form (all are named).
        TrainingError: training diverged, or lost zeros that it should have kept.
    """
    tf.tf_keras().utils.set_random_seed(seed)
    quantized = _calibrated(
        model,
        _calibration_samples(train, section.calibration_samples, seed),
        percentile=PERCENTILE if section.ranges == "percentile" else 100.0,
        per_channel=section.per_channel,
        sparse=sparse,
    )
    before = kernel_sparsity(quantized)
    schedule = Schedule(
        epochs=section.qat_epochs,
        learning_rate=section.qat_learning_rate,
        batch_size=batch_size,
        seed=seed,
        cosine=True,
    )
    quantized.edgekit_losses = finetune(
        quantized,
        train,
        schedule,
        reporter=reporter,
        weights=weights,
        what="Quantization-aware training",
        setting="quantization.qat_learning_rate",
    )
    fake_quant.set_kernel_ranges(quantized)
    after = kernel_sparsity(quantized)
    if sparse and after < before - _LOST_ZEROS:
        raise TrainingError(
            f"Quantization-aware training left {after:.1%} zeros of the pruned network's {before:.1%}; "
            "lower quantization.qat_learning_rate."
        )
    return quantized


def _calibration_samples(train: Split, most: int, seed: int) -> NDArray[np.float32]:
    """(M, H, W, C) float32 in [0, 1]: at most `most` samples of `train`, drawn at random."""
    count = min(most, len(train))
    index = np.sort(np.random.default_rng([seed, 4]).permutation(len(train))[:count])
    return to_float(train.x[index])


def kernel_sparsity(model: Any) -> float:
    """The share of zeros among the kernels of a fake-quantized model, as stored (before rounding)."""
    kernels = [
        kernel.numpy()
        for layer in model.layers
        for kernel, quantizer, _ in getattr(layer, "_weight_vars", ())
        if quantizer.kind in KERNELS
    ]
    return float(sum((k == 0).sum() for k in kernels) / sum(k.size for k in kernels)) if kernels else 0.0


def load_tf_keras(path: Path) -> Any:
    """Read a tf_keras model, fake-quantized or not, without its optimizer.

    Raises:
        ExportError: the file is not a tf_keras model.
    """
    keras2, tfmot = tf.tf_keras(), tf.tfmot()
    try:
        with tfmot.quantization.keras.quantize_scope(), fake_quant.scope():
            return keras2.models.load_model(path, compile=False, safe_mode=True)
    except (ValueError, OSError, TypeError, KeyError) as error:
        raise ExportError(f"{path} is not a model that tf_keras can read: {str(error).splitlines()[0]}") from None
