"""Learning rate, optimizer, loss and metric of a training section, in Keras operations that every backend supports."""

from __future__ import annotations

import math
from typing import Any

from edgekit.recipe import TrainingSection

# Weight decay shrinks kernels only: biases and normalization scales add no capacity, and there is no reason for positions and
# tokens of a transformer to be near zero.
_NOT_DECAYED = ["bias", "gamma", "beta", "table", "times", "frequencies", "tokens"]


def schedule(keras: Any, section: TrainingSection, total: int, averaged: int) -> Any:
    """The learning rate over `total` steps: a number if it is constant, else a Keras schedule.

    averaged: the last steps, whose weights `swa` averages.

    Linear warm-up from a twentieth; then cosine, or steps. With `swa` the cosine ends where averaging starts, at the rate that
    is then kept (Izmailov et al. 2018, arXiv 1803.05407).
    """
    peak = section.learning_rate
    warmup = round(section.warmup * total)
    steady = total
    last = 0.0
    if section.swa:
        steady = total - averaged
        last = (section.swa_learning_rate or peak / 10) / peak
    if section.schedule == "constant" and not warmup and not section.swa:
        return peak
    ops = keras.ops
    drops = [round(share * total) for share in section.milestones]

    class Rate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # known at run time only
        def __call__(self, step: Any) -> Any:
            now = ops.cast(step, "float32")
            if section.schedule == "cosine":
                share = ops.clip((now - warmup) / max(1, steady - warmup), 0.0, 1.0)
                factor = last + (1 - last) * 0.5 * (1 + ops.cos(math.pi * share))
            else:
                factor = ops.ones_like(now)
                for at in drops if section.schedule == "step" else ():
                    factor = ops.where(now >= at, factor * section.gamma, factor)
                if section.swa:
                    factor = ops.where(now >= steady, last * ops.ones_like(now), factor)
            if warmup:
                factor = ops.where(now < warmup, 0.05 + 0.95 * now / warmup, factor)
            return peak * factor

        def get_config(self) -> dict[str, Any]:
            return {"section": section.model_dump(mode="json"), "total": total}

    return Rate()


def optimizer(keras: Any, section: TrainingSection, rate: Any) -> Any:
    """AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), Adam, or SGD with Nesterov momentum."""
    common: dict[str, Any] = {"clipnorm": section.clip_norm}
    if section.ema:
        common |= {"use_ema": True, "ema_momentum": section.ema}
    if section.optimizer == "adam":
        return keras.optimizers.Adam(rate, **common)
    if section.optimizer == "sgd":
        result = keras.optimizers.SGD(
            rate, momentum=section.momentum, nesterov=True, weight_decay=section.weight_decay or None, **common
        )
    else:
        result = keras.optimizers.AdamW(rate, weight_decay=section.weight_decay, **common)
    if section.weight_decay:
        result.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    return result


def loss(keras: Any, section: TrainingSection, *, rows: bool, soft: tuple[float, float] | None) -> Any:
    """Cross-entropy of logits with labels or rows; `soft` = (alpha, temperature) mixes in the teacher's soft labels.

    (1 - alpha) * CE(label) + alpha * T^2 * KL(teacher at T, student at T), Hinton et al. 2015 (arXiv 1503.02531), for targets
    from `batches.target_rows(soft=True)`; a row without soft labels (validation) counts by its label alone.
    """
    if soft is None:
        if not rows:
            return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=section.label_smoothing)
    ops, (alpha, temperature), smooth = keras.ops, soft, section.label_smoothing

    def distillation(y: Any, z: Any) -> Any:
        classes = z.shape[-1]
        hard, soft_labels = y[:, :classes], y[:, classes:]
        hard = hard * (1 - smooth) + smooth / classes
        label = -ops.sum(hard * ops.log_softmax(z), axis=-1)
        known = ops.log(ops.maximum(soft_labels, 1e-12))
        teacher = ops.sum(soft_labels * (known - ops.log_softmax(z / temperature)), axis=-1)
        share = alpha * ops.sum(soft_labels, axis=-1)
        return (1 - share) * label + alpha * temperature**2 * teacher

    return distillation


def accuracy(keras: Any, *, rows: bool) -> Any:
    """Share of samples whose largest logit is at the label, also for target rows."""
    if not rows:
        return "accuracy"
    ops = keras.ops

    def right(y: Any, z: Any) -> Any:
        label = ops.argmax(y[:, : z.shape[-1]], axis=-1)
        return ops.cast(ops.equal(label, ops.argmax(z, axis=-1)), "float32")

    return keras.metrics.MeanMetricWrapper(right, name="accuracy")
