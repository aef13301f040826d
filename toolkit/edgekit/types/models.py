"""Results: models, files, evaluations, measurements, gates, reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edgekit.notebook import reprs

Output = Literal["probabilities", "logits"]
_SPLITS = ("train", "val", "cal", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A .keras file and its training. history: lists (epoch, loss, val_loss, val_accuracy, ...), one value per round.

    epochs, steps: of the training run that made it. learned: see training.learned. retried: earlier training runs that did not
    learn: their count, train_flops and seconds. sparsity: share of zero weights in kernels. train_flops: 2 * MAC, forward and
    backward.
    """

    path: Path
    architecture: str
    framework: str
    params: int
    macs: int
    train_flops: int
    sparsity: float
    selection_sha256: str
    device: str
    seconds: float
    steps: int
    history: Mapping[str, Sequence[float]]
    epochs: int = 0
    learned: Mapping[str, Any] = field(default_factory=dict)
    retried: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """An input or output tensor of a file: real = (q - zero_point) * scale; scale 0 for float tensors."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file a device can run. gzip_bytes: the file after gzip -9, which is where unstructured sparsity shows.

    output: the kind of its output; softmax turns logits into probabilities.
    """

    name: str
    path: Path
    format: str
    precision: str
    sha256: str
    size_bytes: int
    gzip_bytes: int
    params: int
    macs: int
    sparsity: float
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    output: Output = "probabilities"
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return reprs.artifact(self)

    def _repr_html_(self) -> str:
        return reprs.artifact_html(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Quality of one file on one split, measured by running the file (docs/methods.md, "Quality and reliability").

    per_class: name -> {n: samples, recall: share of correct ones, None if n is 0}. It, balanced_accuracy and macro_f1
    are missing in reports of older versions.
    """

    artifact: str
    artifact_sha256: str
    split: str
    n: int
    accuracy: float
    nll: float
    brier: float
    ece: float
    aurc: float
    augrc: float
    risk_at_coverage: Mapping[str, float]
    ece_squared: float
    nll_clipped: int
    argmax_ties: int
    predictions: Path | None
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    per_class: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return reprs.evaluation(self)

    def _repr_html_(self) -> str:
        return reprs.evaluation_html(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One file on one target at one thread count: latency with evidence for its validity, accuracy, and parity with this machine.

    latencies_ns: every counted run, in order; empty if the runner reports only statistics. p50_interval_ms: 95 % bootstrap
    interval. verdict: "valid", "suspect" or "invalid", with `reasons`; `valid` is short for the first, `invalid_reason` for
    the reasons of the others. kernels: what actually computed it, such as "xnnpack". accuracy, samples: of the file on this
    target, None = not measured. parity: see edgekit.bench.parity. profile: operators with milliseconds. emulated: its latency
    is meaningless.
    """

    artifact: str
    artifact_sha256: str
    target: str
    device: Mapping[str, Any]
    runtime: str
    kernels: str
    method: str
    threads: int
    affinity: Sequence[int] | None
    latencies_ns: Sequence[int]
    p50_ms: float
    p50_interval_ms: tuple[float, float]
    p90_ms: float | None
    runs: int
    init_ms: float
    peak_rss_bytes: int | None
    accuracy: float | None
    samples: int | None
    parity: Mapping[str, Any] | None
    profile: Sequence[Mapping[str, Any]]
    verdict: Literal["valid", "suspect", "invalid"]
    reasons: Sequence[str]
    emulated: bool
    attempts: int
    valid: bool
    invalid_reason: str | None
    conditions: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, int]:
        """What distinguishes the rows of one target."""
        return self.artifact, self.threads

    def __repr__(self) -> str:
        return reprs.measurement(self)

    def _repr_html_(self) -> str:
        return reprs.measurement_html(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A requirement on the final file and whether it is met. `demand` is the user's text; found None = not (validly) measured.

    where: the split, the target, or "file". interval: 95 %, for other samples or runs, if there is one. settled: whether all
    of it is on the same side of the limit. note: remark on the measurement, such as why it does not count.
    """

    demand: str
    found: float | None
    met: bool
    where: str
    interval: tuple[float, float] | None = None
    settled: bool | None = None
    note: str | None = None

    @property
    def told(self) -> str:
        """The result, in words."""
        if self.found is None:
            return f"not measured: {self.note}" if self.note else "not measured"
        text = f"found {self.found:.6g}" + ("" if self.where == "file" else f" on {self.where}")
        if self.interval is not None:
            text += f", 95 % interval {self.interval[0]:.3g} to {self.interval[1]:.3g}"
            if not self.settled:
                more = "samples" if self.where in _SPLITS else "runs"
                text += f": more {more} are needed to settle it"
        return f"{text}; {self.note}" if self.note else text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """Everything about one run; `document` is report.json's content (schema 1)."""

    path: Path
    document: Mapping[str, Any]

    def __repr__(self) -> str:
        return reprs.report(self)

    def _repr_html_(self) -> str:
        return reprs.report_html(self)
