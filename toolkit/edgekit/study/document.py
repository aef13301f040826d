"""The content of study.json: what was run and what was not, what it cost, and the conclusions."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.evidence.weighted import METRICS, statistic
from edgekit.runs.environment import environment
from edgekit.study import graph, judging, reliability, results, sizing
from edgekit.study.definition import Study
from edgekit.study.ledger import equal, ledger, unequal
from edgekit.study.pairs import outstanding, pairs
from edgekit.study.plan import WHAT, Plan
from edgekit.study.results import Finished
from edgekit.study.schedule import Outcome

SCHEMA = 1
_LEAST_DRAWS = 5


def assemble(plan: Plan, out: Path, outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Judge the finished runs and assemble the results; what cannot be judged is listed with the reason."""
    study = plan.study
    finished = results.read(plan, out, outcomes)
    labels = results.labels_of(plan, finished) if finished else []
    tested = {label: results.tested(plan, finished, outcomes, label) for label in labels}
    digests = results.graphs(finished, labels)
    study_pairs = pairs(plan, finished, outcomes, tested, digests)
    judged = judging.verdicts(tested, study_pairs.judged, study.metrics)
    left = outstanding(plan, outcomes)
    if left:
        judged = judging.interim(judged, len(study.seeds))
    rows = ledger(plan.arms, finished, labels[0]) if finished else []
    apart = unequal(plan, rows)
    units, samples = _size(tested)
    document = {
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
        "outstanding": [run.name for run in left],
        "verdicts": [
            row | {"unequal": apart.get((row["arm"], row["control"]))}
            for row in (judging.row(label, verdict) for label, verdict in judged)
        ],
        "not_judged": [dataclasses.asdict(row) for row in study_pairs.refused],
        "limits": _limits(study, finished),
        "planning": sizing.plans(
            judged,
            tested,
            study.worthwhile,
            units,
            "groups" if study.leave_out else "test samples",
            study_pairs.planned * len(study.metrics),
        ),
        "groups": judging.per_group(tested, study_pairs.judged, study.metrics) if study.leave_out else [],
        "test_samples": samples,
        "reliability": reliability.of_files(plan.arms, tested, finished),
        "ledger": rows,
        "equal": {key: equal(rows, key) for key in ("steps", "student_train_flops", "macs")} if rows else {},
        "graphs": {
            "digests": digests,
            "operators": _operators(finished, labels),
            "differences": study_pairs.differences,
            "mismatches": study_pairs.mismatches,
        },
        "notes": _notes(plan, outcomes),
    }
    # As a reader will load it.
    plain: dict[str, Any] = json.loads(json.dumps(document, allow_nan=False))
    return plain


def _size(tested: judging.Results) -> tuple[int, int]:
    """(independent units, test samples): units are groups, if they were left out."""
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


def _injected(counts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """How the arm's runs treated labels corrupted on purpose, mean over runs; None if there were none.

    precision: over the runs that edited anything, None if none did.
    """
    if not counts:
        return None
    means: dict[str, Any] = {"runs": len(counts)}
    for key in ("count", "edited", "recall", "precision"):
        values = [row[key] for row in counts if row[key] is not None]
        means[key] = float(np.mean(values)) if values else None
    return means


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
    by_arm: dict[str, dict[str, dict[str, int]]] = {}
    for done in finished:
        if done.run.arm.name not in by_arm:
            own = [label for label in labels if label in done.files]
            by_arm[done.run.arm.name] = {label: graph.operators(done.path(label)) for label in own}
    return by_arm


def _limits(study: Study, finished: Sequence[Finished]) -> list[str]:
    """What all runs share, and which the verdicts therefore do not cover."""
    if not finished:
        return []
    recipes = [done.document["recipe"] for done in finished]
    selections: dict[tuple[str, Any], set[str]] = {}
    for done in finished:
        own = done.document["curation"]
        if done.run.arm.kind == "arm" and own["n_dropped"] + own.get("n_relabeled", 0) + own.get("n_weighted", 0):
            selections.setdefault((done.run.arm.name, done.run.group), set()).add(own["selection_sha256"])
    shared = [f"one data set with one split (seed {recipes[0]['data']['seed']})"]
    others = []
    if any(r["curation"]["method"] not in ("none", "random") or r["distillation"]["alpha"] for r in recipes):
        shared.append(f"one teacher (seed {recipes[0]['teacher']['seed']})")
        others.append("teachers")
    same = list(dict.fromkeys(arm for (arm, _), digests in selections.items() if len(digests) == 1))
    if same:
        shared.append(f"one curation each by {', '.join(same)}" if len(same) > 1 else f"one curation by {same[0]}")
        others.append("curations")
    each = " for each group left out" if study.leave_out else ""
    return [
        f"All verdicts rest on {', '.join(shared)}{each}. They generalize to other students and test samples, not to other "
        f"{', '.join([*others, 'splits or data sets'])}."
    ]


def _notes(plan: Plan, outcomes: Mapping[str, Outcome]) -> list[str]:
    notes = []
    for arm in plan.arms:
        runs = [run for run in plan.runs if run.arm == arm]
        complete = [run for run in runs if outcomes[run.name].status == "complete"]
        if arm.kind in ("random", "matched") and 0 < len({run.seed for run in complete}) < _LEAST_DRAWS:
            draws = len({run.seed for run in complete})
            notes.append(f"{arm.name} rests on {draws} random draws; at least {_LEAST_DRAWS} are recommended.")
        if all(outcomes[run.name].status == "not needed" for run in runs):
            notes.append(f"{arm.name} was not needed: {outcomes[runs[0].name].reason}.")
    if plan.study.match == "flops":
        notes.append("Equal FLOPs refer to the student's training; fine-tuning after pruning is extra.")
    return notes
