"""What each arm cost: training steps, FLOPs and seconds, and beside them those of its curation (docs/methods.md, "Compute")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.runs.files import canonical_json
from edgekit.study.plan import Arm, Plan
from edgekit.study.results import Finished

_TOLERANCE = 0.02  # relative difference of compute that counts as equal
_MATCHED = {
    "steps": ("steps", "training steps"),
    "flops": ("student_train_flops", "student training FLOPs"),
    "epochs": ("epochs", "training epochs"),
}
_CURATION = ("teacher", "fold_", "threshold_", "embeddings", "curation", "repeat_")


def ledger(arms: Sequence[Arm], finished: Sequence[Finished], label: str) -> list[dict[str, Any]]:
    """A row for each arm with a finished run; numbers of one run are the mean over the arm's runs.

    curation_flops is paid once for all seeds if they share a teacher; so is curation_seconds, taken from the run of the study
    that did the work: None if it came from a cache filled by an earlier build. label: the judged file whose size and
    MAC are listed.
    """
    stage_seconds = _stage_seconds(finished)
    rows = []
    for arm in arms:
        own = [done for done in finished if done.run.arm == arm]
        if not own:
            continue
        students = [done.document["training"]["student"] for done in own]
        files = [done.artifact(label) for done in own if label in done.files]
        sizes = [file["size_bytes"] for file in files]
        rows.append(
            {
                "arm": arm.name,
                "runs": len(own),
                "n_kept": _mean([done.document["curation"]["n_kept"] for done in own]),
                "steps": _each([student["steps"] for student in students]),
                "epochs": _each([done.document["recipe"]["training"]["epochs"] for done in own]),
                "batch_size": own[0].document["recipe"]["training"]["batch_size"],
                "student_train_flops": _mean([student["train_flops"] for student in students]),
                "curation_flops": _mean([done.document["curation"]["curation_flops"] for done in own]),
                "student_seconds": round(_mean([student["seconds"] for student in students]), 3),
                "curation_seconds": _curation_seconds(own[0], stage_seconds),
                "run_seconds": round(_mean([sum(done.document["timings"].values()) for done in own]), 3),
                "macs": _each([file["macs"] for file in files]),
                "size_bytes": [min(sizes), max(sizes)] if sizes else [],
            }
        )
    return rows


def equal(rows: Sequence[Mapping[str, Any]], key: str) -> bool:
    """Whether all arms have the same value."""
    return len({canonical_json(row[key]) for row in rows}) <= 1


def unequal(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """Comparisons (arm, control) that are unequal in what the study keeps equal, described: because of a recipe's own epochs or
    data, or because epochs are whole. The control trained with the additional FLOPs of curation is meant to differ.

    Args:
        rows: of `ledger`.
    """
    key, named = _MATCHED[plan.study.match]
    cost = {row["arm"]: max(row[key]) if isinstance(row[key], list) else row[key] for row in rows}
    meant = {arm.name for arm in plan.arms if arm.kind == "flops"}
    sentences = {}
    for arm, control in plan.comparisons:
        if arm in cost and control in cost and control not in meant:
            times = cost[arm] / cost[control]
            if abs(times - 1) > _TOLERANCE:
                sentences[arm, control] = f"{arm} has {times:.2f} times the {named} of {control}"
    return sentences


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _each(values: Sequence[Any]) -> list[Any]:
    """The values that occur, each once."""
    return sorted(set(values), key=lambda value: (value is None, value))


def _key(done: Finished, stage: str) -> str:
    recipe = done.document["recipe"]
    # The method's own work is per arm; a teacher or a fold is shared by all whose teacher and data are the same.
    own = done.run.arm.name if stage == "curation" else recipe["curation"]["folds"] if "fold_" in stage else None
    return canonical_json([stage, recipe["data"], recipe["teacher"], own])


def _stage_seconds(finished: Sequence[Finished]) -> dict[str, float]:
    """Seconds of the curation's stages that were not taken from the cache; the longest, if several runs did the work."""
    seconds_of: dict[str, float] = {}
    for done in finished:
        for stage, seconds in done.document["timings"].items():
            if stage.startswith(_CURATION) and stage not in done.document["reused_stages"]:
                key = _key(done, stage)
                seconds_of[key] = max(seconds, seconds_of.get(key, 0.0))
    return seconds_of


def _curation_seconds(done: Finished, stage_seconds: Mapping[str, float]) -> float | None:
    stages = [stage for stage in done.document["timings"] if stage.startswith(_CURATION)]
    seconds = [stage_seconds.get(_key(done, stage)) for stage in stages]
    known = [value for value in seconds if value is not None]
    return round(sum(known), 3) if len(known) == len(seconds) else None
