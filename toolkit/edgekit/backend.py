"""The one doorway to Keras 3: chooses the backend before the first import, seeds it, and tells what device it trains on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from edgekit.errors import TrainingError
from edgekit.quiet import importing


def load(backend: str = "tensorflow") -> Any:
    """Import Keras 3 on `backend` ("tensorflow" or "jax") and return the module.

    Raises:
        TrainingError: this process already runs Keras on another backend.
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = backend
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        # tfmot (edgekit.tf) needs tf.keras to be the Keras 2 twin; TensorFlow reads this when it is imported.
        os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    with importing():
        import keras

    if backend == "tensorflow":
        import logging

        # Several networks in one process are our design, yet TensorFlow warns that functions are traced again.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if keras.backend.backend() != backend:
        raise TrainingError(
            f"Keras already runs on {keras.backend.backend()} in this process; {backend} needs its own."
        )
    return keras


def seed(keras: Any, value: int, *, deterministic: bool) -> None:
    """Seed Python, NumPy and the backend; with `deterministic`, the same weights come out twice.

    Layer names start from zero again, since a converted file holds them.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(value)
    if deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()


def stream(keras: Any, batches: Iterator[tuple[Any, ...]], example: tuple[Any, ...]) -> Any:
    """What `fit` takes for an endless iterator of (x, y) or (x, y, weight) batches like `example`.

    On TensorFlow this is a tf.data pipeline without autotuning: Keras would make one with it, and destroying that waits, at
    random, for the autotuner's next period (docs/decisions/0002).
    """
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow

    signature = tuple(tensorflow.TensorSpec((None, *array.shape[1:]), array.dtype) for array in example)
    return _without_autotuning(
        tensorflow.data.Dataset.from_generator(lambda: batches, output_signature=signature).prefetch(2)
    )


def in_batches(keras: Any, x: Any, y: Any, batch_size: int) -> Any:
    """What `fit` takes for validation arrays, batched; without autotuning, for the reason `stream` gives."""
    if keras.backend.backend() != "tensorflow":
        return x, y
    import tensorflow

    return _without_autotuning(tensorflow.data.Dataset.from_tensor_slices((x, y)).batch(batch_size))


def batches_of(keras: Any, read: Callable[[int], tuple[Any, Any]], count: int) -> Any:
    """What `fit` takes for validation data that is read batch by batch, each time anew: `read(i)` gives the i-th of `count`.

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
    # Keras warns of data that end unannounced.
    counted = dataset.apply(tensorflow.data.experimental.assert_cardinality(count))
    return _without_autotuning(counted.prefetch(2))


def _without_autotuning(dataset: Any) -> Any:
    import tensorflow

    options = tensorflow.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def device(keras: Any) -> str:
    """What trains: "GPU (name)" when the backend sees one, else "CPU (n cores)"."""
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
