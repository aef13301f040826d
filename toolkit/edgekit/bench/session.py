"""What goes to a runner and what comes back: one Job, one Session. Runners: edgekit.bench.runners.*"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from edgekit.recipe import BenchSection
from edgekit.types import Artifact, Images


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """Files to be measured on one target.

    image: (1, H, W, C) uint8, or float32 in [0, 1]: a real one, for latency. samples: (N, H, W, C) likewise, for the outputs;
    None = latency only. threads: counts, 0 = all cores of the target.
    """

    artifacts: Sequence[Artifact]
    plan: BenchSection
    image: Images
    samples: Images | None
    threads: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One operator of a file as it ran: its type, name, median milliseconds and share of the whole."""

    type: str
    name: str
    ms: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Latency of one file at one thread count.

    runtime: name and version. kernels: what really ran: "xnnpack", "builtin" (no delegate), "gpu", "nnapi" or "onnxruntime".
    latencies_ns: every counted run in order; empty where a runner prints only statistics: then p50_ns is the median over its
    rounds, round_p50_ns. p90_ns: None where it is not known. affinity: the CPUs it was pinned to, None = not pinned.
    """

    artifact: str
    threads: int
    runtime: str
    kernels: str
    latencies_ns: Sequence[int] = ()
    round_p50_ns: Sequence[float] = ()
    p50_ns: float
    p90_ns: float | None
    runs: int
    warmups: int
    init_ms: float
    peak_rss_bytes: int | None
    baseline_rss_bytes: int | None = None
    affinity: Sequence[int] | None = None
    profile: Sequence[Operator] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Session:
    """What a runner measured on a target.

    outputs: artifact name -> (N, K) in the output tensor's own type. output_kernels: likewise, what computed them. before,
    after: what facts.sh printed, as edgekit.bench.facts reads it. others_cores: cores that other processes used meanwhile,
    None = not known. method: how it was measured, one sentence for the report. remarks: what a reader must know.
    """

    timings: Sequence[Timing]
    outputs: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    output_kernels: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    others_cores: float | None
    seconds: float
    method: str
    runner_sha256: str
    remarks: Sequence[str] = ()
