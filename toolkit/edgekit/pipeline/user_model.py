"""A model file of a user's own: inspected before it is loaded, checked against the data, and brought to edgekit's input contract.

Nothing in the file is run: a Lambda layer, a class or a function of the user's own is refused by name, from the stored
configuration. The contract: pixel / 255 in [0, 1] in, probabilities out.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.compression.qat import load_tf_keras
from edgekit.compression.twin.graph import Call, walk
from edgekit.compression.twin.lowering import augments, lower
from edgekit.compression.twin.twin import twin
from edgekit.data.pixels import RANGES, InputRange
from edgekit.errors import DataError, ExportError, UsageError
from edgekit.frameworks import backend, tf
from edgekit.training import flops
from edgekit.types import Dataset

_PUT_IN_FRONT = {"0-255": "a multiplication by 255", "signed": "a rescaling to -1 to 1"}
_LARGEST_CONFIG = 64 * 1024**2
_HDF5 = (".h5", ".hdf5")
# Layers of Keras that carry code or read other files; and of TensorFlow's functions, those that only compute.
_CARRIERS = (
    "Lambda", "__lambda__", "function", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "StringLookup",
    "IntegerLookup", "TextVectorization",
)  # fmt: skip
_COMPUTING = ("math.", "__operators__.", "nn.")
_OURS = ("keras", "tf_keras", "builtins", "tensorflow.keras")
# x / 255 scales by less than this; x * 2 - 1 and the whitening of [0, 1] pixels by more.
_PIXEL_SCALE, _PIXEL_SHIFT = 0.1, 8.0
_PASSING = ("Dropout", "Identity", "Reshape", "Flatten", "ActivityRegularization")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UserModel:
    """file: its name. model: takes pixel / 255, gives probabilities. framework: "keras" (3) or "tf_keras", of `model`.

    keras_version: of what wrote the file. macs: of one image, None for what the ledger does not read (tf_keras files). notes:
    what was found, added and left out.
    """

    file: str
    model: Any
    framework: str
    keras_version: str
    input_range: InputRange
    macs: int | None
    notes: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """What report.json says of it."""
        return {
            name: getattr(self, name) for name in ("file", "framework", "keras_version", "input_range", "macs", "notes")
        }


def load(path: Path, dataset: Dataset, input_range: InputRange | None = None) -> UserModel:
    """Read a .keras or .h5 model for `dataset`.

    Args:
        input_range: what the model itself was trained on; None = by its own first layers.

    Raises:
        UsageError: the file does not exist or is no .keras or .h5 file.
        ExportError: it is damaged, holds weights alone, holds code, or ends in something else than softmax or logits.
        DataError: its input shape or number of classes is not the data's.
    """
    framework, version = inspect(path)
    model = _read(path, framework)
    _check(path, model, dataset)
    notes = [f"{path.name}: written by {'Keras' if framework == 'keras' else 'tf_keras'} {version}"]
    graph = walk(model)
    _check_loops(path, graph.calls)
    if len(model.inputs[0].shape) == 3:
        notes.append("takes images without a channel axis, so a reshape was put in front")
    if input_range is None:
        input_range, why = _input_range(graph.calls)
        notes.append(
            f"takes pixels in {input_range.replace('-', ' to ')}, judged by {why} (--input-range says otherwise)"
        )
    if input_range in _PUT_IN_FRONT:
        notes.append(f"{_PUT_IN_FRONT[input_range]} was put in front: files of edgekit take pixel / 255")
    logits = _ends_in_logits(path, graph.calls, graph.outputs)
    macs = None
    if framework == "keras":
        macs = _macs(_wrapped(model, framework, dataset, input_range, logits), notes)
    else:
        notes.append("MAC are not counted: the ledger reads models of Keras 3")
    if logits:
        notes.append("ends in logits, so a softmax was put behind")
    if augmented := [call.key for call in graph.calls if augments(call)]:
        # Keras 3 leaves their random operations in the exported graph, which no .tflite can hold.
        model, framework = twin(model), "tf_keras"
        notes.append(f"random augmentation was left out, by way of the tf_keras twin: {', '.join(augmented)}")
    return UserModel(
        file=path.name,
        model=_wrapped(model, framework, dataset, input_range, logits),
        framework=framework,
        keras_version=version,
        input_range=input_range,
        macs=macs,
        notes=tuple(notes),
    )


def inspect(path: Path) -> tuple[str, str]:
    """("keras" or "tf_keras", its version) of a model file, without loading it.

    Raises:
        UsageError, ExportError: as `load` does.
    """
    if not path.is_file():
        raise UsageError(f"--model {path} does not exist; expected a .keras or .h5 file.")
    if path.suffix.lower() == ".keras":
        config, version = _of_archive(path)
    elif path.suffix.lower() in _HDF5:
        config, version = _of_hdf5(path)
    else:
        raise UsageError(f"--model {path} is neither a .keras nor an .h5 file; save the model as one of them.")
    if code := list(dict.fromkeys(_code(config))):
        raise ExportError(
            f"{path} holds code of its own ({', '.join(code)}), which is not run. "
            "Rewrite it with layers of Keras, or convert the model yourself and use `edgekit evaluate`."
        )
    return ("keras" if int(version.split(".")[0]) >= 3 else "tf_keras"), version


def _of_archive(path: Path) -> tuple[Any, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            texts = []
            for name in ("config.json", "metadata.json"):
                if archive.getinfo(name).file_size > _LARGEST_CONFIG:
                    raise ExportError(f"{path} has a {name} of over 64 MB; it is no model that Keras wrote.")
                texts.append(archive.read(name))
        config, facts = map(json.loads, texts)
        return config, str(facts["keras_version"])
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError) as error:
        raise ExportError(f"{path} is no .keras file: {error}. Save it with model.save('name.keras').") from None


def _of_hdf5(path: Path) -> tuple[Any, str]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            text, version = file.attrs.get("model_config"), file.attrs.get("keras_version", "2")
        if text is None:
            raise ExportError(
                f"{path} holds weights without the network; save the whole model with model.save('name.keras')."
            )
        return json.loads(text), version.decode() if isinstance(version, bytes) else str(version)
    except (OSError, ValueError) as error:
        raise ExportError(f"{path} is no .h5 model: {str(error).splitlines()[0]}") from None


def _code(value: Any, where: str = "the model") -> Iterator[str]:
    """What in a stored configuration is not Keras' own, by the name of the layer it is in."""
    if isinstance(value, list):
        for part in value:
            yield from _code(part, where)
    if not isinstance(value, dict):
        return
    config, kind = value.get("config"), value.get("class_name")
    own = config.get("name") if isinstance(config, dict) else None
    where = str(own or value.get("name") or where)
    if kind in _CARRIERS or (isinstance(kind, str) and _foreign(kind, value)):
        yield f"{kind} {where!r}" if kind != "function" else f"function {config!r} in {where!r}"
        return
    for name, part in value.items():
        if name not in ("compile_config", "build_config"):  # not loaded
            yield from _code(part, where)


def _foreign(kind: str, value: Mapping[str, Any]) -> bool:
    if kind == "TFOpLambda":  # tf.io.write_file is a function too
        return not str(value["config"].get("function", "")).startswith(_COMPUTING)
    if kind.startswith("__"):  # Keras' own notation of tensors, arrays, slices
        return False
    if ">" in kind or ">" in str(value.get("registered_name") or ""):
        return not str(value.get("registered_name") or kind).startswith(("keras>", "Keras>"))
    if "module" in value:
        module = str(value["module"])
        return module.split(".")[0] not in _OURS and not module.startswith("tensorflow.keras")
    # Keras 2 files name classes alone; what is no layer (initializers, regularizers, policies) has no inputs.
    if "inbound_nodes" not in value and not isinstance(value.get("config"), dict):
        return False
    known = (tf.tf_keras().layers, tf.tf_keras().models, tf.tf_keras().initializers, tf.tf_keras().regularizers,
             tf.tf_keras().constraints, tf.tf_keras().mixed_precision)  # fmt: skip
    return kind not in ("Functional", "Policy", "TFOpLambda") and not any(hasattr(module, kind) for module in known)


def _read(path: Path, framework: str) -> Any:
    if framework == "tf_keras":
        return load_tf_keras(path)
    keras = backend.load("tensorflow")
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    # Keras raises anything from ValueError to TypeError for files of other versions.
    except Exception as error:
        raise ExportError(
            f"{path} cannot be read by Keras {keras.__version__}: {str(error).splitlines()[0]}"
        ) from error


def _check(path: Path, model: Any, dataset: Dataset) -> None:
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ExportError(
            f"{path} has {len(model.inputs)} inputs and {len(model.outputs)} outputs; a classifier has one of each."
        )
    expected, found = tuple(model.inputs[0].shape[1:]), dataset.input.shape
    if len(expected) == 2 and found[2] == 1:  # gray images without a channel axis
        expected = (*expected, 1)
    if len(expected) != 3 or any(want is not None and want != have for want, have in zip(expected, found, strict=True)):
        size = (
            f" Resize them with --image-size {expected[0]}x{expected[1]}." if len(expected) == 3 and expected[0] else ""
        )
        raise DataError(f"{path} takes images of {expected}, but {dataset.name} has {found}.{size}")
    outputs = tuple(model.outputs[0].shape[1:])
    if outputs != (len(dataset.classes),):
        raise DataError(f"{path} gives {outputs} per image, but {dataset.name} has {len(dataset.classes)} classes.")


def _check_loops(path: Path, calls: tuple[Call, ...]) -> None:
    """Refuse recurrent layers that run as a loop, which the TFLite converter cannot write."""
    for call in calls:
        inner = getattr(call.layer, "forward_layer", None) or getattr(call.layer, "layer", None) or call.layer
        if getattr(inner, "unroll", True) is False:
            raise ExportError(
                f"{path}: {call.key!r} ({type(inner).__name__}) is a loop over time, which the TFLite converter cannot write. "
                "Build the model again with unroll=True in that layer, and load the same weights."
            )


def _macs(model: Any, notes: list[str]) -> int | None:
    try:
        count = flops.macs(model)
    except DataError as error:
        notes.append(f"MAC are not counted: {error}")
        return None
    if unknown := flops.uncounted(model):
        notes.append(f"MAC without those of {', '.join(unknown)}, which the ledger does not know")
    return count


def _input_range(calls: tuple[Call, ...]) -> tuple[InputRange, str]:
    for call in calls:
        if getattr(call.layer, "weights", ()) and call.kind != "Normalization":
            break
        try:
            specs = lower(call)
        except ExportError:
            break
        if len(specs) == 1 and specs[0].kind == "Rescaling":
            scale, offset = (np.abs(np.asarray(specs[0].config[key])).max() for key in ("scale", "offset"))
            large = scale < _PIXEL_SCALE or offset > _PIXEL_SHIFT
            return ("0-255" if large else "0-1"), f"its layer {call.key!r} ({call.kind})"
    return "0-1", "its having no layer that rescales pixels"


def _ends_in_logits(path: Path, calls: tuple[Call, ...], outputs: tuple[str, ...]) -> bool:
    by_name = {call.name: call for call in calls}
    last = by_name[outputs[0]]
    while last.kind in _PASSING and last.inputs[0] in by_name:
        last = by_name[last.inputs[0]]
    if last.kind == "Softmax":
        return False
    config = last.layer.get_config() if hasattr(last.layer, "get_config") else {}
    activation = config.get("activation", "linear") if hasattr(last.layer, "weights") else last.kind.lower()
    activation = activation if isinstance(activation, str) else "an activation of your own"
    if activation in ("softmax", "linear"):
        return activation == "linear"
    raise ExportError(
        f"{path} ends in {activation!r} ({last.key}); expected softmax, or logits without an activation, over the classes."
    )


def _wrapped(model: Any, framework: str, dataset: Dataset, input_range: InputRange, logits: bool) -> Any:
    fixed = tuple(model.inputs[0].shape) == (None, *dataset.input.shape)
    if input_range == "0-1" and not logits and fixed:
        return model
    keras = backend.load("tensorflow") if framework == "keras" else tf.tf_keras()
    image = keras.Input(dataset.input.shape, name="edgekit_image")
    (low, high), x = RANGES[input_range], image
    if input_range != "0-1":
        x = keras.layers.Rescaling(high - low, offset=low, name="edgekit_pixels")(x)
    if len(model.inputs[0].shape) == 3:
        x = keras.layers.Reshape(dataset.input.shape[:2], name="edgekit_gray")(x)
    x = model(x)
    return keras.Model(image, keras.layers.Softmax(name="edgekit_probabilities")(x) if logits else x, name=model.name)
