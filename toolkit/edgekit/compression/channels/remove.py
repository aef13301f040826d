"""Structured pruning: channels are removed from the network itself, so that the file and the work really shrink.

Channels that must be removed together (`channel_graph`) are ranked within their group (`channel_scores`), the lowest `share` of
each group is removed, and a smaller Keras 3 model is built from the remaining weights (Li et al. 2017, arXiv 1608.08710, sec. 3).
The input, the outputs and what reaches them without weights keep their channels. So do the streams that residual blocks add to,
unless requested: every block reads and writes them, and Li et al. leave them alone too.

Latency falls with the work only if the kernels are no wider than the remaining channels: Intel AMX computes int8 in wide
tiles, and with fewer channels than a tile, pruning saves nothing there (benchmarks/channel_pruning.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.compression.channels.graph import MAKERS, Channels, Ids, trace
from edgekit.compression.channels.scores import importance
from edgekit.errors import ExportError
from edgekit.types import Split

# An int8 kernel computes at least four channels at a time; a remainder of one to three costs as much as four.
MULTIPLE = 4
RANKING = "gamma"


def prune_channels(
    keras: Any,
    model: Any,
    share: float,
    *,
    ranking: str = RANKING,
    residual: bool = False,
    data: Split | None = None,
    seed: int = 0,
    multiple: int = MULTIPLE,
) -> Any:
    """A smaller model without `share` of the channels of each group; `model` itself is unchanged.

    Args:
        model: functional or sequential Keras 3 model on the TensorFlow backend, one input; nested models are kept whole.
        share: of the channels of each group, in [0, 1).
        ranking: a name of `channel_scores.RANKINGS`; "taylor" needs `data`.
        residual: also remove channels that several layers make together, because an Add joins them.
        data: samples whose loss measures the importance of a channel.
        seed: seed for drawing samples.
        multiple: a group keeps a multiple of this many channels, the nearest, and at least one such block.

    Raises:
        ExportError: the model is not functional, or `ranking` needs data.
    """
    kept = keep(model, share, ranking=ranking, residual=residual, data=data, seed=seed, multiple=multiple)
    return without(keras, model, kept)


def keep(
    model: Any,
    share: float,
    *,
    ranking: str = RANKING,
    residual: bool = False,
    data: Split | None = None,
    seed: int = 0,
    multiple: int = MULTIPLE,
) -> Mapping[str, Ids]:
    """Which output channels each convolution and dense layer keeps: name -> ascending indices; arguments of `prune_channels`."""
    channels = trace(model)
    scores = importance(model, channels, ranking, data, seed)
    gone: set[int] = set()
    for makers, labels in channels.groups().items():
        if len(makers) == 1 or residual:
            order = np.argsort(-scores[labels], kind="stable")
            gone.update(labels[order[_count(len(labels), share, multiple) :]].tolist())
    return {name: np.flatnonzero(_stay(channels, channels.outputs[name], gone)) for name in channels.makers}


def without(keras: Any, model: Any, kept: Mapping[str, Ids]) -> Any:
    """The model that computes what `model` does when the channels not in `kept` contribute nothing.

    Args:
        kept: as returned by `keep`; layers that share channels must keep the same ones.
    """
    channels = trace(model)
    gone: set[int] = set()
    for name, index in kept.items():
        gone.update(np.delete(channels.label[channels.outputs[name]], index).tolist())
    if gone & channels.fixed:
        raise ExportError("Channels of the input, of an output or of a layer that cannot be cut cannot be removed.")
    graph = getattr(model, "_functional", None) or model
    built: dict[int, Any] = {id(t): keras.Input(t.shape[1:], dtype=t.dtype, name=t.name) for t in graph.inputs}
    layers: dict[str, Any] = {}
    cuts: dict[str, list[NDArray[Any]]] = {}
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input:
                continue
            layer = node.operation
            if layer.name not in layers:
                layers[layer.name], cuts[layer.name] = _smaller(layer, channels, gone)
            args, kwargs = keras.tree.map_structure(
                lambda value: built.get(id(value), value), (node.arguments.args, node.arguments.kwargs)
            )
            output = layers[layer.name](*args, **kwargs)
            outputs = keras.tree.flatten(output)
            built.update({id(t): new for t, new in zip(node.output_tensors, outputs, strict=True)})
    inputs, outputs = [built[id(t)] for t in graph.inputs], [built[id(t)] for t in graph.outputs]
    result = keras.Model(
        inputs[0] if len(inputs) == 1 else inputs, outputs[0] if len(outputs) == 1 else outputs, name=model.name
    )
    for name, layer in layers.items():
        if cuts[name]:
            layer.set_weights(cuts[name])
    return result


def _count(channels: int, share: float, multiple: int) -> int:
    blocks = max(1, int(channels * (1 - share) / multiple + 0.5))
    return channels if share == 0 else min(channels, blocks * multiple)


def _stay(channels: Channels, ids: Ids, gone: set[int]) -> NDArray[np.bool_]:
    return ~np.isin(channels.label[ids], list(gone))


def _smaller(layer: Any, channels: Channels, gone: set[int]) -> tuple[Any, list[NDArray[Any]]]:
    """A new layer for the remaining channels, and its weights; operations without weights are reused unchanged."""
    if not hasattr(layer, "get_config") or not hasattr(layer, "weights"):
        return layer, []
    kind, config = type(layer).__name__, layer.get_config()
    inputs_stay = _stay(channels, channels.inputs[layer.name], gone)
    outputs_stay = _stay(channels, channels.outputs[layer.name], gone)
    weights = {variable.path: np.asarray(variable) for variable in layer.weights}
    cut = [_cut(kind, path.rsplit("/", 1)[-1], value, inputs_stay, outputs_stay) for path, value in weights.items()]
    if layer.name in channels.makers:
        config["units" if kind == "Dense" else "filters"] = int(outputs_stay.sum())
    elif kind == "Reshape" and not outputs_stay.all():
        config["target_shape"] = (*config["target_shape"][:-1], int(outputs_stay.sum()))
    return type(layer).from_config(config), cut


def _cut(
    kind: str, name: str, value: NDArray[Any], inputs: NDArray[np.bool_], outputs: NDArray[np.bool_]
) -> NDArray[Any]:
    """The remaining part of one weight of a layer of which the channels `inputs` and `outputs` stay."""
    if inputs.all() and outputs.all():
        return value
    if kind == "BatchNormalization":
        return value[inputs]
    if name == "bias":
        return value[outputs]
    if kind == "Conv2DTranspose":
        return value[:, :, outputs][..., inputs]
    if name == "depthwise_kernel" or kind == "DepthwiseConv2D":
        return value[:, :, inputs]
    if name == "pointwise_kernel":
        return value[:, :, np.repeat(inputs, value.shape[2] // len(inputs))][..., outputs]
    if kind in MAKERS:
        return value[..., inputs, :][..., outputs]
    return value
