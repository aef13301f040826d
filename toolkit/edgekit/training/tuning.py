"""Which part of a student is trained: all of it, its head alone, or its head and the parameters of `edgekit.peft`.

In the last case, a stage saves the plain network with the frozen trunk and the trained head (BASE), the new parameters (VALUES)
and the logits of the trained network for real samples (LOGITS), which the merged network must reproduce.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import RecipeError
from edgekit.frameworks import backend
from edgekit.peft.apply import Adapted, apply, train_only
from edgekit.peft.insertion import HEAD
from edgekit.peft.merge import merge
from edgekit.recipe import PeftSection, Recipe
from edgekit.students.pretrained import public
from edgekit.training import flops, signals, transfer
from edgekit.training.phases import HeadFirst
from edgekit.types import Dataset, Reporter

STUDENT = "student_float.keras"
BASE, VALUES, LOGITS, FACTS = "student_base.keras", "peft.npz", "logits.npy", "tuning.json"
_SAMPLES = 171  # of each split
_HEAD_SHARE = 0.2  # of the epochs; a convention, not measured: see benchmarks/pretrained_small.py


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tuned:
    """A student ready for training.

    model: the model to train. plain: the same without new layers. adapted: None = it has none. heads: names of the layers that
    are trained directly when the trunk is frozen. head_first: how the training is divided into phases; None = one phase.
    """

    section: PeftSection
    plain: Any
    model: Any
    adapted: Adapted | None = None
    heads: frozenset[str] = frozenset({HEAD})
    head_first: HeadFirst | None = None

    def in_float32(self, keras: Any, plain: Any) -> Tuned:
        """The same with the weights in `plain`, a network that computes in float32."""
        plain.set_weights(self.plain.get_weights())
        for layer, known in zip(plain.layers, self.plain.layers, strict=True):
            if hasattr(known, "epsilon"):  # a public checkpoint's may differ from the network's own
                layer.epsilon = known.epsilon
        other = _adapted(keras, plain, self.section, self.heads)
        other.model.set_weights(self.model.get_weights())
        for layer, trained in zip(other.model.layers, self.model.layers, strict=True):
            layer.trainable = trained.trainable
        return other

    def save(self, keras: Any, path: Path, dataset: Dataset) -> None:
        """Write the student to `path`; one whose new parameters still have to be merged, as the files listed at the top."""
        if self.adapted is None or not self.section.merges:
            self._facts(path)
            # Frozen for this training only: pruning and quantization-aware training train all layers.
            train_only(self.model, {layer.name for layer in self.model.layers})
            self.model.save(path)
            return
        self._facts(path)
        np.save(path.with_name(LOGITS), logits(keras, self.model, dataset), allow_pickle=False)
        values: dict[str, Any] = dict(self.adapted.values())
        np.savez(path.with_name(VALUES), **values)
        for name in self.heads:
            self.plain.get_layer(name).set_weights(self.model.get_layer(name).get_weights())
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
    """Initialize `plain` from the recipe's file, if it names one, and freeze what is not to be trained.

    Raises:
        RecipeError: the file lacks part of the trunk although that is frozen; or the method finds no layer to change.
        DataError, IntegrityError: public weights are not available.
    """
    section, student = recipe.peft, recipe.student
    path = public.fetched(student, dataset.input.shape)
    if path is None:
        return restricted(keras, plain, recipe)
    if student.backbone:
        loaded = transfer.load_backbone(keras, plain, path, dataset.input.front_end)
        note = f"backbone {path.name}: weights of {loaded.layers} layers"
    else:
        loaded = transfer.start_from(keras, plain, path)
        note = f"starts from {path.name}: weights of {loaded.layers} layers"
        note += f"; not {', '.join(loaded.fresh)}" if loaded.fresh else ""
        if (student.frozen or section.method != "none") and (random := [n for n in loaded.fresh if n != HEAD]):
            raise RecipeError(
                f"The trunk is frozen, and {path} has no weights that fit {', '.join(random[:4])}, which would stay random. "
                "Use a file of the same network, width and input size."
            )
    heads = frozenset({HEAD, *loaded.fresh})
    plan = _plan(recipe, heads, known=student.weights is not None and HEAD not in loaded.fresh)
    notes = [note, *loaded.notes]
    if plan and (first := plan.epochs(recipe.training.epochs)):
        alone = ", ".join(sorted(heads))
        notes.append(
            f"epochs 1 to {first} train only {alone}, then up to {recipe.training.epochs} all layers at a tenth of the rate"
        )
    reporter.note("; ".join(notes))
    return dataclasses.replace(restricted(keras, plain, recipe, heads), head_first=plan)


def _plan(recipe: Recipe, heads: frozenset[str], *, known: bool) -> HeadFirst | None:
    """How training from pretrained weights is divided; known: the file has the head too."""
    student = recipe.student
    share = (0.0 if known else _HEAD_SHARE) if student.head_first == "auto" else student.head_first
    if not share or student.frozen or recipe.peft.method != "none":
        return None
    return HeadFirst(fresh=heads, share=share)


def sample_flops(keras: Any, plain: Any, recipe: Recipe) -> int:
    """FLOP of training on one sample, computed without weights; for two phases the mean, as if only the head were fresh."""
    whole = flops.train_flops(restricted(keras, plain, recipe).model, 1)
    plan = _plan(recipe, frozenset({HEAD}), known=False) if recipe.student.start else None
    if plan is None:
        return whole
    train_only(plain, {HEAD})
    return round((1 - plan.share) * whole + plan.share * flops.train_flops(plain, 1))


def restricted(keras: Any, plain: Any, recipe: Recipe, heads: frozenset[str] = frozenset({HEAD})) -> Tuned:
    """Freeze the layers of `plain` that are not to be trained, whatever its weights.

    Args:
        heads: layers that are always trained.

    Raises:
        RecipeError: the method finds no layer to change.
    """
    if recipe.peft.method == "none" and recipe.student.frozen:
        train_only(plain, {*heads})
    return _adapted(keras, plain, recipe.peft, heads)


def _adapted(keras: Any, plain: Any, section: PeftSection, heads: frozenset[str]) -> Tuned:
    if section.method == "none":
        return Tuned(section=section, plain=plain, model=plain, heads=heads)
    adapted = apply(keras, plain, section, heads)
    return Tuned(section=section, plain=plain, model=adapted.model, adapted=adapted, heads=heads)


def logits(keras: Any, model: Any, dataset: Dataset) -> NDArray[np.float32]:
    """(n, K) of a network for real samples outside test, spread over val, cal and train, in exact float32."""
    parts = []
    for split in (dataset.val, dataset.cal, dataset.train):
        rows = np.linspace(0, len(split) - 1, min(_SAMPLES, len(split))).astype(np.int64)
        parts.append(split.x[rows])
    with backend.exact_float32(keras):
        return signals.describe(signals.describing(keras, model), np.concatenate(parts))[2]


def tuned(keras: Any, folder: Path, section: PeftSection) -> Any:
    """The student that a training stage saved in `folder`, with its new parameters merged if the method does that."""
    if not section.merges:
        return keras.models.load_model(folder / STUDENT, compile=False)
    model = keras.models.load_model(folder / BASE, compile=False)
    with np.load(folder / VALUES, allow_pickle=False) as file:
        merge(model, {name: file[name] for name in file.files}, section)
    return model
