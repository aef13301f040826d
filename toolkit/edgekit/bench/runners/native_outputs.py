"""Outputs of files on a target, by a native program: samples are sent as raw inputs in whole batches, outputs fetched back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.bench.runners.deployment import Deployment
from edgekit.errors import TargetError
from edgekit.inference.litert import BATCH, quantize
from edgekit.types import Artifact, Images

# Inputs in one call of edgekit's runner, which loads them all into memory, and inputs on the target at a time.
_CALL_BYTES, _THERE_BYTES = 32 << 20, 128 << 20


def outputs(there: Deployment, samples: Images) -> tuple[dict[str, NDArray[Any]], str]:
    """Run all files on the samples. No latency is taken from this.

    Returns:
        Artifact name -> (N, K) in the output tensor's own type, and what computed them; nothing, with a remark, where the program
        cannot take inputs or write outputs.
    """
    if not there.takes_inputs or not there.program.knows("output_filepath"):
        there.remarks.append(f"no accuracy: this build of {there.program.kind} takes no inputs or writes no outputs")
        return {}, ""
    kernels: set[str] = set()
    arrays = {}
    for index, artifact in enumerate(there.artifacts):
        batch, row = _batch(artifact), _row_bytes(artifact)
        step = batch * max(1, _THERE_BYTES // (batch * row))
        slabs = [samples[start : start + step] for start in range(0, len(samples), step)]
        blocks = []
        for number, slab in enumerate(slabs):
            block, names = _slab(there, index, batch, slab, f"{index}-{number}", kernels)
            blocks.append(block)
            if len(slabs) > 1:
                there.remove(names)
        arrays[artifact.name] = np.concatenate(blocks)
    return arrays, ", ".join(sorted(kernels))


def _slab(
    there: Deployment, index: int, batch: int, samples: NDArray[Any], label: str, kernels: set[str]
) -> tuple[NDArray[Any], list[str]]:
    """The outputs of some samples, and the names of their inputs there."""
    artifact, program = there.artifacts[index], there.program
    x = quantize(samples, artifact.inputs[0])
    # The last batch is filled up with copies, which are cut off again.
    x = np.concatenate([x, np.repeat(x[-1:], -len(x) % batch, axis=0)])
    step = batch * max(1, _CALL_BYTES // (batch * _row_bytes(artifact))) if program.own else batch
    parts = [x[at : at + step] for at in range(0, len(x), step)]
    names = there.push(parts)
    blocks = []
    for number, (part, name) in enumerate(zip(parts, names, strict=True)):
        output = f"y{label}-{number}.bin"
        flags = there.flags(index, 1, (name, len(part)))
        flags |= {"num_runs": 1, "min_secs": 0, "warmup_runs": 0, "warmup_min_secs": 0, "output_filepath": output}
        if program.own:
            flags |= {"invocation_batch": batch, "max_secs": there.plan.timeout_s}
        kernels.add(program.run(flags, what=artifact.name).kernels)
        blocks.append(_pulled(there, artifact, output, len(part)))
    return np.concatenate(blocks)[: len(samples)], names


def _pulled(there: Deployment, artifact: Artifact, name: str, count: int) -> NDArray[Any]:
    spec = artifact.outputs[0]
    kind, width = np.dtype(spec.dtype).newbyteorder("<"), int(np.prod(spec.shape[1:]))
    content, expected = there.space.pull(name), count * width * kind.itemsize
    if len(content) != expected:
        raise TargetError(
            f"The outputs of {artifact.name} from {there.target} have {len(content):,} bytes; expected {expected:,} "
            f"for {count:,} samples."
        )
    return np.frombuffer(content, kind).reshape(count, width).astype(spec.dtype)


def _batch(artifact: Artifact) -> int:
    """Samples of one invocation."""
    fixed = artifact.inputs[0].shape[0]
    return fixed if fixed > 0 else BATCH


def _row_bytes(artifact: Artifact) -> int:
    spec = artifact.inputs[0]
    return int(np.prod(spec.shape[1:])) * np.dtype(spec.dtype).itemsize
