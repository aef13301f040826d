"""How long do `edgekit --help`, `list` and `doctor` take? Goal: each under 0.5 s (median of whole processes)."""

from __future__ import annotations

import subprocess
import sys
import time

from record import arguments, median, record, run, say


def main() -> None:
    quick = arguments(__doc__).quick
    runs = quick.of(20, 5, 1)
    raw: dict[str, list[float]] = {"--help": [], "list": [], "doctor": [], "python -c pass": []}
    for _ in range(runs + 1):
        for name, samples in raw.items():
            command = ["-c", "pass"] if name.startswith("python") else ["-m", "edgekit", name]
            start = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
            samples.append(time.perf_counter() - start)
    raw = {name: samples[1:] for name, samples in raw.items()}  # the first fills the file cache
    medians = {name: round(median(samples), 4) for name, samples in raw.items()}
    say(str(medians))
    slowest = max(value for name, value in medians.items() if not name.startswith("python"))
    record("startup", slowest, "s", "each < 0.5 s", slowest < 0.5, {"medians_s": medians, "runs": runs}, raw, quick)


if __name__ == "__main__":
    run(main)
