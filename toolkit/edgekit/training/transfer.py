"""Start a network from weights of another training run: a .keras file, or an .h5 file of keras.applications.

Layers are matched by name and shape; if the file uses other names, by their order starting at the input, as far as the shapes
agree. Layers that do not match (another number of classes) keep their fresh weights, and are reported; of a backbone, all but
the head must match. A first kernel for color is summed for gray images, which equals passing gray three times; one for gray is
spread over the colors of an image, which equals passing their mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import RecipeError
from edgekit.students.pretrained.tensors import SUFFIXES
from edgekit.training import published
from edgekit.training.published import Loaded
from edgekit.types import FrontEnd

HEAD = "logits"
_LEAST_IN_ORDER = 8
_RECOLORED = "its first kernel is adapted to the images' number of colors"
Arrays = Mapping[str, Sequence[NDArray[Any]]]


def start_from(keras: Any, model: Any, path: Path) -> Loaded:
    """Copy weights from the file at `path` into `model`, layer by layer; layers missing from the file stay fresh.

    Raises:
        RecipeError: the file cannot be read as weights, or no layer matches.
    """
    by_layer = _read(keras, path)
    layers = [layer for layer in model.layers if layer.weights]
    loaded, notes = _take(layers, by_layer)
    left = [layer.name for layer in layers if layer.name not in loaded]
    if not loaded:
        raise RecipeError(
            f"No layer of {path} fits {model.name!r}: it has {', '.join(sorted(by_layer)[:8]) or 'none'}, "
            f"the student {', '.join(left[:8])}. Weights must come from the same network, of the same width."
        )
    return Loaded(layers=len(loaded), fresh=tuple(left), notes=notes)


def load_backbone(keras: Any, model: Any, path: Path, front_end: FrontEnd | None = None) -> Loaded:
    """Copy the file's weights into every layer of `model` but its head, the layer "logits".

    Args:
        front_end: the front end of the model's features; it determines the range that a public checkpoint of a spectrogram
            transformer has to be adapted to.

    Raises:
        IntegrityError: a public checkpoint is damaged. MissingExtra: it is a .safetensors file, and the package is not installed.
        RecipeError: the file cannot be read as weights, or lacks a layer of the trunk, which would stay random.
    """
    if path.suffix in SUFFIXES:
        return published.load(model, path, front_end)
    by_layer = _read(keras, path)
    layers = [layer for layer in model.layers if layer.weights and layer.name != HEAD]
    loaded, notes = _take(layers, {name: arrays for name, arrays in by_layer.items() if name != HEAD})
    for layer in layers:
        if layer.name not in loaded:
            own = by_layer.get(layer.name)
            why = f"has the shapes {_shapes(own)} there" if own else "is not in it"
            raise RecipeError(
                f"The backbone {path} does not fit {model.name!r}: layer {layer.name!r} (shapes {_shapes(layer.weights)}) {why}, "
                "and would stay random. Use a file of the same network, width and input size."
            )
    return Loaded(layers=len(loaded), notes=notes)


def _shapes(arrays: Sequence[Any]) -> str:
    return ", ".join("x".join(map(str, array.shape)) for array in arrays)


def _take(layers: Sequence[Any], by_layer: Arrays) -> tuple[Arrays, tuple[str, ...]]:
    """Set the weights of the `layers` that `by_layer` has; returns what was loaded, by layer name, and notes for the user."""
    offered = _recolored(layers[0], by_layer)
    loaded = {layer.name: offered[layer.name] for layer in layers if _fits(layer, offered.get(layer.name, ()))}
    if not loaded:
        # Networks of one design with other names have their layers in the same order; a few matches prove nothing.
        pairs = takewhile(lambda pair: _fits(*pair), zip(layers, offered.values(), strict=False))
        in_order = {layer.name: arrays for layer, arrays in pairs}
        loaded = in_order if len(in_order) >= _LEAST_IN_ORDER else {}
    for layer in layers:
        if layer.name in loaded:
            layer.set_weights(list(loaded[layer.name]))
    return loaded, (_RECOLORED,) if offered is not by_layer and layers[0].name in loaded else ()


def _fits(layer: Any, arrays: Sequence[NDArray[Any]]) -> bool:
    return [tuple(a.shape) for a in arrays] == [tuple(weight.shape) for weight in layer.weights]


def _recolored(layer: Any, by_layer: Arrays) -> Arrays:
    """`by_layer` with the kernel of the first `layer` adapted to its number of colors; itself if nothing changes."""
    name = layer.name if layer.name in by_layer else next(iter(by_layer), "")
    kernel, *others = by_layer.get(name) or (np.zeros(0, np.float32),)
    mine = tuple(layer.weights[0].shape)
    if kernel.ndim != 4 or len(mine) != 4 or kernel.shape[2] == mine[2] or 1 not in (kernel.shape[2], mine[2]):
        return by_layer
    # Gray passed three times meets the sum of the three kernels; a kernel spread evenly over the colors meets their mean.
    recolored = (
        kernel.sum(axis=2, keepdims=True) if mine[2] == 1 else np.repeat(kernel / np.float32(mine[2]), mine[2], axis=2)
    )
    return {**by_layer, name: [recolored, *others]} if recolored.shape == mine else by_layer


def _read(keras: Any, path: Path) -> Arrays:
    if not path.is_file():
        raise RecipeError(f"The weights {path} do not exist; expected a .keras or .h5 file.")
    try:
        if path.suffix == ".keras":
            source = keras.models.load_model(path, compile=False, safe_mode=True)
            return {layer.name: layer.get_weights() for layer in source.layers if layer.weights}
        if path.suffix in (".h5", ".hdf5"):
            return _legacy(path)
    # Keras raises anything from ValueError to TypeError for files that are not its own, or contain code.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RecipeError(f"The weights {path} cannot be read: {reason}") from error
    raise RecipeError(f"The weights {path} must be a .keras or .h5 file.")


def _legacy(path: Path) -> Arrays:
    """Groups named by layer, as written by Keras 2 and keras.applications."""
    import h5py

    with h5py.File(path, "r") as file:
        root = file.get("model_weights", file)
        if "layer_names" not in root.attrs:
            raise ValueError(
                "it does not store weights by layer name; a .weights.h5 of Keras 3 has no layer names, save a .keras file instead"
            )
        names = [_text(name) for name in root.attrs["layer_names"]]
        arrays = {name: [np.asarray(root[name][_text(w)]) for w in root[name].attrs["weight_names"]] for name in names}
    return {name: values for name, values in arrays.items() if values}


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
