"""TFLite metadata inside a .tflite: what the task libraries (MediaPipe, LiteRT support) read from a file.

A separate flatbuffer (tflite-support's metadata_schema.fbs, identifier M001) is stored in a buffer named by the entry
TFLITE_METADATA; labels.txt is packed as a ZIP archive after the model, whose readers find it from the end.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from flatbuffers import number_types

from edgekit.errors import ExportError
from edgekit.export.flatbuffer import SharingBuilder

NAME = b"TFLITE_METADATA"
LABELS = "labels.txt"
_IDENTIFIER, _MODEL = b"M001", b"TFL3"
_TENSOR_AXIS_LABELS = 2
_IMAGE, _AUDIO = 2, 4  # of the union ContentProperties
_NORMALIZATION = 1  # of the union ProcessUnitOptions
_RGB, _GRAYSCALE = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TfliteMetadata:
    """What is embedded. classes: K names in the order of the outputs.

    image: (H, W, C), whose pixels in 0..255 become (pixel - mean) / std; None = the input is a waveform of `sample_rate` Hz.
    """

    name: str
    description: str
    classes: Sequence[str]
    license: str
    image: tuple[int, int, int] | None
    mean: float = 0.0
    std: float = 255.0
    sample_rate: int = 0


def embedded(content: bytes, metadata: TfliteMetadata) -> bytes:
    """The .tflite with `metadata` inside; its operators and constants are unchanged.

    Raises:
        ExportError: `content` is not a .tflite, keeps its data after the flatbuffer, or already has metadata.
    """
    from ai_edge_litert import schema_py_generated as schema

    if content[4:8] != _MODEL:
        raise ExportError("Metadata can only be added to a .tflite, and this is not one (no TFL3 identifier).")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    if any(buffer.offset > 1 for buffer in model.buffers):
        raise ExportError("A .tflite whose data is stored after its flatbuffer cannot take metadata.")
    if any(each.name == NAME for each in model.metadata or []):
        raise ExportError("The .tflite already contains metadata of the task libraries.")
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(_metadata(metadata), np.uint8)
    model.buffers.append(buffer)
    entry.name, entry.buffer = NAME, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    builder = SharingBuilder(len(content))
    builder.Finish(model.Pack(builder), _MODEL)
    return _with_files(bytes(builder.Output()), {LABELS: "".join(f"{name}\n" for name in metadata.classes).encode()})


def _with_files(content: bytes, files: Mapping[str, bytes]) -> bytes:
    """A ZIP archive after the content, uncompressed, always with the same date, so that equal files have equal bytes."""
    whole = io.BytesIO(content)
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_STORED) as archive:
        for name, inside in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), inside)
    return whole.getvalue()


def _metadata(metadata: TfliteMetadata) -> bytes:
    builder = flatbuffers.Builder(1024)
    text = builder.CreateString
    labels = _table(
        builder,
        5,
        {0: text(LABELS), 1: text("One class name per line, in the order of the outputs.")},
        {2: _TENSOR_AXIS_LABELS},
    )
    given = text("image" if metadata.image else "audio_clip")
    means = "An image." if metadata.image else f"A mono waveform of {metadata.sample_rate} Hz, amplitudes in [-1, 1]."
    tensor = _table(builder, 7, {0: given, 1: text(means), 3: _content(builder, metadata), **_units(builder, metadata)})
    result = _table(builder, 7, {0: text("score"), 1: text("One score for each class."), 6: _tables(builder, [labels])})
    graph = _table(builder, 10, {2: _tables(builder, [tensor]), 3: _tables(builder, [result])})
    root = _table(
        builder,
        8,
        {
            0: text(metadata.name),
            1: text(metadata.description),
            3: _tables(builder, [graph]),
            5: text(metadata.license),
            # The first parser that knows the fields written: those of audio came with 1.3.0.
            7: text("1.0.0" if metadata.image else "1.3.0"),
        },
    )
    builder.Finish(root, _IDENTIFIER)
    return bytes(builder.Output())


def _content(builder: Any, metadata: TfliteMetadata) -> int:
    if metadata.image is None:
        kind, properties = _AUDIO, _table(builder, 2, {}, {}, {0: metadata.sample_rate, 1: 1})
    else:
        height, width, channels = metadata.image
        size = _table(builder, 2, {}, {}, {0: width, 1: height})
        kind, properties = _IMAGE, _table(builder, 2, {1: size}, {0: _RGB if channels == 3 else _GRAYSCALE})
    return _table(builder, 3, {1: properties}, {0: kind})


def _units(builder: Any, metadata: TfliteMetadata) -> dict[int, int]:
    """The normalization of an image, as the slot of its tensor; a waveform is not normalized."""
    if metadata.image is None:
        return {}
    mean, std = (builder.CreateNumpyVector(np.array([each], np.float32)) for each in (metadata.mean, metadata.std))
    unit = _table(builder, 2, {1: _table(builder, 2, {0: mean, 1: std})}, {0: _NORMALIZATION})
    return {4: _tables(builder, [unit])}


def _table(
    builder: Any,
    slots: int,
    offsets: Mapping[int, int],
    small: Mapping[int, int] | None = None,
    numbers: Mapping[int, int] | None = None,
) -> int:
    """A table: offsets of what was written before, bytes (enums and kinds of unions), and 32-bit numbers by their slots."""
    builder.StartObject(slots)
    for slot, value in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    for slot, value in (numbers or {}).items():
        builder.PrependSlot(number_types.Uint32Flags, slot, value, 0)
    for slot, value in (small or {}).items():
        builder.PrependSlot(number_types.Uint8Flags, slot, value, 0)
    return int(builder.EndObject())


def _tables(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
