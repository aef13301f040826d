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
    """A name's line in its table.

    path: "module:function". summary: one line. extra: the extra it needs, if any. The rest is for curation methods.
    needs: the signals it reads. variants: its forms, the default first. budget: "needed", "optional" or "none".
    subset: it chooses a set and not a ranking. member: it may vote in a consensus.
    on_validation: it trusts the validation labels. widths: of a network, the default first. from_file: its size is that of the
    file in student.backbone. weights: name of public weights (edgekit.students.public) -> the widths that have them, the first of
    which is the default where they are asked for.
    """

    path: str
    summary: str
    extra: str | None = None
    needs: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    budget: str = "optional"
    subset: bool = False
    member: bool = False
    on_validation: bool = False
    widths: tuple[str, ...] = ()
    from_file: bool = False
    weights: Mapping[str, tuple[str, ...]] = {}


STUDENTS: Mapping[str, Entry] = {
    "microresnet": Entry(
        "edgekit.students.architectures.microresnet:build",
        "residual network for 28x28 to 96x96, the default: about 18, 40, 100 or 300 KB as int8",
        widths=("s", "xs", "m", "l", "fast"),
    ),
    "conv8": Entry(
        "edgekit.students.architectures.conv8:build",
        "the IQR study's student: one 8-filter convolution, 21,898 parameters at 28x28x1",
    ),
    "rescnn": Entry(
        "edgekit.students.architectures.rescnn:build",
        "the light-CNN study's size: 6.6 M parameters, 25 MB as float32, for MNIST-like images",
    ),
    "resnet8": Entry(
        "edgekit.students.architectures.resnet8:build",
        "MLPerf Tiny's image network, for 32x32x3: to compare with published figures",
    ),
    "ds_cnn": Entry(
        "edgekit.students.architectures.ds_cnn:build",
        "MLPerf Tiny's keyword network of depthwise convolutions, for 49x10 spectrograms and small images",
    ),
    "mobilenetv2": Entry(
        "edgekit.students.architectures.mobilenetv2:build",
        "inverted residuals for 96x96 to 224x224",
        widths=("035", "025", "050", "035-1280", "050-1280"),
        weights={"imagenet": ("035-1280", "050-1280")},
    ),
    "audio_cnn": Entry(
        "edgekit.students.architectures.audio_cnn:build",
        "small residual network for spectrograms of a second or more: about 50 KB as int8",
    ),
    "ast_tiny": Entry(
        "edgekit.students.architectures.ast:build",
        "audio spectrogram transformer of four blocks, a position for each patch",
        widths=("s", "m"),
    ),
    "passt_tiny": Entry(
        "edgekit.students.architectures.passt:build",
        "the same with positions of time and frequency apart, trained on part of the patches (patchout)",
        widths=("s", "m"),
    ),
    "ast_or_passt": Entry(
        "edgekit.students.architectures.ast_or_passt:build",
        "AST or PaSST in the size of the public checkpoint that student.backbone names, .safetensors or .npz",
        from_file=True,
    ),
}
PUBLIC_WEIGHTS = tuple(dict.fromkeys(name for entry in STUDENTS.values() for name in entry.weights))

TEACHERS: Mapping[str, Entry] = {
    "cnn32-64": Entry(
        "edgekit.students.architectures.cnn32_64:build",
        "the IQR study's teacher: two convolutions and a 128-unit layer, 12 MMAC at 28x28x1",
    ),
    "microresnet": Entry(
        "edgekit.students.architectures.microresnet:build",
        "the default student's network: trains fast, for methods that need several networks",
        widths=("fast", "xs", "s", "m", "l"),
    ),
}

_METHODS = "edgekit.curation.methods"

CURATIONS: Mapping[str, Entry] = {
    "none": Entry(f"{_METHODS}.none:decide", "keep every sample"),
    "auto": Entry(f"{_METHODS}.none:decide", "pick by the noise estimate and validation evidence", needs=("folds",)),
    "random": Entry(f"{_METHODS}.random:decide", "drop --budget samples at random: the control", budget="needed"),
    "iqr": Entry(
        f"{_METHODS}.iqr:decide", "drop beyond Tukey's fences of the teacher's loss (IQR study)", needs=("teacher",)
    ),
    "quantile": Entry(
        f"{_METHODS}.quantile:decide", "drop the --budget samples of highest in-sample loss",
        needs=("teacher",), budget="needed",
    ),
    "self-confidence": Entry(
        f"{_METHODS}.self_confidence:decide", "out-of-fold probability of the given label: the default ranker",
        needs=("folds",), member=True,
    ),
    "margin": Entry(
        f"{_METHODS}.margin:decide", "out-of-fold probability of the label less the largest other one",
        needs=("folds",), member=True,
    ),
    "confident-learning": Entry(
        f"{_METHODS}.confident_learning:decide", "labels that the confident joint calls wrong; finds its own count",
        needs=("folds",), variants=("pbnr", "pbc", "both"), member=True,
    ),
    "aum": Entry(
        f"{_METHODS}.aum:decide", "mean logit margin over the epochs of one training",
        needs=("dynamics",), variants=("rank", "threshold"), member=True,
    ),
    "el2n": Entry(
        f"{_METHODS}.el2n:decide", "mean distance of early predictions from the label: difficulty",
        needs=("dynamics",), member=True,
    ),
    "forgetting": Entry(
        f"{_METHODS}.forgetting:decide", "how often a sample turned from right to wrong in training",
        needs=("dynamics",), member=True,
    ),
    "influence": Entry(
        f"{_METHODS}.tracin:decide", "head TracIn on validation: minimum over classes, or mean under --max-edit",
        needs=("folds",), variants=("auto",), on_validation=True,
    ),
    "tracin": Entry(
        f"{_METHODS}.tracin:decide", "head TracIn: on validation by class, its mean, or on the sample itself",
        needs=("folds",), variants=("min", "mean", "self"), member=True, on_validation=True,
    ),
    "influence-function": Entry(
        f"{_METHODS}.influence_function:decide", "influence with the head's inverse Hessian",
        needs=("folds",), variants=("kfac", "exact"), member=True, on_validation=True,
    ),
    "trak": Entry(
        f"{_METHODS}.trak:decide", "TRAK on an ensemble of heads", needs=("folds",), variants=("mean", "min"),
        member=True, on_validation=True,
    ),
    "knn-shapley": Entry(
        f"{_METHODS}.knn_shapley:decide", "Shapley value of each sample for a nearest-neighbor classifier",
        needs=("folds",), member=True, on_validation=True,
    ),
    "knn-agreement": Entry(
        f"{_METHODS}.knn_agreement:decide", "share of the nearest neighbors with the same label",
        needs=("folds",), member=True,
    ),
    "ccs": Entry(
        f"{_METHODS}.ccs:decide", "coverage-centric subset: leave out the hardest, cover the rest evenly",
        needs=("folds",), variants=("el2n", "aum"), budget="needed",
        subset=True,
    ),
    "glister": Entry(
        f"{_METHODS}.glister:decide", "greedy subset that lowers the validation loss of a head most",
        needs=("folds",), on_validation=True,
    ),
    "duplicates": Entry(
        f"{_METHODS}.duplicates:decide", "keep one of each group of exact or near duplicates", needs=("folds", "digests"),
        budget="none",
        subset=True
    ),
    "consensus": Entry(
        f"{_METHODS}.consensus:decide", "mean rank of several methods (--members)", needs=("folds",)
    ),
}  # fmt: skip

POOLS: Mapping[str, Entry] = {
    "random": Entry("edgekit.curation.pool.random:rank", "label at random: the control"),
    "entropy": Entry("edgekit.curation.pool.entropy:rank", "label where the teacher is least certain over all classes"),
    "margin": Entry("edgekit.curation.pool.margin:rank", "label where the teacher's two best classes are closest"),
    "k-center": Entry("edgekit.curation.pool.k_center:rank", "label what is farthest from everything labeled"),
    "badge": Entry("edgekit.curation.pool.badge:rank", "label uncertain samples that differ: k-means++ on gradients"),
    "influence-entropy": Entry(
        "edgekit.curation.pool.influence_entropy:rank", "label what is uncertain and would hurt some validation class"
    ),
}

SOURCES: Mapping[str, Entry] = {
    "fashion-mnist-mini": Entry(
        "edgekit.data.sources.fashion_mnist_mini:read",
        "10,000 + 2,000 real images that ship with edgekit (the default)",
    ),
    "fashion-mnist": Entry("edgekit.data.sources.fashion_mnist:read", "60,000 + 10,000 images, fetched when missing"),
    "mnist": Entry("edgekit.data.sources.mnist:read", "60,000 + 10,000 handwritten digits, fetched when missing"),
    "cifar10-jpeg": Entry(
        "edgekit.data.sources.cifar10_jpeg:read",
        "50,000 + 10,000 color images re-encoded as JPEG, from cifar10-jpg.tar in $EDGEKIT_DATA",
    ),
    "fsdd": Entry(
        "edgekit.data.sources.fsdd:read",
        "3,000 spoken digits of 6 speakers, from fsdd/recordings in $EDGEKIT_DATA",
        "audio",
    ),
    "idx": Entry("edgekit.data.sources.idx:read", "a folder with MNIST-style IDX files, gzip or not"),
    "npz": Entry("edgekit.data.sources.npz:read", "a .npz file with x_train, y_train, x_test, y_test"),
    "folder": Entry(
        "edgekit.data.sources.folder:read", "a folder of images or clips by class, with train/ and test/ or without"
    ),
    "csv": Entry("edgekit.data.sources.csv:read", "a CSV with label,pixel0,pixel1,... or path,label[,group][,split]"),
    "hf": Entry("edgekit.data.sources.hf:read", "hf:NAME, of the Hugging Face Hub, or hf:/local/folder", "hf"),
    "tfds": Entry(
        "edgekit.data.sources.tfds:read", "tfds:NAME of TensorFlow Datasets, or tfds:/prepared/folder", "tfds"
    ),
}

TARGETS: Mapping[str, Entry] = {
    "host": Entry("edgekit.bench.targets.host:connect", "this machine, in a fresh process without TensorFlow"),
    "ssh": Entry(
        "edgekit.bench.targets.ssh:connect", "ssh://[user@]host[:port]: a Raspberry Pi or another Linux device"
    ),
    "adb": Entry("edgekit.bench.targets.adb:connect", "adb[:SERIAL]: an Android device, with a native runner"),
}

PRECISIONS: Mapping[str, Entry] = {
    "float32": Entry("edgekit.export.tflite:convert", "no quantization"),
    "float16": Entry("edgekit.export.tflite:convert", "float16 weights, float32 arithmetic on most CPUs"),
    "dynamic": Entry("edgekit.export.tflite:convert", "int8 weights, float32 activations quantized on the fly"),
    "int8": Entry("edgekit.export.tflite:convert", "full integer, per-channel weights, int8 input and output"),
    "int8-qat": Entry("edgekit.compression.qat:quantize_aware", "int8 after quantization-aware fine-tuning"),
    "int16x8": Entry("edgekit.export.tflite:convert", "int8 weights, int16 activations, float32 input and output"),
    "auto": Entry("edgekit.ladder:climb", "int8, climbing to costlier ways until --max-drop holds on validation"),
}

FORMATS: Mapping[str, Entry] = {
    "tflite": Entry("edgekit.export.tflite:convert", "LiteRT / TensorFlow Lite flatbuffer"),
    "onnx": Entry("edgekit.export.onnx:convert", "ONNX of the float model, and of the int8 one"),
}

BACKENDS: Mapping[str, Entry] = {
    "tensorflow": Entry("edgekit.backend:load", "the default; the GPU is used when TensorFlow sees one"),
    "jax": Entry("edgekit.backend:load", "trains where TensorFlow cannot be imported", "jax"),
}

BUNDLES: Mapping[str, Entry] = {
    "android": Entry(
        "edgekit.bundle.android:files", "a Gradle module: Kotlin, LiteRT, TFLite metadata, instrumented test"
    ),
    "pi": Entry("edgekit.bundle.pi:files", "a Python package for Linux devices: numpy, LiteRT, camera, systemd unit"),
    "mcu": Entry("edgekit.bundle.mcu:files", "C arrays and glue for TensorFlow Lite Micro"),
    "onnx": Entry("edgekit.bundle.onnx:files", "a Python package for ONNX Runtime"),
}

TABLES: Mapping[str, tuple[str, Mapping[str, Entry]]] = {
    "students": ("student", STUDENTS),
    "teachers": ("teacher", TEACHERS),
    "curations": ("curation method", CURATIONS),
    "pools": ("pool strategy", POOLS),
    "sources": ("data source", SOURCES),
    "targets": ("target", TARGETS),
    "precisions": ("precision", PRECISIONS),
    "formats": ("format", FORMATS),
    "backends": ("backend", BACKENDS),
    "bundles": ("bundle", BUNDLES),
}

_PACKAGE_OF_EXTRA = {"audio": "soundfile", "jax": "jax", "hf": "datasets", "tfds": "tensorflow_datasets"}


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
