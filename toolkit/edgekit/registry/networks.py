"""Networks, and the frameworks that train them."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.registry.entry import Entry

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
        "MLPerf Tiny's image network, for 32x32x3: for comparison with published figures",
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
        "audio spectrogram transformer of four blocks, one position per patch",
        widths=("s", "m"),
    ),
    "passt_tiny": Entry(
        "edgekit.students.architectures.passt:build",
        "the same with separate positions of time and frequency, trained on part of the patches (patchout)",
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
    "conv8": Entry(
        "edgekit.students.architectures.conv8:build",
        "one 8-filter convolution: trains in seconds, for a quick trial",
    ),
}

BACKENDS: Mapping[str, Entry] = {
    "tensorflow": Entry("", "the default; uses the GPU if TensorFlow detects one"),
    "jax": Entry("", "trains without importing TensorFlow", "jax"),
}
