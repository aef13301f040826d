"""Forms of a trained network: number formats, file formats, and bundles for apps."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.registry.entry import Entry

PRECISIONS: Mapping[str, Entry] = {
    "float32": Entry("", "no quantization"),
    "float16": Entry("", "float16 weights, float32 arithmetic on most CPUs"),
    "dynamic": Entry("", "int8 weights, float32 activations quantized on the fly"),
    "int8": Entry("", "full integer, per-channel weights, int8 input and output"),
    "int8-qat": Entry("", "int8 after quantization-aware fine-tuning"),
    "int16x8": Entry("", "int8 weights, int16 activations, float32 input and output"),
    "auto": Entry("", "int8, trying costlier methods until --max-drop is met on validation"),
}

FORMATS: Mapping[str, Entry] = {
    "tflite": Entry("", "LiteRT / TensorFlow Lite flatbuffer"),
    "onnx": Entry("", "ONNX of the float model, and of the int8 one"),
}

BUNDLES: Mapping[str, Entry] = {
    "android": Entry(
        "edgekit.bundle.android:files", "a Gradle module: Kotlin, LiteRT, TFLite metadata, instrumented test"
    ),
    "pi": Entry("edgekit.bundle.pi:files", "a Python package for Linux devices: numpy, LiteRT, camera, systemd unit"),
    "mcu": Entry("edgekit.bundle.mcu:files", "C arrays and glue for TensorFlow Lite Micro"),
    "onnx": Entry("edgekit.bundle.onnx:files", "a Python package for ONNX Runtime"),
}
