"""Magnitude pruning (Zhu & Gupta 2017, arXiv 1710.01878) with tfmot, on the tf_keras twin, then stripped.

Single weights, whole blocks of dense kernels, or two in each group of four (2:4, Mishra et al. 2021, arXiv 2104.08378). The
network is fine-tuned meanwhile, and the pruned weights go back into the original model. Zeros shrink the gzip of a file, not the
file, and speed nothing up on CPU kernels: the report shows all three.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.compression.finetune import Schedule, finetune
from edgekit.compression.twin.twin import copy_weights, originals, twin
from edgekit.errors import RecipeError, TrainingError, UnknownName
from edgekit.frameworks import tf
from edgekit.recipe import PruningSection
from edgekit.types import Reporter, Split

# Which of a layer's weights tfmot prunes. Depthwise kernels are small and are left alone.
_PRUNED = {"Conv1D": 0, "Conv2D": 0, "Conv2DTranspose": 0, "Dense": 0, "SeparableConv2D": 1}
_KERNELS = {**dict.fromkeys(_PRUNED, (0,)), "SeparableConv2D": (0, 1), "DepthwiseConv2D": (0,)}
_TOLERANCE = 0.02


def sparsity(model: Any) -> float:
    """The share of zeros among the kernels of convolutions and dense layers, depthwise ones too."""
    kernels = [
        layer.get_weights()[index]
        for layer in originals(model).values()
        for index in _KERNELS.get(type(layer).__name__, ())
    ]
    return float(sum((k == 0).sum() for k in kernels) / sum(k.size for k in kernels)) if kernels else 0.0


def layer_sparsity(model: Any) -> dict[str, float]:
    """The share of zeros in each kernel that can be pruned, by the layer's name."""
    return {name: float((kernel == 0).mean()) for name, kernel in _kernels(model).items()}


def prune(
    model: Any,
    train: Split,
    section: PruningSection,
    *,
    batch_size: int,
    seed: int,
    reporter: Reporter,
    weights: NDArray[np.float32] | None = None,
) -> list[float]:
    """Prune `model` (Keras 3 or tf_keras, gives probabilities) in place to `section.sparsity`; returns the loss per epoch.

    weights: (n,) weight of each training sample's loss, mean 1; None = all equal.

    Raises:
        ExportError: a layer has no twin.
        RecipeError: section.layers names a layer that is unknown or cannot be pruned, or a share that the pattern cannot have.
        TrainingError: fine-tuning diverged, or a layer missed its sparsity or pattern.
    """
    keras2, tfmot = tf.tf_keras(), tf.tfmot()
    keras2.utils.set_random_seed(seed)
    shares = _shares(model, section)
    copy = twin(model)
    steps = math.ceil(len(train) / batch_size)
    if section.pattern not in ("", "2:4") and (single := _single(model, shares)):
        reporter.note(
            f"blocks are for dense kernels: {len(single)} convolution(s) are pruned in single weights ({', '.join(single[:3])}"
            f"{', ...' if len(single) > 3 else ''})"
        )

    def wrap(layer: Any) -> Any:
        share = shares.get(layer.name, 0.0)
        if not share:
            return layer
        return tfmot.sparsity.keras.prune_low_magnitude(
            layer, pruning_schedule=_schedule(tfmot, section, share, steps), **_pattern(section, layer)
        )

    # The wrappers contain the layers of `copy` themselves, with their weights.
    wrapped = keras2.models.clone_model(copy, clone_function=wrap)
    losses = finetune(
        wrapped,
        train,
        Schedule(epochs=section.epochs, learning_rate=section.learning_rate, batch_size=batch_size, seed=seed),
        reporter=reporter,
        weights=weights,
        callbacks=[tfmot.sparsity.keras.UpdatePruningStep()],
        what="Pruning",
        setting="pruning.learning_rate",
    )
    copy_weights(tfmot.sparsity.keras.strip_pruning(wrapped), model)
    _check(model, section, shares)
    return losses


def _kernels(model: Any) -> dict[str, NDArray[np.float32]]:
    return {
        name: layer.get_weights()[_PRUNED[type(layer).__name__]]
        for name, layer in originals(model).items()
        if type(layer).__name__ in _PRUNED
    }


def _shares(model: Any, section: PruningSection) -> dict[str, float]:
    """The target share of zeros of each kernel."""
    names = list(_kernels(model))
    for name, share in section.layers.items():
        if name not in names:
            raise UnknownName("layer of pruning.layers", name, names)
        if section.pattern == "2:4" and share not in (0.0, 0.5):
            raise RecipeError(
                f"pruning.layers: {name!r} has {share:g}, but pattern 2:4 allows only 0.5, or 0 to leave it alone."
            )
    return {name: float(section.layers.get(name, section.sparsity)) for name in names}


def _single(model: Any, shares: Mapping[str, float]) -> list[str]:
    return [name for name, kernel in _kernels(model).items() if shares[name] and kernel.ndim != 2]


def _schedule(tfmot: Any, section: PruningSection, share: float, steps: int) -> Any:
    end = steps * section.epochs
    frequency = max(1, steps // 10)
    if section.schedule == "constant":
        return tfmot.sparsity.keras.ConstantSparsity(share, begin_step=0, frequency=frequency)
    return tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=share,
        begin_step=0,
        # The last third trains at the final sparsity, to recover.
        end_step=max(1, end * 2 // 3),
        frequency=frequency,
    )


def _pattern(section: PruningSection, layer: Any) -> dict[str, Any]:
    if section.pattern == "2:4":
        return {"sparsity_m_by_n": (2, 4)}
    if section.pattern and type(layer).__name__ == "Dense":
        return {"block_size": _block(section), "block_pooling_type": "AVG"}
    return {}


def _block(section: PruningSection) -> tuple[int, int]:
    rows, columns = map(int, section.pattern.split("x"))
    return rows, columns


def _check(model: Any, section: PruningSection, shares: Mapping[str, float]) -> None:
    """Check what was really zeroed, from the weights."""
    wrong = []
    for name, kernel in _kernels(model).items():
        share = shares[name]
        if not share:
            continue
        zeros = float((kernel == 0).mean())
        if section.pattern == "2:4":
            groups = _groups_of_four(kernel)
            if int((np.count_nonzero(groups, axis=1) > 2).sum()):
                wrong.append(f"{name}: more than 2 of 4 weights are left in some group")
            continue
        if section.pattern and kernel.ndim == 2:
            zero = _zero_blocks(kernel, _block(section))
            inside = float(np.repeat(np.repeat(zero, _block(section)[0], 0), _block(section)[1], 1)[
                : kernel.shape[0], : kernel.shape[1]].mean())  # fmt: skip
            if zeros - inside > _TOLERANCE:
                wrong.append(f"{name}: {zeros - inside:.1%} of its weights are zeros outside {section.pattern} blocks")
            zeros, size = float(zero.mean()), zero.size
        else:
            size = kernel.size
        if zeros < share - max(_TOLERANCE, 1 / size):
            wrong.append(f"{name}: {zeros:.1%} zeros instead of {share:.1%}")
    if wrong:
        raise TrainingError(f"Pruning did not reach its target ({'; '.join(wrong)}); raise pruning.epochs.")


def _groups_of_four(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """(groups, 4) weights that are adjacent along the input channels, as LiteRT stores them; the last group is padded."""
    rows = np.moveaxis(kernel, -2, -1).reshape(-1, kernel.shape[-2])
    filled = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
    return filled.reshape(-1, 4)


def _zero_blocks(kernel: NDArray[np.float32], block: tuple[int, int]) -> NDArray[np.bool_]:
    """Which blocks of a matrix are all zero; edge blocks count as far as they reach."""
    (height, width), (rows, columns) = kernel.shape, block
    filled = np.pad(kernel, ((0, -height % rows), (0, -width % columns)))
    blocks = filled.reshape(filled.shape[0] // rows, rows, filled.shape[1] // columns, columns)
    zero: NDArray[np.bool_] = np.logical_not(blocks.any(axis=(1, 3)))
    return zero
