"""The control arm: the same build with as many samples dropped at random."""

from __future__ import annotations

import dataclasses

from edgekit.errors import GateNotMet, NotLearned
from edgekit.pipeline.values import Results, Work
from edgekit.recipe import Recipe
from edgekit.runs import recorded
from edgekit.runs.folder import MANIFEST


def build_control(work: Work, results: Results) -> Results:
    """Build the control arm: as many samples dropped at random (none, if the curation drops none), all else equal."""
    assert work.build is not None
    assert results.curated is not None
    assert results.student is not None
    selection, recipe = results.curated.selection, work.recipe
    if not selection.edits:
        return results
    path = work.run.path / "control"
    changed = recipe.model_dump(mode="json")
    changed["curation"] = (
        {"method": "random", "budget": len(selection.dropped)} if selection.dropped else {"method": "none"}
    )
    changed |= {"control": False, "gates": (), "bench": changed["bench"] | {"targets": ()}}
    changed["student"]["max_size"] = None
    changed["training"] |= {"epochs": results.student.epochs, "retries": 0}
    changed["quantization"]["waveform"] = False
    if recipe.quantization.precision != "auto":  # whose ladder must climb for the same demand
        changed["max_drop"] = None
    with work.stages.timed("control", f"Control: {len(selection.dropped):,} samples dropped at random"):
        arm = Recipe.model_validate(changed)
        held = recorded.manifest(path / MANIFEST)
        begun, same = held is not None, isinstance(held, dict) and held.get("recipe") == arm.to_yaml()
        try:
            # The ladder was allowed what it may judge in this build.
            work.build(arm, path, resume=same, force=begun and not same, lenient=work.lenient, reporter=work.reporter)
        except (GateNotMet, NotLearned) as missed:
            if missed.report is None:  # a file is wrong, rather than a demand not met by the control
                raise
    return dataclasses.replace(results, control=path)
