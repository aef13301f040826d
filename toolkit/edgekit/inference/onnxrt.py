"""Running an .onnx on arrays through ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.pixels import to_float
from edgekit.errors import DataError, IntegrityError
from edgekit.evidence import temperature
from edgekit.inference.litert import cores, first_line
from edgekit.runs import recorded
from edgekit.types import Images, Output, TensorSpec

_BATCH = 256


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    options.log_severity_level = 4
    try:
        external(path)
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except IntegrityError:
        raise
    except Exception as error:  # the types of ONNX Runtime and protobuf have no common base
        raise DataError(f"{path} is not an .onnx that ONNX Runtime can run: {first_line(error)}") from None
    if any(value.type != "tensor(float)" for value in (*session.get_inputs(), *session.get_outputs())):
        raise DataError(f"{path} has inputs or outputs that are not float32, which edgekit does not support.")
    return session


def external(path: Path) -> tuple[Path, ...]:
    """The other files that hold weights of an .onnx, as PyTorch's exporter writes them.

    Raises:
        IntegrityError: one is not below the folder of the .onnx: ONNX Runtime 1.23 reads any file that an .onnx names.
    """
    # The key of such a name. Parsing every file would cost more than running it.
    if not path.is_file() or b"location" not in path.read_bytes():
        return ()
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    entries = [
        entry
        for tensor in _tensors((model.graph, *model.functions))
        for entry in tensor.external_data
        if entry.key == "location"
    ]
    return tuple(dict.fromkeys(recorded.inside(path.parent, entry.value, path) for entry in entries))


def whole(path: Path) -> bytes:
    """An .onnx as one file, its weights in it.

    Raises:
        DataError: it has weights in other files, and one file cannot hold them (2 GB at most).
    """
    if not external(path):
        return path.read_bytes()
    import onnx

    try:
        content: bytes = onnx.load(str(path)).SerializeToString()
    except (ValueError, OSError) as error:
        raise DataError(f"{path} and its weights do not fit into one .onnx: {error}") from None
    return content


def _tensors(graphs: Iterable[Any]) -> Iterator[Any]:
    """The tensors of graphs or functions, including those in attributes of their nodes and in nested graphs."""
    for graph in graphs:
        yield from getattr(graph, "initializer", ())
        for sparse in getattr(graph, "sparse_initializer", ()):
            yield from (sparse.values, sparse.indices)
        for attribute in (each for node in graph.node for each in node.attribute):
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            yield from _tensors((attribute.g, *attribute.graphs))


def describe(path: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """(inputs, outputs) of an .onnx; a dynamic dimension is -1."""
    session = _session(path)

    def spec(value: Any) -> TensorSpec:
        shape = tuple(n if isinstance(n, int) and n > 0 else -1 for n in value.shape)
        return TensorSpec(name=value.name, dtype="float32", shape=shape, scale=0.0, zero_point=0)

    return tuple(map(spec, session.get_inputs())), tuple(map(spec, session.get_outputs()))


def probabilities(path: Path, x: Images, *, output: Output = "probabilities") -> NDArray[np.float32]:
    """(N, K) float32 probabilities; output: the kind of the file's output."""
    return temperature.probabilities(outputs(path, x), output).astype(np.float32, copy=False)


def outputs(path: Path, x: Images) -> NDArray[np.float32]:
    """(N, H, W, C) uint8 pixels or float32 in [0, 1] -> (N, K) float32, in the units of the file's own output."""
    session = _session(path)
    given = session.get_inputs()[0]
    name, batch = given.name, given.shape[0] if isinstance(given.shape[0], int) else _BATCH
    fixed, count = isinstance(given.shape[0], int), len(x)
    blocks = []
    for start in range(0, count, batch):
        block = to_float(x[start : start + batch])
        if fixed:  # a file from elsewhere: the last batch is padded with copies
            block = np.concatenate([block, *[block[-1:]] * (batch - len(block))])
        try:
            blocks.append(session.run(None, {name: block})[0])
        except Exception as error:  # the types of ONNX Runtime have no common base
            raise DataError(f"{path} does not run on inputs of {block.shape}: {first_line(error)}") from None
    return np.concatenate(blocks)[:count]


def sparsity(path: Path) -> float:
    """The share of zeros among the initializers of two or more dimensions (kernels); int8 kernels have their zero at 0."""
    import onnx
    from onnx import numpy_helper

    kernels = [
        numpy_helper.to_array(tensor)
        for tensor in onnx.load(str(path)).graph.initializer
        if len(tensor.dims) >= 2 and tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.INT8)
    ]
    total = sum(k.size for k in kernels)
    return float(sum((k == 0).sum() for k in kernels) / total) if total else 0.0
