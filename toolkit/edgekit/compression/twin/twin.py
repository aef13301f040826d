"""A tf_keras twin of a model: the same graph with nested models opened, layer by layer, with the same weights.

tfmot rewrites only flat tf_keras models. The twin is built by walking the functional graph, and its outputs are compared with
the original's before anything else is done with it. Preprocessing layers appear in their inference form, random augmentation not
at all; activations whose meaning changed between Keras 2 and 3 are expressed in layers that mean the same in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.compression.twin.graph import Call, Graph, walk
from edgekit.compression.twin.lowering import Spec, lower
from edgekit.errors import ExportError
from edgekit.frameworks import tf

# Both compute float32 sums in a different order, and each layer with weights rounds again: about 1e-6 for each of them.
_PER_LAYER, _LEAST, _MOST = 1e-6, 1e-5, 1e-4
_HALF = 2e-2  # a float16 or bfloat16 model against its float32 twin
_SAMPLES = 8


def twin(model: Any) -> Any:
    """Build the flat tf_keras twin of a functional or Sequential model of Keras 3 or tf_keras, weights copied.

    Returns:
        A tf_keras.Model whose layers keep their names (prefixed with a nested model's name if taken), with outputs that
        differ by at most `tolerance(model)` of the largest output.

    Raises:
        ExportError: layers have no twin (all are named, each with the reason), or the outputs differ.
    """
    graph = walk(model)
    specs, refused = _lowered(graph)
    if refused:
        listed = "; ".join(refused)
        raise ExportError(
            f"{len(refused)} layer(s) of {model.name!r} have no tf_keras twin, which pruning and quantization-aware training "
            f"need: {listed}. Compress without them (--quantize int8 needs no twin)."
        )
    copy = _build(graph, specs)
    copy_weights(model, copy)
    _same_outputs(model, copy, tolerance(model))
    return copy


def tolerance(model: Any) -> float:
    """The largest difference of a twin's outputs, as a share of the largest output: 1e-5, and up to 1e-4 for deep models."""
    weighted = [layer for layer in walk(model).layers.values() if _has_weights(layer)]
    if any(np.dtype(_compute_dtype(layer)).itemsize < 4 for layer in weighted):
        return _HALF
    return min(max(_LEAST, _PER_LAYER * len(weighted)), _MOST)


def originals(model: Any) -> Mapping[str, Any]:
    """name in the twin -> layer of `model`."""
    return walk(model).layers


def copy_weights(source: Any, target: Any) -> None:
    """Set the weights of `target` from `source`, where one of them is the twin of the other."""
    theirs, ours = originals(source), originals(target)
    for name in theirs.keys() & ours.keys():
        if _has_weights(ours[name]) and _has_weights(theirs[name]):
            ours[name].set_weights(theirs[name].get_weights())


def _has_weights(layer: Any) -> bool:
    return bool(getattr(layer, "weights", ()))  # an operation between layers has none


def _compute_dtype(layer: Any) -> str:
    dtype = str(layer.compute_dtype)
    return "float16" if dtype == "bfloat16" else dtype


def _lowered(graph: Graph) -> tuple[dict[str, list[Spec]], list[str]]:
    specs: dict[str, list[Spec]] = {}
    refused: dict[str, str] = {}
    for call in graph.calls:
        if call.key not in specs:
            try:
                specs[call.key] = lower(call)
            except ExportError as error:
                refused[call.key] = f"{call.key!r} ({call.kind}): {error}"
    return specs, list(refused.values())


def _build(graph: Graph, specs: Mapping[str, list[Spec]]) -> Any:
    keras2 = tf.tf_keras()
    values: dict[str, Any] = {name: keras2.Input(shape, name=name) for name, shape in graph.inputs.items()}
    given = list(values.values())
    layers: dict[str, Any] = {}
    for call in graph.calls:
        inputs = [values[name] for name in call.inputs]
        values[call.name] = _call(keras2, specs[call.key], layers, inputs, call)
    outputs = [values[name] for name in graph.outputs]
    return keras2.Model(
        given[0] if len(given) == 1 else given, outputs[0] if len(outputs) == 1 else outputs, name=graph.name
    )


def _call(keras2: Any, specs: list[Spec], layers: dict[str, Any], inputs: list[Any], call: Call) -> Any:
    """Run the layers of one call; a Spec reads the call's inputs, or the results of earlier ones by their index."""
    results: list[Any] = []
    for spec in specs:
        if spec.name not in layers:
            layers[spec.name] = getattr(keras2.layers, spec.kind)(name=spec.name, dtype="float32", **spec.config)
        read = inputs if spec.reads is None else [inputs[0] if index < 0 else results[index] for index in spec.reads]
        results.append(layers[spec.name](read[0] if len(read) == 1 else read))
    return results[-1] if results else inputs[0]


def _same_outputs(model: Any, copy: Any, allowed: float) -> None:
    rng = np.random.default_rng(0)
    shapes = [tuple(n or 32 for n in tensor.shape[1:]) for tensor in model.inputs]
    given = [rng.random((_SAMPLES, *shape), dtype=np.float32) for shape in shapes]
    x = given[0] if len(given) == 1 else given
    ours, theirs = (
        [np.asarray(part, np.float32) for part in (result if isinstance(result, list | tuple) else [result])]
        for result in (copy(x, training=False), model(x, training=False))
    )
    for mine, other in zip(ours, theirs, strict=True):
        # Outputs near zero, for example of a head initialized to zero: the floor keeps the share meaningful.
        largest = max(float(np.abs(other).max()), 1e-3)
        difference = float(np.abs(mine - other).max()) / largest
        if not difference <= allowed:
            raise ExportError(
                f"The tf_keras twin of {model.name!r} differs from it by {difference:.2g} of the largest output "
                f"(allowed {allowed:.2g}); it cannot replace it. Compress without pruning and QAT."
            )
