"""Lossless shrinking of a .tflite: leave out what no runtime reads, and write every value once.

Left out: names of inner tensors, ranges observed in calibration (min, max), the converter's notes, unused operator codes and
buffers. Shared: equal constants, vectors, options. Kept: operators and their order, inputs, outputs, signatures, all other
metadata (labels), custom options, the alignment of buffers. The operators see the same numbers, so the outputs are bit for bit
the same; the export stage checks that on real samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import ExportError
from edgekit.export.flatbuffer import SharingBuilder, plain

_IDENTIFIER = b"TFL3"
# What the converter records for people and tools. Everything else under `metadata` may belong to an app.
_NOTES = (b"min_runtime_version", b"CONVERSION_METADATA")
# Offsets of a flatbuffer have 31 bits; a larger file keeps its data after the flatbuffer.
_MOST_BYTES = 2**31 - 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """A shrunk file and its size before, in bytes."""

    content: bytes
    bytes_before: int

    @property
    def bytes_after(self) -> int:
        return len(self.content)

    @property
    def saved(self) -> float:
        """The share of bytes removed, in [0, 1]."""
        return 1 - self.bytes_after / self.bytes_before


def shrink(content: bytes) -> bytes:
    """The smaller file, or `content` itself if nothing can be saved; its outputs are bit for bit the same.

    Raises:
        ExportError: `content` is not a .tflite, or the result does not read back as intended.
    """
    return shrunk(content).content


def shrunk(content: bytes) -> Shrunk:
    """`shrink`, with the sizes; raises the same errors."""
    if content[4:8] != _IDENTIFIER:
        raise ExportError("The file to shrink is not a .tflite file (no TFL3 identifier).")
    if len(content) > _MOST_BYTES:
        return Shrunk(content=content, bytes_before=len(content))
    model = _parse(content)
    _inline_large(model, content)
    for graph in model.subgraphs:
        named = _tensors_with_names(model, graph)
        for index, tensor in enumerate(graph.tensors):
            _strip(tensor, keep_name=index in named)
    model.description = None
    model.metadata = [each for each in model.metadata or [] if each.name not in _NOTES] or None
    _only_used_codes(model)
    _only_used_buffers(model)
    builder = SharingBuilder(len(content))
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    result = bytes(builder.Output())
    if plain(_parse(result)) != plain(_parse_packed_plainly(model)):
        raise ExportError("The shrunk .tflite does not read back as written; set quantization.shrink=false.")
    return Shrunk(content=min(content, result, key=len), bytes_before=len(content))


def _parse(content: bytes) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def _parse_packed_plainly(model: Any) -> Any:
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return _parse(bytes(builder.Output()))


def _inline_large(model: Any, content: bytes) -> None:
    """Move data stored after the flatbuffer (by offset and size) into it."""
    for buffer in model.buffers:
        if buffer.offset > 1:  # 0 and 1 mean none
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    for graph in model.subgraphs:
        for operator in graph.operators:
            if operator.largeCustomOptionsOffset > 1:
                size, offset = operator.largeCustomOptionsSize, operator.largeCustomOptionsOffset
                operator.customOptions = np.frombuffer(content, np.uint8, size, offset)
                operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0


def _tensors_with_names(model: Any, graph: Any) -> set[int]:
    named = {int(i) for i in (*graph.inputs, *graph.outputs)}
    for signature in model.signatureDefs or []:
        if model.subgraphs[signature.subgraphIndex] is graph:
            named |= {each.tensorIndex for each in (*signature.inputs, *signature.outputs)}
    return named


def _strip(tensor: Any, *, keep_name: bool) -> None:
    if not keep_name:
        tensor.name = None
    quantization = tensor.quantization
    if quantization is not None:
        quantization.min = quantization.max = None
        # Without a scale a tensor is not quantized, whatever else the table contains; a custom form of it stays.
        if (quantization.scale is None or not len(quantization.scale)) and quantization.details is None:
            tensor.quantization = None


def _only_used_codes(model: Any) -> None:
    operators = [operator for graph in model.subgraphs for operator in graph.operators]
    used = sorted({operator.opcodeIndex for operator in operators})
    new = {old: number for number, old in enumerate(used)}
    for operator in operators:
        operator.opcodeIndex = new[operator.opcodeIndex]
    model.operatorCodes = [model.operatorCodes[old] for old in used]


def _only_used_buffers(model: Any) -> None:
    """Renumber the buffers: 0 is the empty one, by convention, and equal contents are one buffer."""
    from ai_edge_litert import schema_py_generated as schema

    kept, new = [schema.BufferT()], {}

    def place(old: int) -> int:
        data: NDArray[np.uint8] | None = model.buffers[old].data
        if data is None:
            return 0
        # An empty vector is a constant of no elements, which differs from no data.
        content = bytes(data)
        if content not in new:
            new[content] = len(kept)
            kept.append(model.buffers[old])
        return new[content]

    for owner in _buffer_owners(model):
        owner.buffer = place(owner.buffer)
    if model.metadataBuffer is not None:
        model.metadataBuffer = np.array([place(int(i)) for i in model.metadataBuffer], np.int32)
    model.buffers = kept


def _buffer_owners(model: Any) -> Iterator[Any]:
    for graph in model.subgraphs:
        yield from graph.tensors
    yield from model.metadata or []
