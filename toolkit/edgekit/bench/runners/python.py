"""Measures files with the Python of a Linux target: device/runner.py is copied there, run once, and its answer checked.

edgekit need not be there, only Python with numpy and LiteRT (`edgekit setup-device` installs them); for .onnx, ONNX Runtime.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.bench import answer as answers
from edgekit.bench import facts
from edgekit.bench.answer import Answer
from edgekit.bench.command import Completed
from edgekit.bench.session import Job, Operator, Session, Timing
from edgekit.bench.workspace import Workspace
from edgekit.errors import TargetError, UsageError
from edgekit.inference.cuts import Cuts, cuts
from edgekit.inference.litert import BATCH, quantize
from edgekit.runs.files import sha256_file
from edgekit.types import Artifact, Images, TensorSpec

RUNNER = Path(__file__).parents[2] / "device" / "runner.py"
_FACTS_S = 60.0
_BLOCK = 256


def measure(space: Workspace, job: Job) -> Session:
    """Latency, memory and outputs of the job's files in one process on the target.

    Session.seconds: the time in which files ran there: memory, warm-ups, counted rounds, profile and outputs.

    Raises:
        UsageError: a delegate that only Android has.
        TargetError: no Python, numpy or runtime there, a file that does not run there, or no valid answer.
    """
    target, python = space.transport.text, space.transport.python
    if job.plan.delegate not in ("xnnpack", "none"):
        raise UsageError(
            f"--delegate {job.plan.delegate} works only on Android with a native runner; {target} computes with XNNPACK or none."
        )
    if python is None:
        raise TargetError(
            f"There is no Python on {target}; install python3 there, or give a native runner with --runner."
        )
    profiled = {i: cuts(a.path) for i, a in enumerate(job.artifacts) if job.plan.profile and a.format == "tflite"}
    _push(space, job, profiled)
    command = [python, *space.transport.python_options, "runner.py", "job.json"]
    done = space.run(command, timeout_s=job.plan.timeout_s)
    answer = answers.read(done, space.transport, job)
    timings = _timings(answer, job, profiled)
    outputs = _outputs(space, answer, job)
    remarks = _remarks(answer, job, profiled, done, target)
    if not timings:
        raise TargetError(f"Nothing was measured on {target}: {'; '.join(remarks)}.")
    return Session(
        timings=timings,
        outputs=outputs,
        output_kernels={job.artifacts[int(index)].name: output["kernels"] for index, output in answer.outputs.items()},
        before=facts.parse(answer.before),
        after=facts.parse(answer.after),
        others_cores=answer.others_cores,
        seconds=answer.seconds,
        method=(
            f"edgekit's Python runner: all files in one process, at least {job.plan.warmup} warm-ups and 0.5 s each, then every "
            f"file and thread count once a round in random order, {len(answer.rows[0]['latencies_ns'])} rounds, each call timed"
        ),
        runner_sha256=sha256_file(RUNNER),
        remarks=remarks,
    )


def _push(space: Workspace, job: Job, profiled: Mapping[int, Cuts | None]) -> None:
    """Copy the runner, the files with their inputs, and what to measure of them to the target."""
    cpus = _cpus(space, job.plan.affinity)
    with tempfile.TemporaryDirectory(prefix="edgekit-inputs-") as folder:
        inputs = _Inputs(Path(folder))
        models = [
            _model(index, artifact, job, inputs, profiled.get(index)) for index, artifact in enumerate(job.artifacts)
        ]
        order = {
            "models": models,
            "threads": list(job.threads),
            "runs": job.plan.runs,
            "warmup": job.plan.warmup,
            "affinity": cpus,
            "delegate": job.plan.delegate,
        }
        own: dict[str, Path | bytes] = {
            "runner.py": RUNNER,
            "facts.sh": facts.SCRIPT,
            "job.json": json.dumps(order).encode(),
        }
        files = {str(m["file"]): a.path for m, a in zip(models, job.artifacts, strict=True)}
        space.push(own | inputs.files | files, cached=files)


class _Inputs:
    """Raw inputs for the target, in a local folder; files: by their name there, equal ones only once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, str, float, int], str] = {}
        self.files: dict[str, Path | bytes] = {}

    def add(self, what: str, x: Images, spec: TensorSpec) -> str:
        """The name of a file of images as an input tensor takes them: little-endian, in C order. what: identifies x."""
        key = (what, spec.dtype, spec.scale, spec.zero_point)
        if key not in self._known:
            path, digest = self._folder / "new", hashlib.sha256()
            with open(path, "wb") as file:
                # In blocks: as float32 a large test set would not fit into memory.
                for start in range(0, len(x), _BLOCK):
                    block = quantize(x[start : start + _BLOCK], spec)
                    content = block.astype(block.dtype.newbyteorder("<"), copy=False).tobytes()
                    digest.update(content)
                    file.write(content)
            name = f"x{digest.hexdigest()[:16]}.bin"
            self._known[key], self.files[name] = name, path.rename(self._folder / name)
        return self._known[key]


def _model(index: int, artifact: Artifact, job: Job, inputs: _Inputs, parts: Cuts | None) -> dict[str, Any]:
    """A file of the job as the runner expects it."""
    spec = artifact.inputs[0]
    fixed = spec.shape[0] if spec.shape[0] > 0 else None
    image = np.concatenate([job.image[:1]] * (fixed or 1))
    outputs = None
    if job.samples is not None:
        outputs = {
            "input": inputs.add("samples", job.samples, spec),
            "output": f"y{index}.bin",
            "samples": len(job.samples),
            "batch": fixed or BATCH,
            "fixed": fixed is not None,
        }
    return {
        "file": f"m{index}.{artifact.format}",
        "input": inputs.add(f"{len(image)} images", image, spec),
        "dtype": np.dtype(spec.dtype).newbyteorder("<").str,
        "shape": image.shape,
        "outputs": outputs,
        "cuts": None if parts is None else dataclasses.asdict(parts),
    }


def _cpus(space: Workspace, affinity: str | None) -> list[int] | None:
    if affinity is None:
        return None
    space.push({"facts.sh": facts.SCRIPT})
    printed = space.run(["sh", "facts.sh"], timeout_s=_FACTS_S)
    return facts.cpus(affinity, facts.parse(printed.stdout.decode(errors="replace")))


def _timings(answer: Answer, job: Job, profiled: Mapping[int, Cuts | None]) -> list[Timing]:
    timings = []
    seen: set[int] = set()
    for row in answer.rows:
        index, latencies = row["model"], np.array(row["latencies_ns"])
        parts = profiled.get(index) if index not in seen else None  # the profile is of the first thread count
        seen.add(index)
        memory = answer.memory[str(index)]
        timings.append(
            Timing(
                artifact=job.artifacts[index].name,
                threads=row["threads"],
                runtime=row["runtime"],
                kernels=row["kernels"],
                latencies_ns=row["latencies_ns"],
                p50_ns=float(np.percentile(latencies, 50)),
                p90_ns=float(np.percentile(latencies, 90)),
                runs=len(latencies),
                warmups=row["warmups"],
                init_ms=row["init_ms"],
                peak_rss_bytes=memory["peak_bytes"],
                baseline_rss_bytes=memory["baseline_bytes"],
                affinity=answer.affinity,
                profile=[] if parts is None else _profile(parts, answer.profiles[str(index)]),
            )
        )
    return timings


def _profile(parts: Cuts, ms: Sequence[float]) -> list[Operator]:
    """Operators with their shares; a difference below zero is noise."""
    times = [max(0.0, value) for value in ms]
    whole = sum(times) or 1.0
    return [
        Operator(type=kind, name=name, ms=value, share=value / whole)
        for (kind, name), value in zip(parts.operators, times, strict=True)
    ]


def _outputs(space: Workspace, answer: Answer, job: Job) -> dict[str, NDArray[Any]]:
    """Fetch the outputs; their length and digest must be what they should be."""
    if job.samples is None:
        return {}
    arrays = {}
    for index in sorted({row["model"] for row in answer.rows}):
        artifact, output = job.artifacts[index], answer.outputs.get(str(index))
        spec = artifact.outputs[0]
        content = space.pull(f"y{index}.bin") if output is not None else b""
        kind = np.dtype(spec.dtype).newbyteorder("<")
        width = int(np.prod(spec.shape[1:]))
        expected = len(job.samples) * width * kind.itemsize
        where = f"The outputs of {artifact.name} from {space.transport.text}"
        if len(content) != expected:
            raise TargetError(
                f"{where} have {len(content):,} bytes; expected {expected:,} for {len(job.samples):,} samples."
            )
        if output is not None and hashlib.sha256(content).hexdigest() != output["sha256"]:
            raise TargetError(f"{where} differ from what was written there (SHA-256). Measure again.")
        arrays[artifact.name] = np.frombuffer(content, kind).reshape(len(job.samples), width).astype(spec.dtype)
    return arrays


def _remarks(answer: Answer, job: Job, profiled: Mapping[int, Cuts | None], done: Completed, target: str) -> list[str]:
    """What a reader of the figures must know."""
    measured = {row["model"] for row in answer.rows}
    remarks = [
        f"{artifact.name} was left out: there is no onnxruntime on {target}"
        for index, artifact in enumerate(job.artifacts)
        if index not in measured
    ]
    plain = sorted({job.artifacts[row["model"]].name for row in answer.rows if row["kernels"] == "builtin"})
    if plain and job.plan.delegate == "xnnpack":
        why = "cpuinfo does not know its processor" if b"cpuinfo" in done.stderr else "the runtime did not apply it"
        remarks.append(f"XNNPACK was not used for {', '.join(plain)} on {target}: {why}")
    for artifact in job.artifacts:
        if (count := artifact.inputs[0].shape[0]) > 1:
            remarks.append(f"{artifact.name} has a fixed batch of {count} images: its latency is for {count}")
    if job.plan.profile:
        without = [a.name for i, a in enumerate(job.artifacts) if profiled.get(i) is None]
        if without:
            remarks.append(
                f"no profile of {', '.join(without)}: only a .tflite of one subgraph can be cut into its operators"
            )
        if any(parts is not None for parts in profiled.values()):
            remarks.append(
                "profile: the difference that each operator makes to the median when the file is cut after it, at the first "
                "thread count"
            )
    return remarks
