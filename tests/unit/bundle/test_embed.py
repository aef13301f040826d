"""TFLite metadata, read back as any tool does: the flatbuffer by its slots, the labels as a ZIP archive at the end."""

import io
import zipfile

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import number_types as types
from flatbuffers.table import Table
from tests.conftest import REPOSITORY

from edgekit.bundle.embed import TfliteMetadata, embedded
from edgekit.bundle.running import raw
from edgekit.errors import ExportError

MODEL = REPOSITORY / "models" / "fashion-mnist-s-int8" / "model_int8.tflite"
CLASSES = ["T-shirt/top", "Größe", "c"]


def metadata(**changed):
    values = {"name": "shoes", "description": "d", "classes": CLASSES, "license": "MIT", "image": (28, 14, 1)}
    return TfliteMetadata(**values | changed)


class Read:
    """A table of the metadata flatbuffer."""

    def __init__(self, content, position):
        self.table = Table(content, position)

    def _at(self, slot):
        return self.table.Offset(4 + 2 * slot)

    def text(self, slot):
        return self.table.String(self._at(slot) + self.table.Pos).decode()

    def number(self, slot, flags):
        return self.table.Get(flags, self._at(slot) + self.table.Pos) if self._at(slot) else 0

    def inner(self, slot):
        return Read(self.table.Bytes, self.table.Indirect(self._at(slot) + self.table.Pos))

    def each(self, slot):
        start, count = self.table.Vector(self._at(slot)), self.table.VectorLen(self._at(slot))
        return [Read(self.table.Bytes, self.table.Indirect(start + 4 * i)) for i in range(count)]

    def floats(self, slot):
        return self.table.GetVectorAsNumpy(types.Float32Flags, self._at(slot)).tolist()

    def has(self, slot):
        return bool(self._at(slot))


def metadata_of(content):
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    (entry,) = (each for each in model.metadata if each.name == b"TFLITE_METADATA")
    inside = bytearray(bytes(model.buffers[entry.buffer].data))
    assert inside[4:8] == b"M001"
    return Read(inside, flatbuffers.encode.Get(flatbuffers.packer.uoffset, inside, 0))


def test_labels_and_normalization_are_read_back():
    content = embedded(MODEL.read_bytes(), metadata())
    root = metadata_of(content)
    assert (root.text(0), root.text(1), root.text(5), root.text(7)) == ("shoes", "d", "MIT", "1.0.0")
    (graph,) = root.each(3)
    (given,), (result,) = graph.each(2), graph.each(3)
    image = given.inner(3)
    assert image.number(0, types.Uint8Flags) == 2, "ImageProperties"
    assert image.inner(1).number(0, types.Uint8Flags) == 2, "grayscale"
    size = image.inner(1).inner(1)
    assert (size.number(0, types.Uint32Flags), size.number(1, types.Uint32Flags)) == (14, 28), "width, height"
    (unit,) = given.each(4)
    assert unit.number(0, types.Uint8Flags) == 1, "NormalizationOptions"
    assert (unit.inner(1).floats(0), unit.inner(1).floats(1)) == ([0.0], [255.0])
    (file,) = result.each(6)
    assert (file.text(0), file.number(2, types.Uint8Flags)) == ("labels.txt", 2)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("labels.txt").decode().splitlines() == CLASSES


def test_a_waveform_has_a_rate_and_no_normalization():
    root = metadata_of(embedded(MODEL.read_bytes(), metadata(image=None, sample_rate=8000)))
    (given,) = root.each(3)[0].each(2)
    assert given.inner(3).number(0, types.Uint8Flags) == 4, "AudioProperties"
    sound = given.inner(3).inner(1)
    assert (sound.number(0, types.Uint32Flags), sound.number(1, types.Uint32Flags)) == (8000, 1)
    assert not given.has(4)
    assert root.text(7) == "1.3.0"


def test_the_file_computes_the_same_bits_and_is_the_same_each_time(tmp_path):
    content = embedded(MODEL.read_bytes(), metadata())
    (tmp_path / "model.tflite").write_bytes(content)
    tensors = np.random.default_rng(0).integers(-128, 128, (8, 28, 28, 1), dtype=np.int8)
    np.testing.assert_array_equal(raw(tmp_path / "model.tflite", tensors), raw(MODEL, tensors))
    assert embedded(MODEL.read_bytes(), metadata()) == content


def test_what_is_no_tflite_or_has_metadata_is_refused():
    with pytest.raises(ExportError, match="no TFL3"):
        embedded(b"x" * 100, metadata())
    with pytest.raises(ExportError, match="already"):
        embedded(embedded(MODEL.read_bytes(), metadata()), metadata())
