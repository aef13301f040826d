"""One target: connect, measure, repeat what was not valid, compare with this machine."""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.bench import parity, validity
from edgekit.bench.session import Job, Session, Timing
from edgekit.bench.target import Endpoint
from edgekit.bench.workspace import Workspace, workspace
from edgekit.data.splits import clips_in
from edgekit.errors import TargetError
from edgekit.evidence.latency import median_interval, ratio_interval
from edgekit.inference import litert
from edgekit.inference.evaluate import pooled
from edgekit.recipe import BenchSection
from edgekit.runs.environment import versions
from edgekit.types import Artifact, Images, Measurement, Reporter, Split

# Facts in a measurement's `device`; the others are its state, in `conditions`.
_DEVICE = (
    "model", "soc", "cpu", "os", "kernel", "machine", "abi", "glibc", "fingerprint", "cores", "memory_bytes", "emulated",
    "max_khz",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Test samples whose outputs are compared. x: (N, H, W, C) uint8, or float32 as the files take it; labels: (N,) int.

    clip: (N,) the clip that each is a segment of; None = every sample is whole.
    """

    x: Images
    labels: NDArray[np.int64]
    clip: NDArray[np.str_] | None = None

    @staticmethod
    def of(split: Split, x: Images | None = None) -> Samples:
        """All of `split`; x: what the files are fed, if that is not `split.x`."""
        return Samples(x=split.x if x is None else x, labels=split.y, clip=split.clip)

    def some(self, count: int | None, seed: int) -> Samples:
        """At most `count` of them (of clips, with all segments), drawn at random: a folder starts with a single class."""
        first, number = clips_in(self.clip, len(self.labels))
        if count is None or count >= len(first):
            return self
        drawn = np.random.default_rng(seed).choice(len(first), count, replace=False)
        index = np.flatnonzero(np.isin(number, drawn))
        return Samples(x=self.x[index], labels=self.labels[index], clip=None if self.clip is None else self.clip[index])

    def judged(self, outputs: NDArray[Any], artifact: Artifact) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """(labels, outputs) to compute accuracy on: of the samples, or of the clips that they are segments of."""
        if self.clip is None:
            return self.labels, outputs
        first, number = clips_in(self.clip, len(self.labels))
        return self.labels[first], pooled(litert.dequantize(outputs, artifact.outputs[0]), number, artifact.output)


class TargetRun:
    """One target: connect, measure, repeat what was not valid, compare."""

    def __init__(
        self,
        endpoint: Endpoint,
        artifacts: Sequence[Artifact],
        plan: BenchSection,
        image: Images,
        samples: Samples | None,
        here: Callable[[Artifact, str], tuple[NDArray[Any], str]],
        reporter: Reporter,
    ) -> None:
        self.endpoint, self.plan, self.samples, self.here, self.reporter = endpoint, plan, samples, here, reporter
        self.artifacts = {artifact.name: artifact for artifact in artifacts}
        self.target = endpoint.target
        self.job = Job(
            artifacts=artifacts,
            plan=plan,
            image=image,
            samples=None if samples is None else samples.x,
            threads=plan.threads,
        )
        self.measure = self.target.runner_for(plan)

    def rows(self) -> list[Measurement]:
        begin = time.perf_counter()
        transport = self.target.connect(self.endpoint)
        try:
            with self.target.prepared(transport, self.plan), workspace(transport) as space:
                session = self.measure(space, self.job)
                seconds = time.perf_counter() - begin
                for remark in session.remarks:
                    self.reporter.note(f"{self.endpoint.text}: {remark}")
                by_key = {row.key: row for row in self._judged(session, space, seconds, attempts=1)}
                for attempt in range(2, self.plan.retries + 2):
                    bad = [row for row in by_key.values() if row.verdict == "invalid" and not row.emulated]
                    if not bad:
                        break
                    self.reporter.note(f"{self.endpoint.text}: measured again, since {bad[0].reasons[0]}")
                    try:
                        again = self._judged(self._repeated(space, bad), space, seconds, attempts=attempt)
                    except TargetError as error:  # keep what was measured before
                        self.reporter.warn(f"{self.endpoint.text}: could not be measured again: {error}")
                        break
                    by_key |= {row.key: _better_attempt(by_key[row.key], row) for row in again if row.key in by_key}
        finally:
            transport.close()
        return [self._compared(row, session) for row in by_key.values()]

    def _repeated(self, space: Workspace, bad: Sequence[Measurement]) -> Session:
        names = {row.artifact for row in bad}
        job = dataclasses.replace(
            self.job,
            artifacts=[a for a in self.job.artifacts if a.name in names],
            threads=tuple(dict.fromkeys(row.threads for row in bad)),
            samples=None,
            plan=self.plan.model_copy(update={"profile": False}),
        )
        return self.measure(space, job)

    def _judged(self, session: Session, space: Workspace, seconds: float, *, attempts: int) -> list[Measurement]:
        return [self._measurement(timing, session, space, seconds, attempts) for timing in session.timings]

    def _measurement(
        self, timing: Timing, session: Session, space: Workspace, seconds: float, attempts: int
    ) -> Measurement:
        judged = validity.judge(
            session.before,
            session.after,
            others_cores=session.others_cores,
            latencies_ns=timing.latencies_ns,
            affinity=timing.affinity,
        )
        _, lower, upper = median_interval(timing.latencies_ns or timing.round_p50_ns or [timing.p50_ns])
        reasons = list(judged.reasons)
        return Measurement(
            artifact=timing.artifact,
            artifact_sha256=self.artifacts[timing.artifact].sha256,
            target=self.endpoint.text,
            device={key: session.before.get(key) for key in _DEVICE},
            runtime=timing.runtime,
            kernels=timing.kernels,
            method=session.method,
            threads=timing.threads,
            affinity=timing.affinity,
            latencies_ns=timing.latencies_ns,
            p50_ms=timing.p50_ns / 1e6,
            p50_interval_ms=(lower / 1e6, upper / 1e6),
            p90_ms=None if timing.p90_ns is None else timing.p90_ns / 1e6,
            runs=timing.runs,
            init_ms=timing.init_ms,
            peak_rss_bytes=timing.peak_rss_bytes,
            accuracy=None,
            samples=None,
            parity=None,
            profile=[dataclasses.asdict(operator) for operator in timing.profile],
            verdict=judged.verdict,
            reasons=reasons,
            emulated=judged.emulated,
            attempts=attempts,
            valid=judged.verdict == "valid",
            invalid_reason="; ".join(reasons) if judged.verdict != "valid" else None,
            conditions={
                "before": _state(session.before),
                "after": _state(session.after),
                "load_average_before": session.before["load_average"],
                "load_average_after": session.after["load_average"],
                "other_processes_cores": session.others_cores,
                "measured_seconds": session.seconds,
                "session_seconds": seconds,
                "pushed_bytes": space.pushed_bytes,
                "push_seconds": space.push_seconds,
                "warmups": timing.warmups,
                "baseline_rss_bytes": timing.baseline_rss_bytes,
                "round_p50_ns": list(timing.round_p50_ns),
                "relative": _relative(timing, session),
                "runner_sha256": session.runner_sha256,
                "remarks": list(session.remarks),
            },
        )

    def _compared(self, row: Measurement, session: Session) -> Measurement:
        """The row with its file's accuracy on the target and the comparison with this machine's outputs."""
        artifact = self.artifacts[row.artifact]
        if self.samples is None or artifact.name not in session.outputs:
            return row
        there, labels = session.outputs[artifact.name], self.samples.labels
        compared = None
        if self.target.remote:
            here, here_by = self.here(artifact, self.plan.delegate)
            allowed = parity.allowed_difference(
                artifact.path,
                runtimes=(f"ai-edge-litert {versions('ai-edge-litert')['ai-edge-litert']}", row.runtime),
                kernels=(here_by, session.output_kernels.get(artifact.name, "")),
                same_processor=session.before["machine"] == platform.machine(),
            )
            compared = parity.compare(here, there, labels, allowed=allowed)
            compared |= {"host_kernels": here_by, "device_kernels": session.output_kernels.get(artifact.name)}
        labels, judged = self.samples.judged(there, artifact)
        accuracy = float((judged.argmax(axis=1) == labels).mean())
        return dataclasses.replace(row, accuracy=accuracy, samples=len(labels), parity=compared)


def _relative(timing: Timing, session: Session) -> dict[str, Any] | None:
    """The latency as a share of the first file's at the same thread count; their runs took turns."""
    first = next(each for each in session.timings if each.threads == timing.threads)
    if (
        first.artifact == timing.artifact
        or len(timing.latencies_ns) != len(first.latencies_ns)
        or not first.latencies_ns
    ):
        return None
    ratio, lower, upper = ratio_interval(timing.latencies_ns, first.latencies_ns)
    return {"to": first.artifact, "ratio": ratio, "interval": [lower, upper]}


def _better_attempt(first: Measurement, second: Measurement) -> Measurement:
    """The later attempt, unless it is worse; with the first one's profile, which is not taken again."""
    order = ("invalid", "suspect", "valid")
    better = second if order.index(second.verdict) >= order.index(first.verdict) else first
    return dataclasses.replace(better, profile=first.profile, attempts=second.attempts)


def _state(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if key not in _DEVICE}
