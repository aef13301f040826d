"""artifacts + targets -> measurements: what each target computes, how long it takes, and whether the latency can be trusted."""

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

from edgekit.bench import named
from edgekit.bench.target import Endpoint
from edgekit.bench.target_run import Samples, TargetRun
from edgekit.errors import EdgekitError, GateNotMet, IntegrityError, TargetError, UsageError
from edgekit.inference import litert
from edgekit.inference.evaluate import outputs as real_outputs
from edgekit.recipe import BenchSection
from edgekit.runs.files import sha256_file
from edgekit.types import Artifact, Images, Measurement, Report, Reporter, Silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Benched:
    """failures: target -> why it could not be measured. unequal: rows whose outputs differ where they must not."""

    measurements: Sequence[Measurement]
    failures: Mapping[str, EdgekitError] = field(default_factory=dict)

    def raise_failures(self, rest: str, report: Report | None = None) -> None:
        """Raise an error if a target failed or a device's outputs differ; `rest`: where the other measurements are.

        Raises:
            TargetError: a target could not be measured.
            GateNotMet: int8 outputs differ between equal runtimes.
        """
        if self.failures:
            message = " ".join(
                str(error) if target in str(error) else f"{target}: {error}" for target, error in self.failures.items()
            )
            raise TargetError(f"{message} {rest}", report)
        if self.unequal:
            row = self.unequal[0]
            raise GateNotMet(
                f"{row.artifact} does not compute the same on {row.target} as here, with the same runtime and kernels. {rest}",
                report,
            )

    @property
    def unequal(self) -> list[Measurement]:
        """Rows of files whose outputs on the target differ, where they must not."""
        return [row for row in self.measurements if row.parity is not None and not row.parity["holds"]]


Planned = tuple[Endpoint, BenchSection]


def check(plan: BenchSection, *, reach: bool = False) -> list[Planned]:
    """The devices of a plan, each with its own settings; checks all that can be checked before anything is measured.

    Args:
        reach: also connect to each, since hours of training may pass before they are used.

    Raises:
        UsageError: an unknown name, a file that is not there, or settings that do not go together.
        IntegrityError: a runner that is not the pinned one.
        TargetError: an Android device without a runner; with `reach`, a device that cannot be reached.
    """
    if plan.runner is None and (plan.runner_sha256 or plan.libraries):
        raise UsageError("--runner-sha256 and --library require a --runner, but none is given.")
    endpoints = named.endpoints(plan.targets)
    phones = any(endpoint.target.needs_runner for endpoint in endpoints)
    if plan.runner is not None and not phones and len(endpoints) > 1:
        raise UsageError(
            "--runner is a program for one machine, and there are several targets: set a runner for each in targets.yaml."
        )
    plans = []
    for endpoint in endpoints:
        # If one target is a phone, the runner is meant for the phone.
        own = endpoint.plan(plan if endpoint.target.needs_runner or not phones else _without_runner(plan))
        endpoint.target.accepts(endpoint, own)
        _check_files(endpoint, own)
        if reach and endpoint.target.remote:
            endpoint.connect().close()
        plans.append((endpoint, own))
    return plans


def _without_runner(plan: BenchSection) -> BenchSection:
    return plan.model_copy(update={"runner": None, "runner_sha256": None, "libraries": ()})


def _check_files(endpoint: Endpoint, plan: BenchSection) -> None:
    for what, name in [("runner", plan.runner), *(("library", name) for name in plan.libraries)]:
        if name is not None and not Path(name).is_file():
            raise UsageError(f"The {what} {name} of {endpoint.text} is not a file.")
    if plan.runner and plan.runner_sha256 not in (None, digest := sha256_file(Path(plan.runner))):
        raise IntegrityError(
            f"The runner {plan.runner} has the SHA-256 {digest}, not the pinned {plan.runner_sha256}: get the right file, or "
            "change the pin."
        )


@contextlib.contextmanager
def greeted(planned: Sequence[Planned]) -> Iterator[None]:
    """Connect to the devices whose connections stay open, while the block does other work such as reading the data.

    Problems are reported only when a device is used.
    """

    def greet(endpoint: Endpoint) -> None:
        with contextlib.suppress(TargetError):
            endpoint.connect().close()

    staying = [endpoint for endpoint, _ in planned if endpoint.target.stays_open]
    threads = [threading.Thread(target=greet, args=[endpoint], daemon=True) for endpoint in staying]
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
        image: (1, H, W, C), a real image to measure latency on.
        samples: for accuracy and parity; None = latency only.
        done: called with the rows of each target when it is done, so that an interrupt loses only the current one.

    Raises:
        EdgekitError: see `check`.
    """
    progress = reporter or Silent()
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
            measured = TargetRun(endpoint, artifacts, own, image, some, here, progress).rows()
        except EdgekitError as error:
            failures[endpoint.text] = error
            progress.warn(f"{endpoint.text}: {error}")
            continue
        rows += measured
        if done is not None:
            done(measured)
    return Benched(measurements=rows, failures=failures)


def slug(target: str) -> str:
    """A file name for a target: its letters, digits, dots and dashes, and 8 hex digits of its digest to keep it unique."""
    readable = re.sub(r"[^a-z0-9.]+", "-", target.lower()).strip("-.")
    return f"{readable}-{hashlib.sha256(target.encode()).hexdigest()[:8]}"


def document(target: str, rows: Sequence[Measurement]) -> dict[str, Any]:
    """The content of bench/<slug>.json, schema 1 (docs/devices.md): all measurements of a target with the raw latencies."""
    return {"schema": 1, "target": target, "measurements": [dataclasses.asdict(row) for row in rows]}
