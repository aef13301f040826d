"""A native program on a target with everything it needs: the files to measure, their inputs, and its libraries."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.bench import facts
from edgekit.bench.runners.package import runtime_of
from edgekit.bench.runners.program import NAME, WRAPPER, WRAPPER_SCRIPT, Program
from edgekit.bench.session import Job
from edgekit.bench.workspace import Workspace
from edgekit.errors import IntegrityError, TargetError, UsageError
from edgekit.inference.litert import quantize
from edgekit.recipe import BenchSection
from edgekit.runs.files import sha256_file

_FACTS_S = 60.0
_LIBRARY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.so(\.\d+)*")
# A name without a colon, which would need escaping; a name other than the tensor's only causes a warning.
_INPUT = "input"
Flags = dict[str, str | int | float]


class Deployment:
    """What was copied to the target. remarks grows while it is used: what a reader of the figures must know.

    Raises:
        UsageError: there is no such program or library, or no .tflite file.
        IntegrityError: the program is not the one that was pinned.
        TargetError: the program does not run there, or the cores to pin it to cannot be determined.
    """

    def __init__(self, space: Workspace, job: Job) -> None:
        self.space, self.job = space, job
        self.plan: BenchSection = job.plan
        self.target = space.transport.text
        self.artifacts = [a for a in job.artifacts if a.format == "tflite"]
        self.remarks = [
            f"{a.name} was left out: a native runner takes .tflite files" for a in job.artifacts if a.format != "tflite"
        ]
        if not self.artifacts:
            raise UsageError("A native runner measures .tflite files, and there is none among these.")
        runner, libraries = _local(job.plan)
        self.runner_sha256 = sha256_file(runner)
        if job.plan.runner_sha256 not in (None, self.runner_sha256):
            raise IntegrityError(
                f"{runner} has the SHA-256 {self.runner_sha256}; pinned is {job.plan.runner_sha256}. "
                "Get the right file, or change the pin."
            )
        space.push({"facts.sh": facts.SCRIPT})
        self._first = self.facts()
        self.cpus = facts.cpus(job.plan.affinity, self._first)
        files: dict[str, Path | bytes] = {NAME: runner, WRAPPER: WRAPPER_SCRIPT, **{p.name: p for p in libraries}}
        files |= {self.model(index): artifact.path for index, artifact in enumerate(self.artifacts)}
        space.push(files, executable=[NAME], cached=files)
        self.program = Program(
            space,
            job.plan.delegate,
            timeout_s=job.plan.timeout_s,
            prefix=["taskset", facts.mask(self.cpus)] if self.cpus else [],
            libraries=bool(libraries),
        )
        self._libraries = libraries
        self.takes_inputs = self.program.knows("input_layer", "input_layer_shape", "input_layer_value_files")
        self._pushed: set[str] = set()
        self._images = self._latency_inputs()

    def facts(self) -> dict[str, Any]:
        """The state of the target now."""
        done = self.space.run(["sh", "facts.sh"], timeout_s=_FACTS_S)
        return facts.parse(done.stdout.decode(errors="replace"))

    def runtime(self, version: str | None) -> str:
        """Name and version of what computes. version: what the program prints; without one, a digest is used."""
        if not self.program.own:
            return f"{self.program.kind} sha256:{self.runner_sha256[:12]}"
        for library in self._libraries:
            if package := runtime_of(library):
                return package
        digests = [f"{library.name} sha256:{sha256_file(library)[:12]}" for library in self._libraries]
        return ", ".join(filter(None, (version, *digests)))

    def threads(self) -> list[int]:
        """The thread counts of the job, with the target's cores (or those it is pinned to) in place of 0."""
        cores = len(self.cpus) if self.cpus else self._first["cores"]
        if not cores and 0 in self.job.threads:
            raise TargetError(f"{self.target} does not report how many cores it has; pass a number with --threads.")
        return list(dict.fromkeys(count or int(cores) for count in self.job.threads))

    def model(self, index: int) -> str:
        """The name of a file there."""
        return f"m{index}.tflite"

    def flags(self, index: int, threads: int, inputs: tuple[str, int] | None = None) -> Flags:
        """Flags to run a file: on `inputs`, a name and its number of samples, or else on the image for latency."""
        flags: Flags = {"graph": self.model(index), "num_threads": threads}
        given = inputs or self._images.get(index)
        if given is None:
            return flags
        name, batch = given
        shape = ",".join(map(str, (batch, *self.artifacts[index].inputs[0].shape[1:])))
        values = f"{_INPUT}:{name}"
        return flags | {"input_layer": _INPUT, "input_layer_shape": shape, "input_layer_value_files": values}

    def push(self, inputs: Sequence[NDArray[Any]]) -> list[str]:
        """Copy inputs there, raw, little-endian, C order; equal ones only once. Returns their names."""
        contents = [np.ascontiguousarray(x, x.dtype.newbyteorder("<")).tobytes() for x in inputs]
        names = [f"x{hashlib.sha256(content).hexdigest()[:16]}.bin" for content in contents]
        if new := {n: c for n, c in zip(names, contents, strict=True) if n not in self._pushed}:
            self.space.push(new)
            self._pushed |= set(new)
        return names

    def remove(self, names: Sequence[str]) -> None:
        """Remove inputs to make room: a phone's disk may be nearly full."""
        self.space.run(["rm", "-f", *names], timeout_s=_FACTS_S)
        self._pushed -= set(names)

    def _latency_inputs(self) -> dict[int, tuple[str, int]]:
        """The real image in each file's input format, repeated to fill a fixed batch: index of the file -> name, batch."""
        if not self.takes_inputs:
            self.remarks.append(f"{self.program.kind} generates its own random inputs")
            return {}
        specs = [artifact.inputs[0] for artifact in self.artifacts]
        batches = [max(1, spec.shape[0]) for spec in specs]
        image = np.asarray(self.job.image[:1])
        images = [quantize(np.repeat(image, n, axis=0), spec) for n, spec in zip(batches, specs, strict=True)]
        return dict(enumerate(zip(self.push(images), batches, strict=True)))


def _local(plan: BenchSection) -> tuple[Path, list[Path]]:
    """The program and its libraries, which must exist; the libraries keep their names on the target."""
    if plan.runner is None:
        raise UsageError("This target needs a native runner: --runner PATH.")
    runner, libraries = Path(plan.runner).expanduser(), [Path(name).expanduser() for name in plan.libraries]
    for path in (runner, *libraries):
        if not path.is_file():
            raise UsageError(
                f"{path} does not exist, or is not a file; expected the program of --runner and its libraries."
            )
    for path in libraries:
        if not _LIBRARY.fullmatch(path.name):
            raise UsageError(f"{path} is not named like a shared library (lib....so), which it must be on the target.")
    names = [path.name for path in libraries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(
            f"Two of the libraries are named {twice[0]}; they are put into one folder on the target. Pass only one of them."
        )
    return runner, libraries
