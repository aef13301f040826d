"""The rungs of the quantization ladder: each way to int8, and when it is worth a try."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.compression import qat
from edgekit.export import calibration, layers, stage
from edgekit.recipe import Recipe
from edgekit.types import Dataset, Reporter, Split

_MORE = 4
_PERCENTILES = (99.99, 99.9)
_MOST_GROWTH = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """What a rung made. model: the fake-quantized one, if there is one; detail: its settings, for ladder.json.

    most_bytes: a larger file does not ship, however accurate.
    """

    content: bytes
    precision: str = "int8"
    calibration: calibration.Calibration | None = None
    float_file: Path | None = None
    model: Any = None
    most_bytes: float = float("inf")
    detail: Mapping[str, Any] = field(default_factory=dict)


class Rungs:
    """What every rung is made from: the converged model, and the curated training set with the weights of its samples."""

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        kept: Split,
        weights: NDArray[np.float32] | None,
        model: Any,
        temporary: Path,
        reporter: Reporter,
    ) -> None:
        self.recipe, self.section, self.dataset = recipe, recipe.quantization, dataset
        self.kept, self.weights, self.reporter = kept, weights, reporter
        self.model, self.temporary = model, temporary
        self.float_form = stage.float_form(model, temporary, self.section.output)
        self.x = stage.parity_samples(dataset)

    def each(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Callable[[], Rung]]]:
        """(name, how to make it), each taken only when those before did not hold.

        Args:
            rows: of ladder.json, one for each rung tried so far; it grows meanwhile.
        """
        chosen = self._chosen(1)
        plain: list[Rung] = []

        def calibrated() -> Rung:
            content = stage.converted(self.model, "int8", self.section, chosen)
            plain.append(Rung(content=content, calibration=chosen, float_file=self.float_form,
                              detail={"samples": len(chosen.samples)}))  # fmt: skip
            return plain[0]

        yield "calibration", calibrated
        more = self._chosen(_MORE)
        for percentile in _PERCENTILES:
            yield f"calibration at percentile {percentile:g}", partial(self._with_percentile, more, percentile)
        if plain and self.section.per_channel:
            yield from self._in_float(plain[0], rows)
        elif plain:
            self.reporter.warn(
                "No layer is left in float: TensorFlow writes such files with a scale for each channel, and"
                " quantization.per_channel is false."
            )
        yield "quantization-aware training", self._trained

    def _chosen(self, factor: int) -> calibration.Calibration:
        return calibration.choose(self.section, self.dataset, self.kept, self.recipe.seed, factor=factor)

    def _with_percentile(self, more: calibration.Calibration, percentile: float) -> Rung:
        model = qat.calibrated(self.model, more.samples, percentile=percentile, per_channel=self.section.per_channel)
        content = stage.converted(model, "int8", self.section, None)
        facts = dict(more.facts) | {"percentile": percentile}
        return Rung(content=content, model=model, calibration=dataclasses.replace(more, facts=facts),
                    detail={"samples": len(more.samples), "percentile": percentile})  # fmt: skip

    def _in_float(self, plain: Rung, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Callable[[], Rung]]]:
        """The worst layer in float, the two worst, ...: until the file has grown by half."""
        whole = self.temporary / "whole.tflite"
        whole.write_bytes(plain.content)
        worst = layers.worst_layers(layers.errors_by_layer(self.float_form, whole, self.x[:64]))
        if self.section.io != "float32":
            self.reporter.warn(
                "A file with layers in float has float32 input and output, whatever quantization.io"
                f" ({self.section.io}) says; quantization-aware training keeps to it."
            )
        limit = _MOST_GROWTH * next(row["bytes"] for row in rows if "bytes" in row)
        for count in range(1, len(worst) + 1):
            yield f"{count} of {len(worst)} layers in float", partial(self._mixed, plain, worst[:count], limit)
            if rows[-1].get("bytes", 0) > limit:
                return

    def _mixed(self, plain: Rung, names: list[str], limit: float) -> Rung:
        content = stage.converted(self.model, "int8", self.section, plain.calibration, names)
        detail = {"float_layers": names, "most_bytes": round(limit), "io": "float32"}
        return dataclasses.replace(plain, content=content, precision="int8-mixed", most_bytes=limit, detail=detail)

    def _trained(self) -> Rung:
        recipe = self.recipe
        model = qat.quantize_aware(
            self.model,
            self.kept,
            self.section,
            batch_size=recipe.training.batch_size,
            seed=recipe.seed,
            reporter=self.reporter,
            sparse=recipe.pruning.sparsity > 0,
            weights=self.weights,
        )
        return Rung(content=stage.converted(model, "int8", self.section, None), model=model,
                    detail={"epochs": self.section.qat_epochs})  # fmt: skip
