"""How fast do audio files become features, and does a folder of 3,000 clips load and cache within 15 s?

Goals: reading, resampling and the front end together at least 20 times real time per core, for every case measured; and
`data.load` of a folder of 3,000 clips, with an empty cache, in at most 15 s. The clips are the Free Spoken Digit Dataset's where
$EDGEKIT_DATA has fsdd/recordings, else tones of its lengths. Seconds per core are processor time in a process that has one core.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from record import arguments, median, need, record, run, say

from edgekit.data.sources import fsdd

WHOLE, SMALL, REPEATS = 3000, 300, 5
TINY = 80
GOAL_REAL_TIME, GOAL_S = 20.0, 15.0
# name -> (suffix, sample rate of the files, data.audio); the rate of the features is FSDD's.
CASES: dict[str, tuple[str, int, dict[str, Any]]] = {
    "wav, log-mel": (".wav", 8000, {}),
    "wav, mfcc": (".wav", 8000, {"front_end": "mfcc"}),
    "flac at 44.1 kHz, log-mel": (".flac", 44_100, {}),
    "ogg at 44.1 kHz, log-mel": (".ogg", 44_100, {}),
}
LOAD = """
import json, sys, time
from edgekit import data
start = time.perf_counter()
dataset = data.load(sys.argv[1])
print(json.dumps({"seconds": time.perf_counter() - start, "shape": dataset.input.shape, "train": len(dataset.train)}))
"""
CORE = """
import json, os, sys, time
from pathlib import Path
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
from edgekit.data.audio import reading
from edgekit.data.audio.features import read_clips
from edgekit.recipe import AudioSection
import numpy as np, scipy.fft
files = sorted(Path(sys.argv[1]).rglob("*.*"))
options = AudioSection(sample_rate=8000, **json.loads(sys.argv[2])).options
seconds = sum(head.frames / head.sample_rate for head in (reading.head(path.read_bytes()) for path in files))
start = time.process_time()
clips = read_clips(lambda i: files[i].read_bytes(), str, len(files), options, training=np.ones(len(files), bool), skip_bad=False)
print(json.dumps({"cpu_s": time.process_time() - start, "audio_s": seconds, "shape": clips.x.shape}))
"""


def originals(count: int) -> list[tuple[str, np.ndarray]]:
    """`count` (label, waveform at 8 kHz), evenly over what there is."""
    import soundfile

    root = fsdd.recordings()
    if root is None:
        rng = np.random.default_rng(0)
        lengths = rng.uniform(0.15, 0.75, count)
        return [
            (str(i % 10), 0.5 * np.sin(2 * np.pi * (300 + 50 * (i % 10)) * np.arange(int(8000 * s)) / 8000))
            for i, s in enumerate(lengths)
        ]
    paths = sorted(root.glob("*.wav"))
    chosen = [paths[i] for i in np.linspace(0, len(paths) - 1, count).astype(int).tolist()]
    return [(path.name[0], soundfile.read(path, dtype="float32")[0]) for path in chosen]


def write(root: Path, clips: list[tuple[str, np.ndarray]], suffix: str, rate: int) -> Path:
    """The clips as root/<label>/<number><suffix> at `rate`."""
    import soundfile
    import soxr

    for i, (label, x) in enumerate(clips):
        buffer = io.BytesIO()
        soundfile.write(buffer, x if rate == 8000 else soxr.resample(x, 8000, rate), rate, format=suffix[1:].upper())
        path = root / label / f"{i:05}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue())
    return root


def fresh(code: str, *words: str) -> dict[str, Any]:
    """The answer of a fresh process with an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        return again(code, Path(cache), *words)


def again(code: str, cache: Path, *words: str) -> dict[str, Any]:
    """The answer of a fresh process with the cache `cache`."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1") if code == CORE else {}
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=os.environ | one | {"XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main() -> None:
    quick = arguments(__doc__).quick
    need("pip install 'edgekit[audio]'", packages=("soundfile", "soxr"))
    count, repeats = quick.of((WHOLE, REPEATS), (SMALL, 1), (TINY, 1))
    clips = originals(count)
    raw: dict[str, Any] = {}
    real_time: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folders = {
            (suffix, rate): write(Path(temporary, f"{suffix[1:]}{rate}"), clips, suffix, rate)
            for suffix, rate, _ in CASES.values()
        }
        for name, (suffix, rate, audio) in list(CASES.items())[quick.of(0, 0, -1) :]:
            raw[name] = [fresh(CORE, str(folders[suffix, rate]), json.dumps(audio)) for _ in range(repeats)]
            real_time[name] = median([each["audio_s"] / each["cpu_s"] for each in raw[name]])
            say(f"{name}: {real_time[name]:.0f}x real time per core")
        root = str(folders[".wav", 8000])
        loads = []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as cache:
                loads.append([again(LOAD, Path(cache), root)["seconds"] for _ in ("empty cache", "cached")])
        raw["load_s"] = loads
    cold, warm = (median([pair[k] for pair in loads]) for k in (0, 1))
    say(f"{count:,} clips load in {cold:.1f} s, from the cache in {warm:.1f} s")
    worst = min(real_time.values())
    detail = {
        "clips": count,
        "from": "FSDD" if fsdd.recordings() else "tones",
        "real_time_per_core": {name: round(value, 1) for name, value in real_time.items()},
        "load_s": round(cold, 2),
        "load_cached_s": round(warm, 2),
    }
    met = None if quick else worst >= GOAL_REAL_TIME and cold <= GOAL_S
    goal = f">= {GOAL_REAL_TIME:g}x real time, {WHOLE:,} clips in <= {GOAL_S:g} s"
    record("audio_features", worst, "x real time per core, the slowest case", goal, met, detail, raw, quick)


if __name__ == "__main__":
    run(main)
