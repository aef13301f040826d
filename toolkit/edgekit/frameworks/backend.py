"""The only module that imports Keras 3: chooses the backend before the first import, seeds it, and reports its device."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import Any

from edgekit.errors import TrainingError
from edgekit.frameworks import layers
from edgekit.quiet import importing


def load(backend: str = "tensorflow") -> Any:
    """Import Keras 3 on `backend` ("tensorflow" or "jax") and return the module.

    Raises:
        TrainingError: this process already runs Keras on another backend.
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = backend
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        # tfmot (edgekit.frameworks.tf) needs tf.keras to be the Keras 2 twin; TensorFlow reads this when it is imported.
        os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    with importing():
        import keras

    if backend == "tensorflow":
        import logging

        # We use several networks in one process on purpose, but TensorFlow warns that functions are traced again.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if keras.backend.backend() != backend:
        raise TrainingError(
            f"Keras already runs on {keras.backend.backend()} in this process; {backend} needs its own."
        )
    # A .keras file with our custom layers can be read only if they are registered.
    layers.of(keras)
    return keras


def seed(keras: Any, value: int, *, deterministic: bool) -> None:
    """Seed Python, NumPy and the backend; with `deterministic`, repeated runs give the same weights.

    Layer names start from zero again, since a converted file contains them.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(value)
    if deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()


def stream(keras: Any, batches: Iterator[tuple[Any, ...]], example: tuple[Any, ...], batch_size: int) -> Any:
    """Input of `fit` for an endless iterator of (x, y) or (x, y, weight) batches of `batch_size` like `example`.

    On TensorFlow this is a tf.data pipeline without autotuning: Keras would create one with it, and destroying that waits, at
    random, for the autotuner's next period (docs/decisions/0002).
    """
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow

    signature = tuple(tensorflow.TensorSpec((None, *array.shape[1:]), array.dtype) for array in example)
    begun = iter([batches])
    if mirrored(keras):
        # Keras looks at a batch and starts over, which would lose what was read ahead: it gets copies of the example instead.
        begun = iter([repeat(tuple(array.repeat(batch_size, axis=0) for array in example)), batches])
    dataset = tensorflow.data.Dataset.from_generator(lambda: next(begun), output_signature=signature)
    if mirrored(keras):
        # Only batches created by tf.data itself are split among devices; others go to each as a whole.
        dataset = dataset.unbatch().batch(batch_size)
    return _without_autotuning(dataset.prefetch(2))


def in_batches(keras: Any, x: Any, y: Any, batch_size: int) -> Any:
    """Input of `fit` for validation arrays, batched; without autotuning, for the same reason as in `stream`."""
    if keras.backend.backend() != "tensorflow":
        return x, y
    import tensorflow

    return _without_autotuning(tensorflow.data.Dataset.from_tensor_slices((x, y)).batch(batch_size))


def batches_of(keras: Any, read: Callable[[int], tuple[Any, Any]], count: int) -> Any:
    """Input of `fit` for validation data that is read batch by batch, each time again: `read(i)` returns the i-th of `count`.

    Memory holds a few batches, whatever the number of samples.
    """
    if keras.backend.backend() != "tensorflow":

        class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # the base class is known at run time only
            def __len__(self) -> int:
                return count

            def __getitem__(self, index: int) -> tuple[Any, Any]:
                return read(index)

        return Batches()
    import tensorflow

    signature = tuple(tensorflow.TensorSpec((None, *array.shape[1:]), array.dtype) for array in read(0))
    dataset = tensorflow.data.Dataset.from_generator(lambda: map(read, range(count)), output_signature=signature)
    # Keras warns about data that end unexpectedly.
    counted = dataset.apply(tensorflow.data.experimental.assert_cardinality(count))
    return _without_autotuning(counted.prefetch(2))


def _without_autotuning(dataset: Any) -> Any:
    import tensorflow

    options = tensorflow.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def compiles(keras: Any, xla: str) -> bool:
    """Whether training uses XLA: "on", "off", or "auto" = everywhere except on TensorFlow's CPU.

    There XLA compiles for a long time and is no faster for our networks (benchmarks/training_throughput.py).
    """
    if keras.backend.backend() != "tensorflow":
        return xla != "off"
    return xla == "on" or (xla == "auto" and _sees_gpu(keras))


def precision(keras: Any, wanted: str, macs: int) -> str:
    """The number format to compute in, as requested; for "auto" the faster one for a network of `macs` per sample.

    bfloat16 is faster where a CPU has matrix units for it and the network is large enough to fill them
    (benchmarks/training_precision.py); a GPU has TF32 or its own choice, and was not measured.
    """
    if wanted != "auto":
        return wanted
    fits = keras.backend.backend() == "tensorflow" and not _sees_gpu(keras) and macs >= _BFLOAT16_MACS
    return "bfloat16" if fits and "amx_bf16" in _cpu_flags() else "float32"


@contextmanager
def computing(keras: Any, precision: str) -> Iterator[None]:
    """Networks built and trained inside compute in `precision`; their variables stay float32.

    On TensorFlow's CPU a graph rewrite does this transparently; elsewhere the network is built with Keras' mixed policy.
    """
    if precision == "float32":
        yield
    elif keras.backend.backend() == "tensorflow" and not _sees_gpu(keras):
        import tensorflow

        name = "auto_mixed_precision_onednn_bfloat16"
        tensorflow.config.optimizer.set_experimental_options({name: True})
        try:
            yield
        finally:
            tensorflow.config.optimizer.set_experimental_options({name: False})
    else:
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            yield
        finally:
            keras.config.set_dtype_policy(before)


@contextmanager
def exact_float32(keras: Any) -> Iterator[None]:
    """Products inside are true float32: a GPU would use TF32, which keeps 10 of the 23 bits of each factor."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        execution = tensorflow.config.experimental
        before = execution.tensor_float_32_execution_enabled()
        execution.enable_tensor_float_32_execution(False)
        try:
            yield
        finally:
            execution.enable_tensor_float_32_execution(before)
        return
    import jax

    with jax.default_matmul_precision("highest"):
        yield


_BFLOAT16_MACS = 6_000_000


def _cpu_flags() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return ""


def _sees_gpu(keras: Any) -> bool:
    return device(keras).startswith("GPU")


@contextmanager
def distributed(keras: Any) -> Iterator[int]:
    """Networks built and trained inside share each batch among all GPUs (or virtual devices) of the machine.

    Yields their number. TensorFlow mirrors the network (MirroredStrategy), JAX splits the batch (keras.distribution).
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        devices = tensorflow.config.list_logical_devices("GPU") or tensorflow.config.list_logical_devices("CPU")
        if len(devices) < 2:
            yield 1
            return
        with tensorflow.distribute.MirroredStrategy([each.name for each in devices]).scope():
            yield len(devices)
        return
    names = keras.distribution.list_devices()
    if len(names) < 2:
        yield 1
        return
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=names))
    try:
        yield len(names)
    finally:
        keras.distribution.set_distribution(before)


def mirrored(keras: Any) -> bool:
    """Whether this is inside `distributed` with several TensorFlow devices, where several steps in one call fail."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow

    return bool(tensorflow.distribute.has_strategy())


def device(keras: Any) -> str:
    """The training device: "GPU (name)" if the backend sees one, else "CPU (n cores)"."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        gpus = tensorflow.config.list_physical_devices("GPU")
        names = [tensorflow.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus]
    else:
        import jax

        names = [d.device_kind for d in jax.devices() if d.platform != "cpu"]
    return f"GPU ({names[0]})" if names else f"CPU ({available_cores()} cores)"


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
