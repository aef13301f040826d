"""What the choices for small sets are worth: augmentation, renewed batch normalization, class weights; each changed alone.

Float accuracy of the default student on even test samples, 900 steps of 32, three draws of each set. `--resume` keeps rows.

    EDGEKIT_DATA=DATA python benchmarks/small_choices.py --resume
"""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from record import kept, parser, record, run, say
from small_sets import Spec, make

from edgekit import data, recipe
from edgekit.data.pixels import to_float
from edgekit.frameworks import backend
from edgekit.pipeline.build import build
from edgekit.types import Silent

EVEN = (
    Spec("fashion-mnist", 10, 200),
    Spec("mnist", 10, 200),
    Spec("cifar10-jpeg", 10, 400),
    Spec("drawings", 6, 120),
)
UNEVEN = (
    Spec("fashion-mnist", 10, 300, 10),
    Spec("mnist", 10, 300, 10),
    Spec("drawings", 2, 200, 10),
    Spec("fashion-mnist", 10, 5000, 10),
)
DEFAULT = "default"
CHANGES = {
    "augment shift": "training.augment=shift", "augment affine": "training.augment=affine",
    "no augmentation": "training.augment=none",
    "cutout 0.3": "training.cutout=0.3", "mixup 0.2": "training.mixup=0.2", "moving statistics": "training.batch_norm=moving",
}  # fmt: skip
WEIGHTS = {"no class weights": "training.class_weights=none"}
STEPS, DRAWS = 900, 3


def accuracy(spec: Path, out: Path, steps: int, *settings: str) -> float:
    dataset = data.load(str(spec))
    epochs = max(1, round(steps / math.ceil(len(dataset.train) / 32)))
    given = (f"data.spec={spec}", f"training.epochs={epochs}", *settings)
    build(recipe.load(settings=given), out, until="train", reporter=Silent())
    model = backend.load("tensorflow").models.load_model(out / "models/student_float.keras", compile=False)
    found = model.predict(to_float(dataset.test.x[:]), batch_size=500, verbose=0)
    return float((found.argmax(axis=1) == dataset.test.y).mean())


def save(rows: list[dict[str, Any]], quick: bool) -> None:
    def of(name: str, draw: int, arm: str) -> float | None:
        return next((r["accuracy"] for r in rows if (r["set"], r["draw"], r["arm"]) == (name, draw, arm)), None)

    gains: dict[str, dict[str, float]] = {}
    for arm in (*CHANGES, *WEIGHTS):
        for name in dict.fromkeys(row["set"] for row in rows):
            pairs = [(of(name, d, DEFAULT), of(name, d, arm)) for d in range(DRAWS)]
            known = [100 * (one - other) for one, other in pairs if one is not None and other is not None]
            if known:
                gains.setdefault(arm, {})[name] = round(float(np.mean(known)), 2)
    complete = len(rows) == DRAWS * (len(EVEN) * (1 + len(CHANGES)) + len(UNEVEN) * (1 + len(WEIGHTS)))
    means = {arm: round(float(np.mean(list(each.values()))), 2) for arm, each in gains.items()}
    met = min(means.values()) >= 0 if complete and not quick else None
    detail, least = {"mean": means, "by_set": gains}, min(means.values(), default=0.0)
    record("small_choices", least, "points gained, least of the choices", "not negative", met, detail, rows, quick)


def main() -> None:
    options = parser(__doc__, "one set, one draw, one change")
    options.add_argument("--resume", action="store_true", help="keep the rows of the result file")
    arguments = options.parse_args()
    rows: list[dict[str, Any]] = (
        kept("small_choices").get("raw", []) if arguments.resume and not arguments.quick else []
    )
    plan = [(each, arms) for group, arms in ((EVEN, CHANGES), (UNEVEN, WEIGHTS)) for each in group]
    for draw in range(1 if arguments.quick else DRAWS):
        for each, arms in plan[3:4] if arguments.quick else plan:
            missing = [(arm, setting) for arm, setting in {DEFAULT: "", **arms}.items()
                       if not any((r["set"], r["draw"], r["arm"]) == (each.name, draw, arm) for r in rows)]  # fmt: skip
            with tempfile.TemporaryDirectory() as temporary:
                os.environ["XDG_CACHE_HOME"] = temporary
                spec = make(each, draw, Path(temporary)) if missing else None
                for arm, setting in missing[: arguments.quick.of(None, 2, 1)]:
                    assert spec is not None
                    found = accuracy(
                        spec, Path(temporary) / arm, arguments.quick.of(STEPS, 100, 1), *([setting] if setting else [])
                    )
                    rows.append({"set": each.name, "draw": draw, "arm": arm, "accuracy": found})
                    say(f"{each.name}, draw {draw}, {arm}: {found:.4f}")
                    save(rows, arguments.quick)


if __name__ == "__main__":
    run(main)
