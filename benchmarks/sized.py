"""A recipe as a build would resolve it for a data set, for benchmarks that train without a build."""

from __future__ import annotations

from edgekit import recipe
from edgekit.recipe import Recipe
from edgekit.training import budget
from edgekit.types import Dataset


def sized(dataset: Dataset, *settings: str) -> Recipe:
    """The default recipe with settings such as "training.epochs=5", and a number for each "auto"."""
    return budget.sized(recipe.load(settings=settings), dataset.class_counts, dataset.input)
