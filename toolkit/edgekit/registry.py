"""Every table of the program: name -> Entry(path, summary, extra). One line here adds a method, student, source or target.

`edgekit list`, `--help`, the recipe's validation and the architecture tests all read these tables; `load` imports the
module behind a name on first use, so that listing names costs nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from edgekit.errors import MissingExtra, UnknownName


class Entry(NamedTuple):
    """Where a name lives ("module:function"), what it is in one line, the extra it needs, and the signal it reads, if any."""

    path: str
    summary: str
    extra: str | None = None
    needs: str | None = None


STUDENTS: Mapping[str, Entry] = {
    "microresnet": Entry(
        "edgekit.students.architectures.microresnet:build",
        "batch-normalized residual network, the default: under 40 KB as int8",
    ),
    "conv8": Entry(
        "edgekit.students.architectures.conv8:build",
        "the IQR study's student: one 8-filter convolution, 21,898 parameters at 28x28x1",
    ),
}

TEACHERS: Mapping[str, Entry] = {
    "cnn32-64": Entry(
        "edgekit.students.architectures.cnn32_64:build",
        "the IQR study's teacher: two convolutions and a 128-unit layer, 12 MMAC at 28x28x1",
    ),
}

CURATIONS: Mapping[str, Entry] = {
    "none": Entry("edgekit.curation.methods.none:decide", "keep every sample"),
    "iqr": Entry(
        "edgekit.curation.methods.iqr:decide",
        "drop samples beyond Tukey's fences of the teacher's loss",
        needs="teacher",
    ),
    "random": Entry("edgekit.curation.methods.random:decide", "drop --budget samples at random: the control"),
}

SOURCES: Mapping[str, Entry] = {
    "fashion-mnist-mini": Entry(
        "edgekit.data.sources.fashion_mnist_mini:read",
        "10,000 + 2,000 real images that ship with edgekit (the default)",
    ),
    "fashion-mnist": Entry("edgekit.data.sources.fashion_mnist:read", "60,000 + 10,000 images, fetched when missing"),
    "mnist": Entry("edgekit.data.sources.mnist:read", "60,000 + 10,000 handwritten digits, fetched when missing"),
    "idx": Entry("edgekit.data.sources.idx:read", "a folder with MNIST-style IDX files, gzip or not"),
    "npz": Entry("edgekit.data.sources.npz:read", "a .npz file with x_train, y_train, x_test, y_test"),
}

TARGETS: Mapping[str, Entry] = {
    "host": Entry("edgekit.bench.targets.host:measure", "this machine, in a fresh process without TensorFlow"),
}

PRECISIONS: Mapping[str, Entry] = {
    "float32": Entry("edgekit.export.tflite:convert", "no quantization"),
    "float16": Entry("edgekit.export.tflite:convert", "float16 weights, float32 arithmetic on most CPUs"),
    "dynamic": Entry("edgekit.export.tflite:convert", "int8 weights, float32 activations quantized on the fly"),
    "int8": Entry("edgekit.export.tflite:convert", "full integer, per-channel weights, int8 input and output"),
}

FORMATS: Mapping[str, Entry] = {
    "tflite": Entry("edgekit.export.tflite:convert", "LiteRT / TensorFlow Lite flatbuffer"),
    "onnx": Entry("edgekit.export.onnx:convert", "ONNX of the float model"),
}

BACKENDS: Mapping[str, Entry] = {
    "tensorflow": Entry("edgekit.backend:load", "the default; the GPU is used when TensorFlow sees one"),
    "jax": Entry("edgekit.backend:load", "trains where TensorFlow cannot be imported", "jax"),
}

TABLES: Mapping[str, tuple[str, Mapping[str, Entry]]] = {
    "students": ("student", STUDENTS),
    "teachers": ("teacher", TEACHERS),
    "curations": ("curation method", CURATIONS),
    "sources": ("data source", SOURCES),
    "targets": ("target", TARGETS),
    "precisions": ("precision", PRECISIONS),
    "formats": ("format", FORMATS),
    "backends": ("backend", BACKENDS),
}

_PACKAGE_OF_EXTRA = {"jax": "jax"}


def check(table: str, name: str) -> Entry:
    """Return the entry of `name` in TABLES[table].

    Raises:
        UnknownName: the table has no such name; the message holds the closest one.
        MissingExtra: the entry needs an extra that is not installed.
    """
    what, entries = TABLES[table]
    if name not in entries:
        raise UnknownName(what, name, entries)
    entry = entries[name]
    if entry.extra and importlib.util.find_spec(_PACKAGE_OF_EXTRA[entry.extra]) is None:
        raise MissingExtra(f"{what.capitalize()} {name!r}", entry.extra)
    return entry


def load(table: str, name: str) -> Callable[..., Any]:
    """Import and return the function behind `name`; raises as `check` does."""
    module, _, function = check(table, name).path.partition(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return loaded
