"""artifacts + targets -> measurements: what each target computes, how long it takes, and whether that may be believed."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgekit.bench import litert, named
from edgekit.bench.evaluate import outputs as real_outputs
from edgekit.bench.named import Endpoint
from edgekit.bench.visit import Samples, Visit
from edgekit.errors import EdgekitError, GateNotMet, IntegrityError, TargetError, UsageError
from edgekit.recipe import BenchSection
from edgekit.store import sha256_file
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
            told = " ".join(
                str(error) if target in str(error) else f"{target}: {error}" for target, error in self.failures.items()
            )
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


Planned = tuple[Endpoint, BenchSection]


def check(plan: BenchSection, *, reach: bool = False) -> list[Planned]:
    """The devices of a plan, each with what holds for it, and whatever can be wrong before anything is measured.

    Args:
        reach: also connect to each, since hours of training may lie between.

    Raises:
        UsageError: an unknown name, a file that is not there, or settings that do not go together.
        IntegrityError: a runner that is not the pinned one.
        TargetError: an Android device without a runner; with `reach`, a device that cannot be reached.
    """
    if plan.runner is None and (plan.runner_sha256 or plan.libraries):
        raise UsageError("--runner-sha256 and --library belong to a --runner, and none is given.")
    endpoints = named.endpoints(plan.targets)
    phones = any(endpoint.address.kind == "adb" for endpoint in endpoints)
    if plan.runner is not None and not phones and len(endpoints) > 1:
        raise UsageError(
            "--runner is a program for one machine, and there are several targets: name theirs in targets.yaml."
        )
    found = []
    for endpoint in endpoints:
        # Beside a phone, a runner is the phone's.
        own = endpoint.plan(plan if endpoint.address.kind == "adb" or not phones else _without_runner(plan))
        _check_one(endpoint, own)
        if reach and endpoint.address.kind != "host":
            endpoint.connect().close()
        found.append((endpoint, own))
    return found


def _without_runner(plan: BenchSection) -> BenchSection:
    return plan.model_copy(update={"runner": None, "runner_sha256": None, "libraries": ()})


def _check_one(endpoint: Endpoint, plan: BenchSection) -> None:
    phone = endpoint.address.kind == "adb"
    if phone and plan.runner is None:
        raise TargetError(
            f"{endpoint.text} needs a native runner: --runner PATH of TensorFlow Lite's benchmark_model or of edgekit's own "
            "C runner (docs/devices.md), or `runner` in targets.yaml."
        )
    if plan.fixed_performance and not phone:
        raise UsageError(f"--fixed-performance is a mode of Android; {endpoint.text} has none.")
    if plan.delegate in ("gpu", "nnapi") and not phone:
        raise UsageError(f"--delegate {plan.delegate} is for Android; {endpoint.text} computes with xnnpack or none.")
    for what, name in [("runner", plan.runner), *(("library", name) for name in plan.libraries)]:
        if name is not None and not Path(name).is_file():
            raise UsageError(f"The {what} {name} of {endpoint.text} is no file.")
    if plan.runner and plan.runner_sha256 not in (None, digest := sha256_file(Path(plan.runner))):
        raise IntegrityError(
            f"The runner {plan.runner} has the SHA-256 {digest}, not the pinned {plan.runner_sha256}: get the right file, or "
            "change the pin."
        )


@contextlib.contextmanager
def greeted(planned: Sequence[Planned]) -> Iterator[None]:
    """Connect to the devices while the block does other work (data are read); ssh keeps the connection for what follows.

    What goes wrong is told when they are really needed.
    """

    def greet(endpoint: Endpoint) -> None:
        with contextlib.suppress(TargetError):
            endpoint.connect().close()

    ssh = [endpoint for endpoint, _ in planned if endpoint.address.kind == "ssh"]
    threads = [threading.Thread(target=greet, args=[endpoint], daemon=True) for endpoint in ssh]
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
    done: Callable[[Sequence[Measurement]], None] | None = None,
) -> Benched:
    """Measure the artifacts on every target of the plan, one after the other. A target that fails costs only its own rows.

    Args:
        image: (1, H, W, C) for latency, a real one.
        samples: for accuracy and parity; None = latency only.
        done: called with the rows of each target when it is done, so that an interrupt loses only the one under way.

    Raises:
        EdgekitError: see `check`.
    """
    told = reporter or Silent()
    some = None if samples is None else samples.some(plan.samples, seed)
    outputs: dict[tuple[str, str], tuple[NDArray[Any], str]] = {}

    def here(artifact: Artifact, delegate: str) -> tuple[NDArray[Any], str]:
        key = artifact.name, "none" if delegate == "none" else "xnnpack"
        if key not in outputs:
            assert some is not None
            if artifact.format == "onnx":
                outputs[key] = real_outputs(artifact, some.x), "onnxruntime"
            else:
                by = litert.kernels(artifact.path, key[1])
                outputs[key] = litert.run(artifact.path, some.x, delegate=key[1]), by
        return outputs[key]

    rows: list[Measurement] = []
    failures: dict[str, EdgekitError] = {}
    for endpoint, own in check(plan):
        try:
            found = Visit(endpoint, artifacts, own, image, some, here, told).rows()
        except EdgekitError as error:
            failures[endpoint.text] = error
            told.warn(f"{endpoint.text}: {error}")
            continue
        rows += found
        if done is not None:
            done(found)
    return Benched(measurements=rows, failures=failures)


def slug(target: str) -> str:
    """A file name for a target: its letters, digits, dots and dashes, and 8 hex digits of its digest against mix-ups."""
    readable = re.sub(r"[^a-z0-9.]+", "-", target.lower()).strip("-.")
    return f"{readable}-{hashlib.sha256(target.encode()).hexdigest()[:8]}"


def document(target: str, rows: Sequence[Measurement]) -> dict[str, Any]:
    """The content of bench/<slug>.json, schema 1 (docs/devices.md): all measurements of a target with the raw latencies."""
    return {"schema": 1, "target": target, "measurements": [dataclasses.asdict(row) for row in rows]}
