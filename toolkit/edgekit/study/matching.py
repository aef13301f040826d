"""Equal training FLOPs: how many epochs a network gets so that its training costs as much as the base recipe's.

Counting the training FLOPs of one sample needs the network, hence a framework, so it is done in a separate process
(`python -m edgekit.study.matching`, a recipe on standard input); the study's own process needs no framework.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable

from edgekit.errors import TrainingError
from edgekit.recipe import Recipe


def count(recipe: Recipe) -> int:
    """FLOPs of training the recipe's student on one sample, forward and backward (docs/methods.md, "FLOPs").

    Raises:
        TrainingError: the network could not be built.
    """
    done = subprocess.run(
        [sys.executable, "-m", "edgekit.study.matching"], input=recipe.to_yaml(), capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TrainingError(f"The training FLOPs of {recipe.student.name!r} could not be counted: {last}")
    return int(done.stdout.split()[-1])


def matched(
    recipe: Recipe, base: Recipe, samples: Callable[[Recipe], int], counted: Callable[[Recipe], int] = count
) -> Recipe:
    """`recipe` with the epochs whose training FLOPs are closest to those of `base`, at least one.

    Args:
        samples: training samples of a recipe before curation, which determine the steps of an epoch.
        counted: FLOPs of one sample.
    """
    if _counts(recipe) == _counts(base):
        epochs = base.training.epochs
    else:

        def of_epoch(of: Recipe) -> int:
            return counted(of) * of.training.batch_size * math.ceil(samples(of) / of.training.batch_size)

        epochs = max(1, round(base.training.epochs * of_epoch(base) / of_epoch(recipe)))
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"epochs": epochs})})


def _counts(recipe: Recipe) -> tuple[object, ...]:
    """Everything that determines the FLOPs of an epoch: if equal, nothing has to be counted."""
    return recipe.student, recipe.peft, recipe.data, recipe.training.batch_size, recipe.training.patchout


def main() -> None:
    """Print the FLOPs of the recipe on standard input."""
    from edgekit import data, recipe, students
    from edgekit.frameworks import backend
    from edgekit.students import transformer
    from edgekit.training import tuning

    wanted = recipe.from_yaml(sys.stdin.read())
    dataset = data.load_section(wanted.data, wanted.seed)
    keras = backend.load(wanted.backend)
    section = wanted.student
    shape, classes = dataset.input.shape, len(dataset.classes)
    model = students.build("students", section.name, keras, shape, classes, section.width, section.backbone)
    transformer.set_patchout(model, wanted.training.patchout)
    print(tuning.sample_flops(keras, model, wanted))


if __name__ == "__main__":
    main()
