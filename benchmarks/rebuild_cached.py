"""What does a second build cost that changes only `--quantize`? Goal: at most 20 % of the first one's time."""

from __future__ import annotations

import tempfile
from pathlib import Path

from builds import QUICK, build
from record import arguments, record, run, say


def main() -> None:
    quick = arguments(__doc__).quick
    options = ["--curate", "iqr", *(QUICK if quick else [])]
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder, "cache")
        first = build(Path(folder, "first"), cache, *options, "--quantize", "int8", quick=quick)
        say(f"first {first['seconds']:.1f} s")
        second = build(Path(folder, "second"), cache, *options, "--quantize", "dynamic", quick=quick)
        say(f"second {second['seconds']:.1f} s, reused {second['report']['reused_stages']}")
    ratio = second["seconds"] / first["seconds"]
    detail = {
        "first_s": round(first["seconds"], 2),
        "second_s": round(second["seconds"], 2),
        "reused": second["report"]["reused_stages"],
    }
    raw = {name: built["report"]["timings"] for name, built in (("first", first), ("second", second))}
    record("rebuild_cached", ratio, "second / first", "<= 0.2", None if quick else ratio <= 0.2, detail, raw, quick)


if __name__ == "__main__":
    run(main)
