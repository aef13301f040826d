"""Start a network from weights that another training left: a .keras file, or an .h5 file of keras.applications.

Layers are matched by name and shape; in a file whose names are others, by their order from the images on, as far as the shapes
agree. What does not match (another number of classes) keeps its fresh weights, and is told; of a backbone, all but the head has
to match.
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
Arrays = Mapping[str, Sequence[NDArray[Any]]]


def start_from(keras: Any, model: Any, path: Path) -> tuple[int, list[str]]:
    """Copy weights from the file at `path` into `model`, layer by layer.

    Returns:
        How many layers were taken, and the names of those with weights that were not.

    Raises:
        RecipeError: the file cannot be read as weights, or no layer fits.
    """
    found = _read(keras, path)
    layers = [layer for layer in model.layers if layer.weights]
    taken = _take(layers, found)
    left = [layer.name for layer in layers if layer.name not in taken]
    if not taken:
        raise RecipeError(
            f"No layer of {path} fits {model.name!r}: it has {', '.join(sorted(found)[:8]) or 'none'}, "
            f"the student {', '.join(left[:8])}. Weights must come from the same network, of the same width."
        )
    return len(taken), left


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
    taken = _take(layers, {name: arrays for name, arrays in found.items() if name != HEAD})
    for layer in layers:
        if layer.name not in taken:
            held = found.get(layer.name)
            why = f"has the shapes {_shapes(held)} there" if held else "is not in it"
            raise RecipeError(
                f"The backbone {path} does not fit {model.name!r}: layer {layer.name!r} (shapes {_shapes(layer.weights)}) {why}, "
                "and would stay random. Take a file of the same network, width and input size."
            )
    return Loaded(layers=len(taken))


def _shapes(arrays: Sequence[Any]) -> str:
    return ", ".join("x".join(map(str, array.shape)) for array in arrays)


def _take(layers: Sequence[Any], found: Arrays) -> Arrays:
    """Set the weights of the `layers` that `found` has, and return what was taken, by the layers' names."""
    taken = {layer.name: found[layer.name] for layer in layers if _fits(layer, found.get(layer.name, ()))}
    if not taken:
        # Networks of one design, named by others, have their layers in one order; a few alike prove nothing.
        pairs = takewhile(lambda pair: _fits(*pair), zip(layers, found.values(), strict=False))
        in_order = {layer.name: arrays for layer, arrays in pairs}
        taken = in_order if len(in_order) >= _LEAST_IN_ORDER else {}
    for layer in layers:
        if layer.name in taken:
            layer.set_weights(list(taken[layer.name]))
    return taken


def _fits(layer: Any, arrays: Sequence[NDArray[Any]]) -> bool:
    return [tuple(a.shape) for a in arrays] == [tuple(weight.shape) for weight in layer.weights]


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
