"""Start a network from weights that another training left: a .keras file, or an .h5 file of keras.applications.

Layers are matched by name and shape; in a file whose names are others, by their order from the images on, as far as the shapes
agree. What does not match (another number of classes) keeps its fresh weights, and is told; of a backbone, all but the head has
to match. A first kernel for color is summed for gray images, which is the same as giving it the gray three times; one for gray is
spread over the colors of an image, which is the same as giving it their mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import RecipeError
from edgekit.students.tensor_files import SUFFIXES
from edgekit.training import published
from edgekit.training.published import Loaded
from edgekit.types import FrontEnd

HEAD = "logits"
_LEAST_IN_ORDER = 8
_RECOLORED = "its first kernel is made over for the images' number of colors"
Arrays = Mapping[str, Sequence[NDArray[Any]]]


def start_from(keras: Any, model: Any, path: Path) -> Loaded:
    """Copy weights from the file at `path` into `model`, layer by layer; those that are not there stay fresh.

    Raises:
        RecipeError: the file cannot be read as weights, or no layer fits.
    """
    found = _read(keras, path)
    layers = [layer for layer in model.layers if layer.weights]
    taken, notes = _take(layers, found)
    left = [layer.name for layer in layers if layer.name not in taken]
    if not taken:
        raise RecipeError(
            f"No layer of {path} fits {model.name!r}: it has {', '.join(sorted(found)[:8]) or 'none'}, "
            f"the student {', '.join(left[:8])}. Weights must come from the same network, of the same width."
        )
    return Loaded(layers=len(taken), fresh=tuple(left), notes=notes)


def load_backbone(keras: Any, model: Any, path: Path, front_end: FrontEnd | None = None) -> Loaded:
    """Copy the file's weights into every layer of `model` but its head, the layer "logits".

    Args:
        front_end: what the model's features are made by; a public checkpoint of a spectrogram transformer is told so what range
            they have.

    Raises:
        IntegrityError: a public checkpoint is damaged. MissingExtra: it is a .safetensors file, and the package is not installed.
        RecipeError: the file cannot be read as weights, or a layer of the trunk is not in it: it would stay random.
    """
    if path.suffix in SUFFIXES:
        return published.load(model, path, front_end)
    found = _read(keras, path)
    layers = [layer for layer in model.layers if layer.weights and layer.name != HEAD]
    taken, notes = _take(layers, {name: arrays for name, arrays in found.items() if name != HEAD})
    for layer in layers:
        if layer.name not in taken:
            held = found.get(layer.name)
            why = f"has the shapes {_shapes(held)} there" if held else "is not in it"
            raise RecipeError(
                f"The backbone {path} does not fit {model.name!r}: layer {layer.name!r} (shapes {_shapes(layer.weights)}) {why}, "
                "and would stay random. Take a file of the same network, width and input size."
            )
    return Loaded(layers=len(taken), notes=notes)


def _shapes(arrays: Sequence[Any]) -> str:
    return ", ".join("x".join(map(str, array.shape)) for array in arrays)


def _take(layers: Sequence[Any], found: Arrays) -> tuple[Arrays, tuple[str, ...]]:
    """Set the weights of the `layers` that `found` has; what was taken, by the layers' names, and what to tell."""
    offered = _recolored(layers[0], found)
    taken = {layer.name: offered[layer.name] for layer in layers if _fits(layer, offered.get(layer.name, ()))}
    if not taken:
        # Networks of one design, named by others, have their layers in one order; a few alike prove nothing.
        pairs = takewhile(lambda pair: _fits(*pair), zip(layers, offered.values(), strict=False))
        in_order = {layer.name: arrays for layer, arrays in pairs}
        taken = in_order if len(in_order) >= _LEAST_IN_ORDER else {}
    for layer in layers:
        if layer.name in taken:
            layer.set_weights(list(taken[layer.name]))
    return taken, (_RECOLORED,) if offered is not found and layers[0].name in taken else ()


def _fits(layer: Any, arrays: Sequence[NDArray[Any]]) -> bool:
    return [tuple(a.shape) for a in arrays] == [tuple(weight.shape) for weight in layer.weights]


def _recolored(layer: Any, found: Arrays) -> Arrays:
    """`found` with the kernel of the first `layer` made over for its number of colors; `found` itself where that is none."""
    name = layer.name if layer.name in found else next(iter(found), "")
    kernel, *others = found.get(name) or (np.zeros(0, np.float32),)
    mine = tuple(layer.weights[0].shape)
    if kernel.ndim != 4 or len(mine) != 4 or kernel.shape[2] == mine[2] or 1 not in (kernel.shape[2], mine[2]):
        return found
    # Gray given three times meets the sum of the three kernels; a kernel's equal shares in the colors meet their mean.
    made = (
        kernel.sum(axis=2, keepdims=True) if mine[2] == 1 else np.repeat(kernel / np.float32(mine[2]), mine[2], axis=2)
    )
    return {**found, name: [made, *others]} if made.shape == mine else found


def _read(keras: Any, path: Path) -> Arrays:
    if not path.is_file():
        raise RecipeError(f"The weights {path} do not exist; expected a .keras or .h5 file.")
    try:
        if path.suffix == ".keras":
            source = keras.models.load_model(path, compile=False, safe_mode=True)
            return {layer.name: layer.get_weights() for layer in source.layers if layer.weights}
        if path.suffix in (".h5", ".hdf5"):
            return _legacy(path)
    # Keras raises anything from ValueError to TypeError for files that are not its own, or hold code.
    except Exception as error:
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RecipeError(f"The weights {path} cannot be read: {told}") from error
    raise RecipeError(f"The weights {path} must be a .keras or .h5 file.")


def _legacy(path: Path) -> Arrays:
    """Groups named by layer, as Keras 2 and keras.applications write them."""
    import h5py

    with h5py.File(path, "r") as file:
        root = file.get("model_weights", file)
        if "layer_names" not in root.attrs:
            raise ValueError(
                "it is no weight file by layer names; a .weights.h5 of Keras 3 names none, save a .keras file"
            )
        names = [_text(name) for name in root.attrs["layer_names"]]
        arrays = {name: [np.asarray(root[name][_text(w)]) for w in root[name].attrs["weight_names"]] for name in names}
    return {name: values for name, values in arrays.items() if values}


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
