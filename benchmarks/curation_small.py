"""Does curation leave small and uneven sets alone when they are clean, and find a tenth of wrong labels when they are not?

Goals: over clean sets of 60 to 5,000 samples, at most 2 % of any class dropped in the median and never more than 10 %, no
class lost; with 10 % symmetric noise and n >= 500, recall of .6 or more at a precision of .7 or more. For `auto`, self-
confidence, confident learning, consensus and iqr, each as a user gets it without a budget; beside them iqr on out-of-fold
losses, and what each would have dropped without the bound of each class (curation.max_class_edit=1). Each set has two judges,
trained once for all methods: a linear one (logistic regression on 50 principal components, in the default folds), which
learns much less than a network and so is the harder test of the bound, and networks (3 folds of the fast default teacher, and
the IQR study's), for 600 steps or more. The goals are about the networks. The sets: curation_sets.py. The tables go into
docs/curation.md.

    python benchmarks/curation_small.py --data DATA --resume                # after --judge linear: minutes

DATA (or EDGEKIT_DATA) holds mnist, fashion-mnist, fsdd and cifar10-jpg.tar. `--resume` keeps the rows that are in the result
file. `--quick`: two sets of drawings.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from curation_sets import Spec, make
from curation_small_tables import write_tables
from record import Case, kept, median, parser, record, run, say
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from edgekit import recipe
from edgekit.curation import auto as chooser
from edgekit.curation import gate, select
from edgekit.curation.noise import estimated_noise
from edgekit.data.pixels import to_float
from edgekit.errors import DataError
from edgekit.recipe import CurationSection, section_of
from edgekit.runs.stages import Stages
from edgekit.training.gather import fold_numbers, gather
from edgekit.types import Dataset, Selection, Signals, Silent

FOLDS, STEPS = 3, 600
CLEAN = (
    Spec("drawings", 2, 381, 16.3), Spec("fashion-mnist", 10, 500, 10), Spec("fsdd", 6, 226), Spec("mnist", 10, 200),
    Spec("cifar10-jpeg", 2, 200), Spec("drawings", 6, 200, 10), Spec("drawings", 60, 240), Spec("mnist", 2, 120, 10),
    Spec("fashion-mnist", 10, 2000, 10), Spec("drawings", 2, 60), Spec("fashion-mnist", 6, 500), Spec("mnist", 10, 1000, 10),
    Spec("cifar10-jpeg", 10, 1000), Spec("fsdd", 10, 1000, 10), Spec("fashion-mnist", 10, 5000), Spec("drawings", 60, 2400),
)  # fmt: skip
NOISY = (
    Spec("mnist", 10, 500, noise=0.1), Spec("fashion-mnist", 10, 1000, noise=0.1),
    Spec("mnist", 10, 2000, noise=0.1), Spec("mnist", 10, 2000, 10, noise=0.1), Spec("fashion-mnist", 10, 5000, noise=0.1),
)  # fmt: skip
QUICK = (Spec("drawings", 2, 60, 5), Spec("drawings", 4, 200, noise=0.1))
# The fifth goal's methods; what is added is told beside them and judged by nothing.
METHODS = ("auto", "self-confidence", "confident-learning", "consensus", "iqr")
BESIDE = {"iqr, out-of-fold": {"method": "iqr", "basis": "out-of-fold"}}


JUDGES = ("linear", "network")


def options() -> argparse.Namespace:
    arguments = parser(__doc__, "two sets of drawings")
    arguments.add_argument("--judge", choices=JUDGES, help="one judge; default: both, the linear one first")
    arguments.add_argument("--resume", action="store_true", help="keep the rows that are in the result file")
    arguments.add_argument("--data", type=Path, metavar="DIR", help="where the sets are; default: EDGEKIT_DATA")
    return arguments.parse_args()


def linear(dataset: Dataset) -> tuple[Signals, int]:
    """What logistic regressions tell out-of-fold, beside what one on all samples tells of them; and the number of folds."""
    train, classes = dataset.train, len(dataset.classes)
    x, val = (to_float(split.x[:]).reshape(len(split), -1) for split in (train, dataset.val))
    components = PCA(min(50, *x.shape), random_state=0).fit(x)
    h, val_h = (components.transform(part).astype(np.float32) for part in (x, val))
    fold_of = fold_numbers(train, None, 42)
    p = np.zeros((2, len(h), classes), np.float32)
    for fold in range(fold_of.max() + 1):
        _judge(h, train.y, fold_of != fold, fold_of == fold, p[0])
    everything = np.ones(len(h), dtype=bool)
    _judge(h, train.y, everything, everything, p[1])
    known = Signals(
        ids=train.ids, labels=train.y, classes=classes, oof_probs=p[0], pred_probs=p[1], embeddings=h,
        val_embeddings=val_h[None], val_labels=dataset.val.y,
    )  # fmt: skip
    return known, int(fold_of.max()) + 1


def _judge(h: Any, y: Any, learned: Any, rows: Any, p: Any) -> None:
    with warnings.catch_warnings():  # of a solver that would go on
        warnings.simplefilter("ignore")
        judge = LogisticRegression(C=10, max_iter=60).fit(h[learned], y[learned])
    p[np.ix_(rows, judge.classes_)] = judge.predict_proba(h[rows])


def networks(dataset: Dataset) -> tuple[Signals, int]:
    """What the folds' networks tell, beside the probabilities of the IQR study's network on all samples; and the folds' number.

    A build with `--curate iqr` takes that network for the folds too, which would be as many trainings again.
    """
    n = len(dataset.train)
    folds = min(FOLDS, int(np.bincount(dataset.train.y).min()))
    batch = 16 if n <= 1000 else 32 if n <= 2000 else 64
    fast = {"name": "microresnet", "batch_size": batch, "epochs": _epochs(n - n // folds, batch)}
    out = recipe.from_mapping({"curation": {"method": "auto", "folds": folds}, "teacher": fast})
    own = recipe.from_mapping({"curation": {"method": "iqr"}, "teacher": {"epochs": max(10, _epochs(n, 32))}})
    found = gather(("folds",), out, dataset, Stages(Silent())).signals
    teacher = gather(("teacher",), own, dataset, Stages(Silent())).signals
    return dataclasses.replace(found, pred_probs=teacher.pred_probs), folds


def _epochs(samples: int, batch: int) -> int:
    return math.ceil(STEPS / math.ceil(samples / batch))


def case(spec: Spec, judge: str) -> dict[str, Any]:
    """One set and its judge, and what each method does with and without the bound."""
    start, dataset = time.perf_counter(), make(spec)
    known, folds = (linear if judge == "linear" else networks)(dataset)
    seconds = time.perf_counter() - start
    assert known.oof_probs is not None and known.pred_probs is not None
    methods = {name: {"method": name} for name in METHODS} | BESIDE
    rows = {}
    for name, values in methods.items():
        rows[name] = selection_row(dataset, known, section_of(values), spec.seed)
        rows[name]["without_bound"] = selection_row(
            dataset, known, section_of({**values, "max_class_edit": 1}), spec.seed
        )
    say(
        f"{spec.name}, {judge}: {seconds:.0f} s, the folds agree with {gate.agreement(known):.3f} of the labels; most of a "
        "class: " + ", ".join(f"{name} {row['most_of_a_class']:.1%}" for name, row in rows.items())
    )
    return {
        **spec._asdict(), "name": spec.name, "judge": judge, "folds": folds, "sizes": np.bincount(dataset.train.y).tolist(),
        "oof_agreement": gate.agreement(known),
        "in_sample_agreement": float((known.pred_probs.argmax(axis=1) == known.labels).mean()),
        "estimate": estimated_noise(known.oof_probs, known.labels), "weak": gate.weakness(known),
        "training_seconds": round(seconds, 1), "methods": rows,
    }  # fmt: skip


def selection_row(dataset: Dataset, known: Signals, section: CurationSection, seed: int) -> dict[str, Any]:
    """What a selection takes of the class that loses most, and what it finds of the wrong labels."""
    chosen = section.method
    try:
        if chosen == "auto":
            section, facts = chooser.choose(known, section, seed=seed)
            chosen = facts["chosen"]
        selection, _ = select(known, section, seed=seed)
    except DataError as error:  # it would leave a class without a sample
        return {"error": str(error), "chosen": chosen, "most_of_a_class": 1.0, "edits": None}
    return {"chosen": chosen, **taken(dataset, selection)}


def taken(dataset: Dataset, selection: Selection) -> dict[str, Any]:
    """Edits of any kind, since a relabeled or down-weighted sample is taken from its class too."""
    edited = np.isin(dataset.train.ids, list(selection.edits))
    sizes = np.bincount(dataset.train.y)
    found: dict[str, Any] = {
        "edits": int(edited.sum()),
        "most_of_a_class": float((np.bincount(dataset.train.y[edited], minlength=len(sizes)) / sizes).max()),
    }
    if dataset.flipped is not None:
        bad = np.isin(dataset.train.ids, dataset.flipped)
        found["recall"] = float(edited[bad].mean())
        found["precision"] = float(bad[edited].mean()) if edited.any() else None
    return found


def judged(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Of each method: the figures the goals are about, and whether they are met; of the rows of one judge."""
    found = {}
    for name in METHODS:
        shares = [row["methods"][name]["most_of_a_class"] for row in rows if not row["noise"]]
        finds = [row["methods"][name] for row in rows if row["noise"] and row["n"] >= 500]
        recall = min((each.get("recall", 0.0) for each in finds), default=None)
        precision = min((each.get("precision") or 0.0 for each in finds), default=None)
        found[name] = {
            "median_of_a_class": median(shares) if shares else None,
            "most_of_a_class": max(shares, default=None),
            "least_recall": recall,
            "least_precision": precision,
            "clean_met": bool(shares) and median(shares) <= 0.02 and max(shares) <= 0.1,
            "noisy_met": recall is not None and precision is not None and recall >= 0.6 and precision >= 0.7,
        }
    return found


def save(rows: list[dict[str, Any]], specs: Sequence[Spec], quick: bool) -> None:
    """The result file with the rows so far; `met` is null while sets are missing from the networks'."""
    by = {judge: [row for row in rows if row["judge"] == judge] for judge in JUDGES}
    methods = {judge: judged(own) for judge, own in by.items()}
    met = sum(each["clean_met"] + each["noisy_met"] for each in methods["network"].values())
    whole = len(by["network"]) == len(specs) and not quick
    record(
        "curation_small", met, f"of {2 * len(METHODS)} goals met",
        "clean: <= 2 % of any class in the median, <= 10 % always; 10 % noise, n >= 500: recall >= .6, precision >= .7",
        met == 2 * len(METHODS) if whole else None,
        {"methods": methods, "sets": {judge: len(own) for judge, own in by.items()}, "of": len(specs)}, rows, quick,
    )  # fmt: skip


def main() -> None:
    given = options()
    if given.data:
        os.environ["EDGEKIT_DATA"] = str(given.data.resolve())
    sets = given.quick.of((*CLEAN, *NOISY), QUICK, QUICK[:1])
    rows = kept("curation_small").get("raw", []) if given.resume and not given.quick else []
    judges = JUDGES[:1] if given.quick is Case.TINY else JUDGES
    wanted = [(judge, each) for judge in judges for each in sets]
    done = {(row["judge"], row["name"]): row for row in rows}
    order = [(judge, each.name) for judge, each in wanted]
    with tempfile.TemporaryDirectory() as cache:
        os.environ.setdefault("XDG_CACHE_HOME", cache)
        for judge, each in wanted:
            if given.judge in (None, judge) and (judge, each.name) not in done:
                done[judge, each.name] = case(each, judge)
                save([done[one] for one in order if one in done], sets, given.quick)
    if not given.quick:
        write_tables([done[one] for one in order if one in done])


if __name__ == "__main__":
    run(main)
