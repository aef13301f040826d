"""The content of study.json: what was run and what was not, what it cost, and what may be said of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.environment import environment
from edgekit.evidence.weighted import METRICS, statistic
from edgekit.study import graph, judging, reliability, results
from edgekit.study.ledger import equal, ledger
from edgekit.study.plan import WHAT, Plan
from edgekit.study.results import Finished
from edgekit.study.schedule import Outcome
from edgekit.types import Reporter

SCHEMA = 1
_LEAST_DRAWS = 5
_TOLERANCE = 0.02  # of compute that is called equal


def assemble(plan: Plan, out: Path, outcomes: Mapping[str, Outcome], reporter: Reporter) -> dict[str, Any]:
    """Judge the finished runs and put everything together.

    Raises:
        IntegrityError: two runs were tested on different samples.
    """
    study = plan.study
    finished = results.read(plan, out, outcomes)
    labels = results.labels_of(plan, finished) if finished else []
    tested = {label: results.tested(plan, finished, outcomes, label) for label in labels}
    digests = results.graphs(finished, labels)
    mismatches, differences = _graphs(plan, finished, digests, labels)
    comparisons = {
        label: [
            pair
            for pair in plan.comparisons
            if all(any(tested[label].get(name, {}).values()) for name in pair) and (*pair, label) not in mismatches
        ]
        for label in labels
    }
    judged = judging.verdicts(tested, comparisons, study.metrics)
    rows = ledger(plan.arms, finished, labels[0]) if finished else []
    units, samples = _size(tested)
    found = {
        "schema": SCHEMA,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **environment(),
        "name": out.name,
        "study": study.model_dump(mode="json"),
        "arms": [_arm(arm, tested, study.metrics, finished) for arm in plan.arms],
        "runs": [_run(run, outcomes[run.name]) for run in plan.runs],
        "excluded": [
            {"run": run.name, "status": outcomes[run.name].status, "reason": outcomes[run.name].reason}
            for run in plan.runs
            if outcomes[run.name].status in ("failed", "not run")
        ],
        "verdicts": [judging.row(label, verdict) for label, verdict in judged],
        "planning": judging.plans(judged, study.worthwhile, units),
        "groups": judging.per_group(tested, comparisons, study.metrics) if study.leave_out else [],
        "test_samples": samples,
        "reliability": reliability.of_files(plan.arms, tested, finished),
        "ledger": rows,
        "equal": {key: equal(rows, key) for key in ("steps", "student_train_flops", "macs")} if rows else {},
        "graphs": {
            "digests": digests,
            "operators": _operators(finished, labels),
            "differences": differences,
            "mismatches": [
                f"{arm} and {control} should have the same inference graph in {label}, but operators or shapes differ."
                for arm, control, label in mismatches
            ],
        },
        "notes": [*_notes(plan, outcomes, finished), *_unequal(plan, rows)],
    }
    # As it will be read back.
    plain: dict[str, Any] = json.loads(json.dumps(found, allow_nan=False))
    return plain


def _graphs(
    plan: Plan, finished: Sequence[Finished], digests: Mapping[str, Mapping[str, Sequence[str]]], labels: Sequence[str]
) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Comparisons (arm, control, label) whose graphs differ against the study's word, and those that differ by it, told."""
    against: list[tuple[str, str, str]] = []
    told: list[str] = []
    for arm, control in plan.comparisons:
        recipes = [results.recipe_of_arm(name, finished) for name in (arm, control)]
        if recipes[0] is None or recipes[1] is None:
            continue
        for label in labels:
            if len({*digests[arm][label], *digests[control][label]}) == 1:
                continue
            if results.deliberate(recipes[0], recipes[1]):
                told.append(f"{arm} and {control} have different inference graphs in {label}, as their recipes mean.")
            else:
                against.append((arm, control, label))
    return against, told


def _size(tested: judging.Results) -> tuple[int, int]:
    """(independent units, test samples): groups, where they were left out."""
    for by_arm in tested.values():
        for by_seed in by_arm.values():
            for one in by_seed.values():
                if one is not None:
                    samples = len(one.predictions[1])
                    return (samples if one.groups is None else len(np.unique(one.groups))), samples
    return 0, 0


def _arm(arm: Any, tested: judging.Results, metrics: Sequence[str], finished: Sequence[Finished]) -> dict[str, Any]:
    """An arm with its metrics on test: the value of each RNG seed, and their mean."""
    values: dict[str, dict[str, Any]] = {}
    for label, by_arm in tested.items():
        for metric in metrics:
            of: dict[int, float] = {}
            for seed, one in by_arm.get(arm.name, {}).items():
                if one is not None and np.isfinite(one.predictions[2]).all():
                    _, labels, probabilities = one.predictions
                    of[seed] = float(statistic(metric, probabilities, labels)(np.ones((1, len(labels))))[0])
            values.setdefault(label, {})[metric] = {
                "mean": float(np.mean(list(of.values()))) if of else None,
                "sd": float(np.std(list(of.values()), ddof=1)) if len(of) > 1 else None,
                "seeds": of,
                "higher_is_better": METRICS[metric].higher_is_better,
            }
    own = [done.document["curation"] for done in finished if done.run.arm == arm]
    return {
        "name": arm.name,
        "kind": arm.kind,
        "of": arm.of,
        "what": WHAT[arm.kind],
        "values": values,
        "n_dropped": sorted({row["n_dropped"] for row in own}),
        "n_relabeled": sorted({row.get("n_relabeled", 0) for row in own}),
        "n_weighted": sorted({row.get("n_weighted", 0) for row in own}),
        "injected_noise": _injected([row["injected_noise"] for row in own if row.get("injected_noise")]),
    }


def _injected(told: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What the arm's runs did about labels that were made wrong on purpose, mean over runs; None where none were.

    precision: over the runs that edited anything, None if none did.
    """
    if not told:
        return None
    found: dict[str, Any] = {"runs": len(told)}
    for key in ("count", "edited", "recall", "precision"):
        values = [row[key] for row in told if row[key] is not None]
        found[key] = float(np.mean(values)) if values else None
    return found


def _run(run: Any, outcome: Outcome) -> dict[str, Any]:
    return {
        "name": run.name,
        "arm": run.arm.name,
        "seed": run.seed,
        "group": run.group,
        "status": outcome.status,
        "reason": outcome.reason,
        "seconds": outcome.seconds,
        "attempts": outcome.attempts,
        "path": f"runs/{run.name}",
    }


def _operators(finished: Sequence[Finished], labels: Sequence[str]) -> dict[str, dict[str, dict[str, int]]]:
    """Arm -> label -> operator -> how often, of the arm's first run."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for done in finished:
        if done.run.arm.name not in found:
            paths = {label: done.folder / "artifacts" / done.files[label] for label in labels}
            found[done.run.arm.name] = {label: graph.operators(path) for label, path in paths.items()}
    return found


def _unequal(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where arms do not have the compute that the study says is equal: by a recipe's own epochs, or since epochs are whole."""
    key, named = {
        "steps": ("steps", "training steps"),
        "flops": ("student_train_flops", "student training FLOPs"),
    }.get(plan.study.match, ("", ""))
    if not key or not rows:
        return []
    cost = {row["arm"]: max(row["steps"]) if key == "steps" else row[key] for row in rows}
    # The control on other epochs is meant to differ.
    against = {arm.name: cost[arm.name] for arm in plan.arms if arm.name in cost and arm.kind != "flops"}
    first, base = next(iter(against.items()))
    return [
        f"Not equal: {name} has {value / base:.2f} times the {named} of {first}."
        for name, value in against.items()
        if abs(value / base - 1) > _TOLERANCE
    ]


def _notes(plan: Plan, outcomes: Mapping[str, Outcome], finished: Sequence[Finished]) -> list[str]:
    notes = []
    if finished:
        recipe = finished[0].document["recipe"]
        notes.append(
            f"All runs share the splits of seed {recipe['data']['seed']} and the teacher of seed {recipe['teacher']['seed']}: "
            "the verdicts are on other seeds of the student and other test samples, not on other teachers."
        )
    for arm in plan.arms:
        runs = [run for run in plan.runs if run.arm == arm]
        complete = [run for run in runs if outcomes[run.name].status == "complete"]
        if arm.kind in ("random", "matched") and 0 < len({run.seed for run in complete}) < _LEAST_DRAWS:
            draws = len({run.seed for run in complete})
            notes.append(f"{arm.name} rests on {draws} random draws; at least {_LEAST_DRAWS} are wanted.")
        if all(outcomes[run.name].status == "not needed" for run in runs):
            notes.append(f"{arm.name} was not needed: {outcomes[runs[0].name].reason}.")
    if plan.study.match == "flops":
        notes.append("Equal FLOPs are those of the student's training; fine-tuning after pruning comes on top.")
    return notes
