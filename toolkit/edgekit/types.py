"""The values that flow between stages, and the protocols of the families. Imports nothing heavy.

Every value is frozen, keyword-only and reloads from disk; arrays are read-only. N samples, K classes, D embedding width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Samples of one split.

    x: (N, H, W, C) uint8 pixels, or float32 already in [0, 1]. y: (N,) int64 in [0, K). ids: (N,) unique str.
    group: (N,) str (speaker, site, camera) or None.
    """

    x: NDArray[Any]
    y: NDArray[np.int64]
    ids: NDArray[np.str_]
    group: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """What a model is fed: (H, W, C), pixel/255 as float32 in [0, 1].

    mirrored: a left-right flip keeps every label (clothes), or may not (digits, text); unknown data says False.
    """

    shape: tuple[int, int, int]
    mirrored: bool = False
    dtype: str = "float32"
    preprocessing: str = "pixel / 255, float in [0, 1]"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawData:
    """What a data source gives: the official train and test parts, and val and cal where the source has them."""

    name: str
    source: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    val: Split | None = None
    cal: Split | None = None
    mirrored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """A data set ready for every stage: val serves gates and learning curves, cal temperature and thresholds."""

    name: str
    source: str
    classes: tuple[str, ...]
    input: InputSpec
    train: Split
    val: Split
    cal: Split
    test: Split
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signals:
    """What training tells about each training sample; any of the arrays may be None.

    ids: (N,) str. labels: (N,) int64. pred_probs: (N, K) float32 of the in-sample teacher, rows sum to 1.
    """

    ids: NDArray[np.str_]
    labels: NDArray[np.int64]
    pred_probs: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """One number per sample, (N,) float32: higher = more worth keeping, in every method."""

    method: str
    ids: NDArray[np.str_]
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decision:
    """What a curation method says: scores, which samples to drop and why, and what a reader must know.

    drop: sample index -> reason. facts: the numbers behind the cut (fences, ...).
    """

    scores: Scores
    drop: Mapping[int, str]
    facts: Mapping[str, float | int | str | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """One dropped sample: why, and its score (higher = more worth keeping)."""

    reason: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """The curated training set: kept ids in data-set order, and each dropped id with its reason.

    sha256 is the digest of selection.jsonl's bytes. per_class: class name -> (before, kept).
    """

    method: str
    params: Mapping[str, Any]
    seed: int
    fingerprint: str
    kept: NDArray[np.str_]
    dropped: Mapping[str, Drop]
    per_class: Mapping[str, tuple[int, int]]
    facts: Mapping[str, float | int | str | None]
    warnings: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A .keras file and how it came to be. history: per-epoch lists (loss, val_loss, val_accuracy, learning_rate).

    sparsity: share of zero weights in kernels. train_flops: 2 * MAC, forward and backward.
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
    """A file a device can run. gzip_bytes: the file after gzip -9, which is where unstructured sparsity shows."""

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
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Quality of one file on one split, measured by running the file (METHODS.md section 5 definitions)."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Latency of one file on one target with the evidence for it. latencies_ns: every counted run, in order."""

    artifact: str
    artifact_sha256: str
    target: str
    device: Mapping[str, Any]
    runtime: str
    threads: int
    latencies_ns: Sequence[int]
    p50_ms: float
    p90_ms: float
    runs: int
    init_ms: float
    peak_rss_bytes: int
    valid: bool
    invalid_reason: str | None
    conditions: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A demand on the final file and whether it holds. `demand` is what the user wrote; found None = not measured."""

    demand: str
    found: float | None
    met: bool
    where: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """Everything of one run; `document` is report.json's content (schema 1)."""

    path: Path
    document: Mapping[str, Any]


class Reporter(Protocol):
    """Where a stage tells how far it is. The command line prints it; a library caller may pass `Silent()`."""

    def stage(self, title: str) -> None:
        """A stage begins."""

    def progress(self, done: int, total: int, text: str) -> None:
        """`done` of `total` steps of the current stage are over; `text` is the latest figures."""

    def note(self, text: str) -> None:
        """A result worth a line."""

    def warn(self, text: str) -> None:
        """Something the user should know before trusting the result."""


class Silent:
    """A Reporter that says nothing."""

    def stage(self, title: str) -> None: ...

    def progress(self, done: int, total: int, text: str) -> None: ...

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


class Source(Protocol):
    """A data source: reads `spec` (a path, or the source's own name) into RawData. Raises DataError."""

    def __call__(self, spec: str, /) -> RawData: ...


class CurationMethod(Protocol):
    """A curation method: arrays in, Decision out; higher scores = more worth keeping.

    budget: a count (>= 1) or a share (< 1) of samples to drop, for methods that take one.
    """

    def __call__(
        self, signals: Signals, /, *, budget: float | None, seed: int, params: Mapping[str, Any]
    ) -> Decision: ...


class Student(Protocol):
    """A network: `build(keras, input_shape, classes)` returns a Keras 3 functional model that ends in Softmax."""

    def __call__(self, keras: Any, input_shape: tuple[int, int, int], classes: int, /) -> Any: ...
