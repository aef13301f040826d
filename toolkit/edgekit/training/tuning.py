"""What of a student is trained: all of it, its head alone, or its head and the parameters of `edgekit.peft`.

For the last, a stage leaves the plain network with the frozen trunk and the trained head (BASE), the new parameters (VALUES) and
the logits that the trained network gives for real samples (LOGITS), which the merged network has to give as well.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import RecipeError
from edgekit.peft.apply import Adapted, apply, train_only
from edgekit.peft.insertion import HEAD
from edgekit.peft.merge import merge
from edgekit.recipe import Recipe
from edgekit.sections import PeftSection
from edgekit.training import signals, transfer
from edgekit.types import Dataset, Reporter

STUDENT = "student_float.keras"
BASE, VALUES, LOGITS, FACTS = "student_base.keras", "peft.npz", "logits.npy", "tuning.json"
_SAMPLES = 512


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tuned:
    """A student about to be trained. model: what is trained. plain: what it is without new layers. adapted: None = has none."""

    section: PeftSection
    plain: Any
    model: Any
    adapted: Adapted | None = None

    def in_float32(self, keras: Any, plain: Any) -> Tuned:
        """The same with the weights in `plain`, a network that was built to compute in float32."""
        plain.set_weights(self.plain.get_weights())
        other = _adapted(keras, plain, self.section)
        other.model.set_weights(self.model.get_weights())
        for layer, trained in zip(other.model.layers, self.model.layers, strict=True):
            layer.trainable = trained.trainable
        return other

    def save(self, keras: Any, path: Path, dataset: Dataset) -> None:
        """Write the student to `path`; one whose new parameters have to be merged yet, as the files that the module names."""
        if self.adapted is None or not self.section.merges:
            self._facts(path)
            # Frozen for this training: what prunes the network or makes it aware of quantization trains all of it.
            train_only(self.model, {layer.name for layer in self.model.layers})
            self.model.save(path)
            return
        self._facts(path)
        np.save(path.with_name(LOGITS), logits(keras, self.model, dataset), allow_pickle=False)
        values: dict[str, Any] = dict(self.adapted.values())
        np.savez(path.with_name(VALUES), **values)
        self.plain.get_layer(HEAD).set_weights(self.model.get_layer(HEAD).get_weights())
        self.plain.save(path.with_name(BASE))

    def _facts(self, path: Path) -> None:
        trained = sum(int(np.prod(v.shape)) for v in self.model.trainable_weights)
        facts = {
            "method": self.section.method,
            "trainable": trained,
            "total": int(self.model.count_params()),
            "params": int(self.plain.count_params()),
            "places": 0 if self.adapted is None else len(self.adapted.insertions),
        }
        path.with_name(FACTS).write_text(json.dumps(facts))


def prepare(keras: Any, plain: Any, recipe: Recipe, dataset: Dataset, reporter: Reporter) -> Tuned:
    """Start `plain` from the recipe's file, if it names one, and freeze what is not to be trained.

    Raises:
        RecipeError: the file does not hold the whole trunk, where that is frozen; or the method finds no layer to change.
    """
    section, student = recipe.peft, recipe.student
    if student.backbone:
        path = Path(student.backbone)
        taken, notes = transfer.load_backbone(keras, plain, path, dataset.input.front_end)
        reporter.note("; ".join((f"backbone {path.name}: weights of {taken} layers", *notes)))
    elif student.weights:
        path = Path(student.weights)
        taken, left = transfer.start_from(keras, plain, path)
        told = f"; not {', '.join(left)}" if left else ""
        if (student.frozen or section.method != "none") and (random := [name for name in left if name != HEAD]):
            raise RecipeError(
                f"The trunk is frozen, and {path} has no weights that fit {', '.join(random[:4])}, which would stay random. "
                "Take a file of the same network, width and input size."
            )
        reporter.note(f"starts from {path.name}: weights of {taken} layers{told}")
    return restricted(keras, plain, recipe)


def restricted(keras: Any, plain: Any, recipe: Recipe) -> Tuned:
    """Freeze what is not to be trained of `plain`, whatever its weights: what the FLOPs of a training depend on.

    Raises:
        RecipeError: the method finds no layer to change.
    """
    if recipe.peft.method == "none" and recipe.student.frozen:
        train_only(plain, {HEAD})
    return _adapted(keras, plain, recipe.peft)


def _adapted(keras: Any, plain: Any, section: PeftSection) -> Tuned:
    if section.method == "none":
        return Tuned(section=section, plain=plain, model=plain)
    adapted = apply(keras, plain, section)
    return Tuned(section=section, plain=plain, model=adapted.model, adapted=adapted)


def logits(keras: Any, model: Any, dataset: Dataset) -> NDArray[np.float32]:
    """(n, K) of a network for real samples that are not test: val, cal, then train."""
    parts = [split.x[:_SAMPLES] for split in (dataset.val, dataset.cal, dataset.train)]
    return signals.describe(signals.describing(keras, model), np.concatenate(parts)[:_SAMPLES])[2]


def tuned(keras: Any, folder: Path, section: PeftSection) -> Any:
    """The student that a training stage left in `folder`, its new parameters merged where the method does that."""
    if not section.merges:
        return keras.models.load_model(folder / STUDENT, compile=False)
    model = keras.models.load_model(folder / BASE, compile=False)
    with np.load(folder / VALUES, allow_pickle=False) as file:
        merge(model, {name: file[name] for name in file.files}, section)
    return model
