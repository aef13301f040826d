"""The only module that imports TensorFlow, tf_keras and tfmot, for compression and export only.

tfmot supports only Keras 2 (tf_keras): TF_USE_LEGACY_KERAS must be set before TensorFlow is imported, which frameworks.backend
does too, so that either may come first.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from itertools import chain
from types import SimpleNamespace
from typing import Any

from edgekit.quiet import importing


def tensorflow() -> Any:
    """TensorFlow, quiet."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    with importing():
        import tensorflow

    tensorflow.get_logger().setLevel("ERROR")
    # TF32 on a GPU is off by 1e-3: parity and the twin are checked to 1e-4 and 1e-5.
    tensorflow.config.experimental.enable_tensor_float_32_execution(False)
    return tensorflow


def tf_keras() -> Any:
    """Keras 2, the twin that tfmot works on."""
    tensorflow()
    with importing():
        import tf_keras

    return tf_keras


def tfmot() -> Any:
    """tensorflow-model-optimization; needs `distutils`, which setuptools provides on Python 3.12 and later."""
    tensorflow()
    with importing(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow_model_optimization
    return tensorflow_model_optimization


def quantizers() -> Any:
    """tfmot's module of quantizers."""
    tfmot()
    from tensorflow_model_optimization.python.core.quantization.keras import quantizers as module

    return module


def prune_preserve() -> Any:
    """tfmot's module of quantizers that keep zeros (its collaborative optimization of pruned networks, PQAT)."""
    tfmot()
    from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.prune_preserve import (
        prune_preserve_quantize_registry as module,
    )

    return module


def quantize_wrappers() -> SimpleNamespace:
    """tfmot's Wrapper of one layer, and its OutputConfig, which quantizes only a result."""
    tfmot()
    from tensorflow_model_optimization.python.core.quantization.keras import quantize_wrapper
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import default_8bit_quantize_configs

    return SimpleNamespace(
        Wrapper=quantize_wrapper.QuantizeWrapperV2,
        OutputConfig=default_8bit_quantize_configs.Default8BitOutputQuantizeConfig,
    )


def stream(batches: Iterator[tuple[Any, ...]]) -> Any:
    """A tf.data set of (x, y) or (x, y, weight) batches, read once, without autotuning (see frameworks.backend.stream)."""
    data = tensorflow().data
    options = data.Options()
    options.autotune.enabled = False
    first = next(batches)
    signature = tuple(tensorflow().TensorSpec((None, *array.shape[1:]), array.dtype) for array in first)
    whole = chain([first], batches)
    return data.Dataset.from_generator(lambda: whole, output_signature=signature).prefetch(2).with_options(options)
