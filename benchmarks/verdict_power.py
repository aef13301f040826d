"""Does a study see the effect that the planner said it could?

Goal: power of at least 80 %. Each simulated project runs a pilot of 10 paired RNG seeds, asks the planner for the smallest
detectable effect of a study with 6, 10 or 20 seeds on 2,000 test samples, and then runs a study whose arm is better by just that.
Once with one comparison, once among four arms of which three do nothing, all judged together. Students as in `verdict_null`.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from record import arguments, record, run, say
from verdict_null import ACCURACY, DRAWS, SAMPLES, columns, simulate, spread

from edgekit.evidence import planning, verdict

PILOT_SEEDS, SEEDS = 10, (6, 10, 20)
LARGEST = 100 * (0.99 - ACCURACY)


def project(number: int, seeds: int, arms: int) -> dict[str, Any]:
    """One pilot, its plan and its study."""
    rng = np.random.default_rng([seeds, arms, number])
    shared = spread(rng, of_arm=rng.uniform(0.0, 0.1))
    names = [f"arm{i}" for i in range(arms)]
    pilot, _ = simulate(rng, shared, PILOT_SEEDS, {"arm0": 0.0, "control": 0.0})
    over_both = verdict.judge(pilot, [("arm0", "control")], ["accuracy"], draws=DRAWS, seed=number)[0].over_both
    assert over_both is not None
    known = planning.spreads(over_both, SAMPLES)
    effect = 100 * planning.detectable_effect(known, seeds, SAMPLES, comparisons=arms)
    if effect > LARGEST:
        raise SystemExit(f"The planner asks for {effect:.1f} points, more than this simulation has room for.")
    simulated, _ = simulate(rng, shared, seeds, {**dict.fromkeys(names, 0.0), "arm0": effect, "control": 0.0})
    found = verdict.judge(simulated, [(name, "control") for name in names], ["accuracy"], draws=DRAWS, seed=number)
    return {
        "effect_points": round(effect, 4),
        "seen": found[0].verdict == "better",
        "others_claimed": any(other.verdict != "no evidence" for other in found[1:]),
    }


def main() -> None:
    quick = arguments(__doc__).quick
    count, start = quick.of(500, 30, 1), time.perf_counter()
    raw: dict[str, list[dict[str, Any]]] = {}
    for arms in (1, 4):
        for seeds in quick.of(SEEDS, SEEDS, SEEDS[:1]):
            name = f"{seeds} seeds, {arms} comparison{'s' if arms > 1 else ''}"
            raw[name] = [project(number, seeds, arms) for number in range(count)]
            say(f"{time.perf_counter() - start:.0f} s, {name}: {np.mean([p['seen'] for p in raw[name]]):.3f} seen")
    settings = {
        name: {
            "power": round(float(np.mean([p["seen"] for p in projects])), 4),
            "median_effect_points": round(float(np.median([p["effect_points"] for p in projects])), 3),
            "others_claimed": round(float(np.mean([p["others_claimed"] for p in projects])), 4),
        }
        for name, projects in raw.items()
    }
    worst = min(setting["power"] for setting in settings.values())
    detail = {
        "settings": settings, "projects_each": count, "pilot_seeds": PILOT_SEEDS, "samples": SAMPLES, "draws": DRAWS,
        "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip
    record(
        "verdict_power", worst, "power in the worst setting", ">= 0.8 at the planner's effect",
        None if quick else worst >= 0.8, detail, {name: columns(projects) for name, projects in raw.items()}, quick,
    )  # fmt: skip


if __name__ == "__main__":
    run(main)
