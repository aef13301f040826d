"""What the schedule needs from a study: the recipe of each run, and whether its folder is finished."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from edgekit.errors import IntegrityError, UsageError
from edgekit.recipe import Recipe
from edgekit.runs.files import canonical_json
from edgekit.runs.folder import RunFolder
from edgekit.study import controls, matching
from edgekit.study.plan import Run, recipe_of
from edgekit.study.prepare import Prepared
from edgekit.study.schedule import Skip
from edgekit.types import Reporter


class Work:
    """The recipes and finished runs of the study in `out`.

    Args:
        count: training FLOPs of a recipe's student on one sample.
    """

    def __init__(
        self, prepared: Prepared, out: Path, reporter: Reporter, count: Callable[[Recipe], int] = matching.count
    ) -> None:
        self._study, self._runs = prepared.plan.study, {run.name: run for run in prepared.plan.runs}
        self._prepared, self._out, self._reporter, self._count_flops = prepared, out, reporter, count
        self._counted: dict[str, int] = {}
        hours = self._study.max_hours
        self.deadline = None if hours is None else time.monotonic() + 3600 * hours

    def recipe(self, run: Run) -> Recipe | Skip:
        """The recipe of a run whose predecessor is complete, or why it is not run."""
        if run.after is None:
            return self._own(run)
        own, folder = self._own(self._runs[run.after]), self._out / "runs" / run.after
        nothing = Skip(status="not needed", reason=f"{run.after} dropped nothing, so all data is its control")
        if run.arm.kind == "random":
            return controls.random(own, folder) or nothing
        if run.arm.kind == "matched":
            return controls.matched(own, folder, self._out / "controls" / f"{run.name}.jsonl") or nothing
        longer = controls.same_total_flops(own, folder)
        if longer is None:
            return Skip(status="not needed", reason=f"the curation of {run.after} trained nothing")
        seconds = controls.expected_seconds(own, folder, longer)
        if self.deadline is not None and time.monotonic() + seconds > self.deadline:
            hours = seconds / 3600
            reason = f"{longer.training.epochs:,} epochs, about {hours:.1f} hours, would end after max_hours"
            return Skip(status="not run", reason=reason)
        return longer

    def finished(self, run: Run, recipe: Recipe) -> bool:
        """Whether the run's folder is complete. Raises IntegrityError if a file changed, UsageError if it has another recipe."""
        path = self._out / "runs" / run.name
        if not (path / "manifest.json").exists():
            return False
        held = RunFolder.open(path, resume=True)
        try:
            text = held.manifest.get("recipe")
            moved = text is not None and run.arm.kind == "matched" and controls.moved(text, recipe, path)
            if text not in (None, recipe.to_yaml()) and not moved:
                raise UsageError(f"{path} contains a run with a different recipe; start the study in a new --out.")
            if held.manifest.get("status") != "complete":
                return False
            held.verify()
            return True
        except IntegrityError as error:
            raise IntegrityError(f"{error} (Or remove {path}: the study then repeats the run.)") from None
        finally:
            held.close()

    def _own(self, run: Run) -> Recipe:
        own = self._prepared.sized(recipe_of(self._study, run))
        if self._study.match != "flops":
            return own
        first = next(r for r in self._base_runs() if r.seed == run.seed and r.group == run.group)
        base = self._prepared.sized(recipe_of(self._study, first))
        return matching.matched(own, base, self._prepared.samples_of, self._count)

    def _base_runs(self) -> list[Run]:
        full = [run for run in self._runs.values() if run.arm.kind == "full"]
        return full or [run for run in self._runs.values() if run.arm.kind == "arm"]

    def _count(self, recipe: Recipe) -> int:
        """FLOPs depend only on the network, which the image size and the number of classes determine."""
        key = canonical_json([recipe.student.model_dump(mode="json"), recipe.data.spec, recipe.data.image_size])
        if key not in self._counted:
            self._reporter.note(f"counting the training FLOPs of {recipe.student.name}")
            self._counted[key] = self._count_flops(recipe)
        return self._counted[key]
