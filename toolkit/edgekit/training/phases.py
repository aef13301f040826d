"""Training from pretrained weights in two phases: the fresh layers on a frozen trunk, then all layers at a lower rate.

The first gradients of a random head would destroy what the trunk has learned (Kumar et al. 2022, arXiv 2202.10054). Both phases
together use the optimizer steps of the section, so that arms stay comparable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.peft.apply import train_only
from edgekit.recipe import TrainingSection
from edgekit.training import flops
from edgekit.training.averaging import Mean
from edgekit.training.batches import Samples
from edgekit.training.checkpoint import Checkpoint
from edgekit.training.fit import fit, steps_per_epoch
from edgekit.types import Reporter, Silent

# Factor on the learning rate in the phase that trains all layers. A convention, not measured: see benchmarks/pretrained_small.py.
LOWER = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadFirst:
    """fresh: names of the layers that the first phase trains. share: its share of the epochs; at least one of two or more."""

    fresh: frozenset[str]
    share: float

    def epochs(self, total: int) -> int:
        """Epochs of the first phase out of `total`; 0 if there is only one phase."""
        return min(max(1, round(self.share * total)), total - 1)


def fit_in_phases(
    keras: Any,
    model: Any,
    samples: Samples,
    section: TrainingSection,
    plan: HeadFirst | None,
    *,
    reporter: Reporter,
    checkpoint: Checkpoint | None = None,
    **options: Any,
) -> tuple[Mapping[str, list[float]], int]:
    """`fit` in the two phases of `plan`, or plain `fit` without one.

    Each phase warms up and decays as the section says; weights are averaged in the second phase only.

    Args:
        options: further arguments of `fit`.

    Returns:
        The history of both phases, one value per epoch, and the FLOP of the training.

    Raises:
        TrainingError: the loss is not finite.
    """
    of_epoch = steps_per_epoch(section, len(samples.train), samples.full)
    head = plan.epochs(section.epochs) if plan else 0
    if plan is None or not head:
        history = fit(keras, model, samples, section, reporter=reporter, checkpoint=checkpoint, **options)
        return history, flops.train_flops(model, section.epochs * of_epoch * section.batch_size)
    total, rest = section.epochs * of_epoch, section.epochs - head
    kept = {
        name: Checkpoint(checkpoint.folder / name) if checkpoint and section.checkpoint else None
        for name in ("head", "between", "whole")
    }
    train_only(model, {*plan.fresh})
    cost = flops.train_flops(model, head * of_epoch * section.batch_size)
    between = kept["between"]
    done, known, _ = between.load(model) if between else (0, {}, Mean())
    if not done:
        changes = {"epochs": head, "ema": 0.0, "swa": 0.0, "swa_learning_rate": None}
        known = dict(fit(
            keras, model, samples, section.model_copy(update=changes),
            reporter=_Part(reporter, 0, total, "head: "), checkpoint=kept["head"], **options,
        ))  # fmt: skip
        if between:
            between.save(model, head, known, Mean())
    train_only(model, {layer.name for layer in model.layers})
    cost += flops.train_flops(model, rest * of_epoch * section.batch_size)
    changes = {"epochs": rest, "learning_rate": section.learning_rate * LOWER}
    second = fit(
        keras, model, samples, section.model_copy(update=changes), epochs_before=head,
        reporter=_Part(reporter, head * of_epoch, total, ""), checkpoint=kept["whole"], **options,
    )  # fmt: skip
    return {name: [*known[name], *values] for name, values in second.items()}, cost


class _Part(Silent):
    """Reports the progress of one phase as a part of the whole."""

    def __init__(self, reporter: Reporter, before: int, total: int, phase: str) -> None:
        self._reporter, self._before, self._total, self._phase = reporter, before, total, phase

    def progress(self, done: int, total: int, text: str) -> None:
        self._reporter.progress(self._before + done, self._total, self._phase + text)
