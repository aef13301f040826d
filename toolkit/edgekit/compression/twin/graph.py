"""A model of either Keras as a flat list of calls: nested models opened, each layer under a unique name.

Keras 3 and tf_keras store the same facts under different names; this is the one place that knows both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgekit.errors import ExportError


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One use of a layer or operation. key: the layer's unique name; inputs: the calls it reads, in order, never "".

    constants: other arguments of an operation, such as the 255 of `x / 255`; position: "after" the tensor or "before" it.
    """

    name: str
    key: str
    layer: Any
    inputs: tuple[str, ...]
    constants: tuple[Any, ...] = ()
    reversed: bool = False

    @property
    def kind(self) -> str:
        """The class's name."""
        return type(self.layer).__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """inputs: name -> shape without the batch. calls: ordered so that each reads only earlier ones."""

    name: str
    inputs: Mapping[str, tuple[int | None, ...]]
    calls: tuple[Call, ...]
    outputs: tuple[str, ...]
    layers: Mapping[str, Any] = field(default_factory=dict)

    def readers(self) -> dict[str, int]:
        """How often each call's result is read, including as a result of the model."""
        count: dict[str, int] = {}
        for name in (*self.outputs, *(name for call in self.calls for name in call.inputs)):
            count[name] = count.get(name, 0) + 1
        return count


def walk(model: Any) -> Graph:
    """Flatten a functional or Sequential model of Keras 3 or tf_keras, including nested models.

    Raises:
        ExportError: a (nested) model is neither functional nor a built Sequential; the message names it.
    """
    body = _body(model)
    inputs = {f"input_{number}" if number else "input": tuple(t.shape[1:]) for number, t in enumerate(body.inputs)}
    state = _State()
    outputs = _replay(model, list(inputs), state, "")
    return Graph(
        name=model.name, inputs=inputs, calls=tuple(state.calls), outputs=tuple(outputs), layers=state.layers()
    )


class _State:
    """What was visited so far."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.keys: dict[int, str] = {}
        self.taken: set[str] = set()

    def key(self, layer: Any, prefix: str) -> str:
        """A unique name: the layer's own, or one with the nested model's before it."""
        if id(layer) not in self.keys:
            name, number = layer.name, 2
            if name in self.taken:
                name = f"{prefix}{layer.name}"
            while name in self.taken:
                name, number = f"{prefix}{layer.name}_{number}", number + 1
            self.taken.add(name)
            self.keys[id(layer)] = name
        return self.keys[id(layer)]

    def add(self, layer: Any, prefix: str, inputs: list[str], constants: tuple[Any, ...], swapped: bool) -> str:
        key = self.key(layer, prefix)
        uses = sum(call.key == key for call in self.calls)
        name = f"{key}:{uses}" if uses else key
        self.calls.append(
            Call(name=name, key=key, layer=layer, inputs=tuple(inputs), constants=constants, reversed=swapped)
        )
        return name

    def layers(self) -> dict[str, Any]:
        return {call.key: call.layer for call in self.calls}


def _body(model: Any) -> Any:
    """The functional model behind a model: itself, or the one that a Keras 3 Sequential builds."""
    body = getattr(model, "_functional", None) or model
    if not hasattr(body, "_nodes_by_depth") or not getattr(body, "inputs", None):
        raise ExportError(
            f"Model {model.name!r} ({type(model).__name__}) is neither functional nor a Sequential with a known input shape; "
            "its layers cannot be listed. Write it with the functional API, or add an Input to the Sequential."
        )
    return body


def _is_model(layer: Any) -> bool:
    return hasattr(layer, "layers") and hasattr(layer, "save") and hasattr(layer, "compile")


def _replay(model: Any, given: list[str], state: _State, prefix: str) -> list[str]:
    body = _body(model)
    values = {id(tensor): name for tensor, name in zip(body.inputs, given, strict=True)}
    for depth in sorted(body._nodes_by_depth, reverse=True):
        for node in body._nodes_by_depth[depth]:
            if node.is_input:
                continue
            layer = node.operation if hasattr(node, "operation") else node.layer
            arguments = getattr(node, "arguments", None)
            args, kwargs = (
                (arguments.args, arguments.kwargs) if arguments is not None else (node.call_args, node.call_kwargs)
            )
            leaves = list(_leaves((args, kwargs)))
            inputs = [values[id(leaf)] for leaf in leaves if id(leaf) in values]
            if _is_model(layer):
                results = _replay(layer, inputs, state, f"{prefix}{layer.name}_")
            else:
                constants = tuple(leaf for leaf in leaves if id(leaf) not in values and not _is_flag(leaf))
                swapped = bool(constants) and bool(leaves) and id(leaves[0]) not in values
                results = [state.add(layer, prefix, inputs, constants, swapped)]
            values.update(zip(map(id, _leaves(node.outputs)), results, strict=False))
    return [values[id(tensor)] for tensor in body.outputs]


def _is_flag(leaf: Any) -> bool:
    return leaf is None or isinstance(leaf, bool | str)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    else:
        yield value
