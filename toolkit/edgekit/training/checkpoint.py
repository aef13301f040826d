"""Checkpoints from which an interrupted training resumes: weights, optimizer and all other state the next epoch needs."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import IntegrityError
from edgekit.runs.recorded import inside
from edgekit.training.averaging import Mean


def _dropout_states(model: Any) -> list[Any]:
    """The RNG states of dropout layers, which a weight file does not contain."""
    weights = {id(weight) for weight in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


class Checkpoint:
    """The newest complete checkpoint in `folder`, which is kept between builds until training is finished."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, model: Any, epoch: int, history: dict[str, list[float]], mean: Mean) -> None:
        """Save the state after `epoch` epochs; the previous checkpoint is replaced only when this one is complete."""
        self.folder.mkdir(parents=True, exist_ok=True)
        weights = self.folder / f"{epoch}.weights.h5"
        model.save_weights(weights)
        arrays: dict[str, Any] = {f"mean_{i}": total for i, total in enumerate(mean.sums)}
        arrays |= {f"seed_{i}": np.asarray(state) for i, state in enumerate(_dropout_states(model))}
        np.savez(self.folder / f"{epoch}.arrays.npz", **arrays)
        state = {"epoch": epoch, "history": history, "averaged": mean.count, "weights": weights.name}
        part = self.folder / "state.part"
        part.write_text(json.dumps(state))
        part.replace(self.folder / "state.json")
        for left in self.folder.glob("*.*"):
            if left.name.split(".")[0] not in (str(epoch), "state"):
                left.unlink()

    def load(self, model: Any) -> tuple[int, dict[str, list[float]], Mean]:
        """Restore `model` (compiled, its optimizer built) and return epochs done, history and mean; zero when there is none."""
        try:
            state = json.loads((self.folder / "state.json").read_text())
            names = f"{state['epoch']}.arrays.npz", state["weights"]
            arrays, weights = (inside(self.folder, name, self.folder / "state.json") for name in names)
            with np.load(arrays, allow_pickle=False) as file:
                sums = [file[f"mean_{i}"] for i in range(sum(name.startswith("mean_") for name in file.files))]
                seeds = [file[f"seed_{i}"] for i in range(len(_dropout_states(model)))]
            # Last, so that a damaged checkpoint leaves the network unchanged.
            model.load_weights(weights)
            for variable, value in zip(_dropout_states(model), seeds, strict=True):
                variable.assign(value)
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, IntegrityError):
            return 0, {}, Mean()
        return int(state["epoch"]), state["history"], Mean(sums, int(state["averaged"]))
