"""Which channels of a network must be removed together: every tensor's channels, traced through the functional graph.

A channel is created by a convolution or a dense layer and passes through normalization, activations, pooling and depthwise
convolutions. An Add ties the channels that it adds together (a residual stream), and so do other elementwise layers. Layers that
are not known here, the input and the outputs keep all their channels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import ExportError

Ids = NDArray[np.int64]

MAKERS = ("Conv1D", "Conv2D", "Conv2DTranspose", "SeparableConv2D", "Dense")
_PASSING = (
    "BatchNormalization",
    "ReLU",
    "LeakyReLU",
    "ELU",
    "Activation",
    "Dropout",
    "SpatialDropout2D",
    "GaussianNoise",
    "MaxPooling1D",
    "MaxPooling2D",
    "AveragePooling1D",
    "AveragePooling2D",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "ZeroPadding2D",
    "Cropping2D",
    "UpSampling2D",
    "Identity",
)
_JOINING = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
# Functions of all channels at once: removing one changes the others.
_ACROSS = ("softmax", "log_softmax", "sparsemax", "sparse_softmax")


@dataclass
class Channels:
    """Channels by id; `label[id]` is equal for channels that must be removed together, `fixed` are labels that must stay.

    inputs, outputs: layer name -> ids of its (first) input's and its output's channels. makers: layers whose output channels
    are new.
    """

    label: Ids = field(default_factory=lambda: np.empty(0, np.int64))
    fixed: set[int] = field(default_factory=set)
    inputs: dict[str, Ids] = field(default_factory=dict)
    outputs: dict[str, Ids] = field(default_factory=dict)
    makers: list[str] = field(default_factory=list)

    def groups(self) -> dict[tuple[str, ...], Ids]:
        """The labels that may be removed, by the layers that create them: (makers' names) -> (C,) labels."""
        of: dict[int, list[str]] = {}
        for name in self.makers:
            for label in dict.fromkeys(self.label[self.outputs[name]].tolist()):
                of.setdefault(label, []).append(name)
        groups: dict[tuple[str, ...], list[int]] = {}
        for label, names in of.items():
            if label not in self.fixed:
                groups.setdefault(tuple(names), []).append(label)
        return {names: np.array(labels, np.int64) for names, labels in groups.items()}

    def new(self, count: int, *, fixed: bool = False) -> Ids:
        ids = np.arange(len(self.label), len(self.label) + count)
        self.label = np.concatenate([self.label, ids])
        if fixed:
            self.hold(ids)
        return ids

    def hold(self, ids: Ids) -> None:
        self.fixed.update(self.label[ids].tolist())

    def join(self, first: Ids, second: Ids) -> None:
        for a, b in zip(first.tolist(), second.tolist(), strict=True):
            old, kept = int(self.label[b]), int(self.label[a])
            self.label[self.label == old] = kept
            if old in self.fixed:
                self.fixed.add(kept)


def trace(model: Any) -> Channels:
    """Follow the channels (last axis) of a functional Keras 3 model from its inputs to its outputs.

    Raises:
        ExportError: the model is not functional, or a tensor's last axis is open.
    """
    nodes = getattr(getattr(model, "_functional", None) or model, "_nodes_by_depth", None)
    if nodes is None:
        raise ExportError(f"Channel pruning needs a functional or sequential model; {model.name!r} is neither.")
    channels = Channels()
    known: dict[int, Ids] = {}
    for depth in sorted(nodes, reverse=True):
        for node in nodes[depth]:
            for tensor in node.output_tensors:
                if tensor.shape[-1] is None:
                    raise ExportError(
                        f"The output of {node.operation.name!r} has an open last axis; its channels are unknown."
                    )
            if node.is_input:
                known[id(node.output_tensors[0])] = channels.new(node.output_tensors[0].shape[-1], fixed=True)
                continue
            layer, input_ids = node.operation, [known[id(t)] for t in node.input_tensors]
            # A layer used in two places has one set of weights, so its channels are the same in both.
            again = layer.name in channels.outputs and bool(getattr(layer, "weights", ()))
            if again:
                channels.join(channels.inputs[layer.name], input_ids[0])
            outputs = [channels.outputs[layer.name]] if again else _through(channels, node, input_ids)
            known |= {id(t): ids for t, ids in zip(node.output_tensors, outputs, strict=True)}
            channels.inputs[layer.name], channels.outputs[layer.name] = input_ids[0], outputs[0]
    for tensor in model.outputs:
        channels.hold(known[id(tensor)])
    return channels


def _through(channels: Channels, node: Any, input_ids: list[Ids]) -> list[Ids]:
    """The output's channel ids of a layer that is visited for the first time."""
    layer, kind = node.operation, type(node.operation).__name__
    shape = node.output_tensors[0].shape
    across = getattr(getattr(layer, "activation", None), "__name__", "") in _ACROSS
    plain = getattr(layer, "data_format", "channels_last") == "channels_last"
    if plain and kind in MAKERS and getattr(layer, "groups", 1) == 1:
        channels.makers.append(layer.name)
        return [channels.new(shape[-1], fixed=across)]
    if plain and not across:
        if kind in _PASSING and _last_axis(layer, node):
            return [input_ids[0]]
        if kind == "DepthwiseConv2D":
            return [np.repeat(input_ids[0], layer.depth_multiplier)]
        if kind == "Flatten":
            return [np.tile(input_ids[0], shape[-1] // len(input_ids[0]))]
        if kind == "Reshape" and shape[-1] == len(input_ids[0]):
            return [input_ids[0]]
        if kind == "Concatenate" and layer.axis in (-1, len(shape) - 1):
            return [np.concatenate(input_ids)]
        if kind in _JOINING:
            whole = [ids for ids in input_ids if len(ids) == shape[-1]]
            for ids in whole[1:]:
                channels.join(whole[0], ids)
            for ids in input_ids:
                if len(ids) != shape[-1]:
                    channels.hold(ids)  # spread over all channels
            return [whole[0]]
    for ids in input_ids:
        channels.hold(ids)
    return [channels.new(tensor.shape[-1], fixed=True) for tensor in node.output_tensors]


def _last_axis(layer: Any, node: Any) -> bool:
    return type(layer).__name__ != "BatchNormalization" or layer.axis in (-1, len(node.output_tensors[0].shape) - 1)
