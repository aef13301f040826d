"""Start a network from weights that another training left: a .keras file, or an .h5 file of keras.applications.

Layers are matched by name and shape; what does not match (another number of classes) keeps its fresh weights, and is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import RecipeError

Arrays = Mapping[str, Sequence[NDArray[Any]]]


def start_from(keras: Any, model: Any, path: Path) -> tuple[int, list[str]]:
    """Copy weights from the file at `path` into `model`, layer by layer.

    Returns:
        How many layers were taken, and the names of those with weights that were not.

    Raises:
        RecipeError: the file cannot be read as weights, or no layer fits.
    """
    found = _read(keras, path)
    taken, left = 0, []
    for layer in model.layers:
        wanted = [weight.shape for weight in layer.weights]
        if not wanted:
            continue
        arrays = found.get(layer.name, ())
        if [tuple(a.shape) for a in arrays] == [tuple(s) for s in wanted]:
            layer.set_weights(list(arrays))
            taken += 1
        else:
            left.append(layer.name)
    if not taken:
        raise RecipeError(
            f"No layer of {path} fits {model.name!r}: it has {', '.join(sorted(found)[:8]) or 'none'}, "
            f"the student {', '.join(left[:8])}. Weights must come from the same network, of the same width."
        )
    return taken, left


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
        raise RecipeError(f"The weights {path} cannot be read: {str(error).strip().splitlines()[0]}") from error
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
