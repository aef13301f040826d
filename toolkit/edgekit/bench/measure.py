"""artifacts + targets -> measurements: what each target computes, how long it takes, and whether that may be believed."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from edgekit.bench import litert, named
from edgekit.bench.evaluate import predict
from edgekit.bench.named import Endpoint
from edgekit.bench.visit import Samples, Visit
from edgekit.errors import EdgekitError, GateNotMet, TargetError, UsageError
from edgekit.recipe import BenchSection
from edgekit.types import Artifact, Images, Measurement, Report, Reporter, Silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Benched:
    """failures: target -> why it could not be measured. unequal: findings of parity that must not be."""

    measurements: Sequence[Measurement]
    failures: Mapping[str, EdgekitError] = field(default_factory=dict)

    def raise_failures(self, rest: str, report: Report | None = None) -> None:
        """End with an error if a target failed, or if a device computes something else; `rest`: where what went well is.

        Raises:
            TargetError: a target could not be measured.
            GateNotMet: int8 outputs differ between equal runtimes.
        """
        if self.failures:
            told = " ".join(f"{target}: {error}" for target, error in self.failures.items())
            raise TargetError(f"{told} {rest}", report)
        if self.unequal:
            row = self.unequal[0]
            raise GateNotMet(
                f"{row.artifact} computes something else on {row.target} than here, with the same runtime and kernels. {rest}",
                report,
            )

    @property
    def unequal(self) -> list[Measurement]:
        """Rows of files that compute something else on the target, where they must not."""
        return [row for row in self.measurements if row.parity is not None and not row.parity["holds"]]


def check(plan: BenchSection, *, reach: bool = False) -> list[Endpoint]:
    """The devices of a plan, and whatever can be wrong with it before anything is measured.

    Args:
        reach: also connect to each, since hours of training may lie between.

    Raises:
        UsageError: an unknown name, or settings that do not go together.
        TargetError: an Android device without a runner; with `reach`, a device that cannot be reached.
    """
    endpoints = named.endpoints(plan.targets)
    for endpoint in endpoints:
        own = endpoint.plan(plan)
        if endpoint.address.kind == "adb" and own.runner is None:
            raise TargetError(
                f"{endpoint.text} needs a native runner: --runner PATH of TensorFlow Lite's benchmark_model or of edgekit's own "
                "C runner (docs/devices.md), or `runner` in targets.yaml."
            )
        if own.fixed_performance and endpoint.address.kind != "adb":
            raise UsageError(f"--fixed-performance is a mode of Android; {endpoint.text} has none.")
        if reach and endpoint.address.kind != "host":
            endpoint.connect().close()
    return endpoints


@contextlib.contextmanager
def greeted(endpoints: Sequence[Endpoint]) -> Iterator[None]:
    """Connect to the devices while the block does other work (data are read); ssh keeps the connection for what follows.

    What goes wrong is told when they are really needed.
    """

    def greet(endpoint: Endpoint) -> None:
        with contextlib.suppress(TargetError):
            endpoint.connect().close()

    threads = [
        threading.Thread(target=greet, args=[each], daemon=True) for each in endpoints if each.address.kind == "ssh"
    ]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


def measure(
    artifacts: Sequence[Artifact],
    plan: BenchSection,
    image: Images,
    *,
    samples: Samples | None = None,
    seed: int = 0,
    reporter: Reporter | None = None,
) -> Benched:
    """Measure the artifacts on every target of the plan, one target after the other. A target that fails costs only its own rows.

    Args:
        image: (1, H, W, C) for latency, a real one.
        samples: for accuracy and parity; None = latency only.

    Raises:
        UsageError, TargetError: see `check`.
    """
    told = reporter or Silent()
    some = None if samples is None else samples.some(plan.samples, seed)
    outputs: dict[str, NDArray[Any]] = {}

    def here(artifact: Artifact) -> NDArray[Any]:
        if artifact.name not in outputs:
            assert some is not None
            outputs[artifact.name] = (
                predict(artifact, some.x) if artifact.format == "onnx" else litert.run(artifact.path, some.x)
            )
        return outputs[artifact.name]

    rows: list[Measurement] = []
    failures: dict[str, EdgekitError] = {}
    for endpoint in check(plan):
        try:
            rows += Visit(endpoint, artifacts, endpoint.plan(plan), image, some, here, told).rows()
        except (TargetError, UsageError) as error:
            failures[endpoint.text] = error
            told.warn(f"{endpoint.text}: {error}")
    return Benched(measurements=rows, failures=failures)


def slug(target: str) -> str:
    """A file name for a target: its letters, digits, dots and dashes, and 8 hex digits of its digest against mix-ups."""
    readable = re.sub(r"[^a-z0-9.]+", "-", target.lower()).strip("-.")
    return f"{readable}-{hashlib.sha256(target.encode()).hexdigest()[:8]}"


def document(target: str, rows: Sequence[Measurement]) -> dict[str, Any]:
    """The content of bench/<slug>.json, schema 1 (docs/devices.md): all measurements of a target with the raw latencies."""
    return {"schema": 1, "target": target, "measurements": [dataclasses.asdict(row) for row in rows]}
