"""Does a folder of 100,000 96x96 color images curate and train within 3 GB of memory?

Goal: peak resident memory of the whole process tree of `edgekit build --curate iqr`, 1 epoch each, at most 3 GB. The images are
enlarged crops of CIFAR-10 where $EDGEKIT_DATA has cifar10-jpg.tar, else drawn shapes; half are JPEG, half PNG.
"""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from builds import build
from PIL import Image, ImageDraw
from record import Case, arguments, record, run, say

# The small case is just above what edgekit decodes into memory (256 MB), so that it streams as well.
SIDE, CLASSES, WHOLE, SMALL, TINY = 96, 10, 100_000, 9_720, 100
GOAL_BYTES = 3 * 1024**3
ONE_EPOCH = ["--curate", "iqr", "--set", "teacher.epochs=1", "--set", "training.epochs=1", "--set", "bench.targets=[]"]


def originals() -> list[list[bytes]]:
    """Per class the encoded CIFAR-10 training images; empty where they are not on this machine."""
    path = Path(os.environ.get("EDGEKIT_DATA", "")) / "cifar10-jpg.tar"
    if not path.is_file():
        return []
    found: dict[str, list[bytes]] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            part, _, rest = member.name.removeprefix("./").partition("/")
            if part == "train" and member.isfile():
                held = tar.extractfile(member)
                assert held is not None
                found.setdefault(rest.split("/")[0], []).append(held.read())
    return [found[name] for name in sorted(found)]


def crop(original: bytes, rng: np.random.Generator) -> Image.Image:
    """A random 28x28 window of a 32x32 image, enlarged."""
    left, upper = (int(n) for n in rng.integers(0, 5, 2))
    with Image.open(io.BytesIO(original)) as image:
        return image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC, (left, upper, left + 28, upper + 28))


def shape(label: int, rng: np.random.Generator) -> Image.Image:
    """A regular polygon with label + 3 corners, of random place, size, color, on noise."""
    noise = rng.integers(90, 166, (SIDE, SIDE, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    x, y, radius = (int(n) for n in rng.integers((30, 30, 15), (66, 66, 30)))
    color = tuple(int(n) for n in rng.integers(0, 256, 3))
    ImageDraw.Draw(image).regular_polygon((x, y, radius), label + 3, rotation=int(rng.integers(0, 360)), fill=color)
    return image


def write_class(root: Path, label: int, count: int, held: list[bytes]) -> int:
    """`count` files of one class in root/<label>/; returns their bytes."""
    rng = np.random.default_rng([label, count])
    folder = root / f"class{label}"
    folder.mkdir(parents=True)
    total = 0
    for i in range(count):
        image = crop(held[i % len(held)], rng) if held else shape(label, rng)
        path = folder / f"{i:05}.{'jpg' if i % 2 else 'png'}"
        image.save(path, **({"quality": 85} if i % 2 else {"compress_level": 1}))
        total += path.stat().st_size
    return total


def main() -> None:
    quick = arguments(__doc__).quick
    count = quick.of(WHOLE, SMALL, TINY)
    with tempfile.TemporaryDirectory() as folder:
        root, held = Path(folder, "images"), originals()
        start = time.perf_counter()
        jobs = [(root, k, count // CLASSES, held[k] if held else []) for k in range(CLASSES)]
        if quick is Case.TINY:
            size = sum(write_class(*job) for job in jobs)
        else:
            with ProcessPoolExecutor() as pool:
                size = sum(pool.map(write_class, *zip(*jobs, strict=True)))
        say(f"{count:,} files ({size / 1e6:.0f} MB) written in {time.perf_counter() - start:.0f} s")
        built = build(Path(folder, "run"), Path(folder, "cache"), "--data", str(root), *ONE_EPOCH, quick=quick)
    report = built.pop("report")
    timings = report["timings"]
    detail = {
        "images": count,
        "from": "CIFAR-10 crops" if held else "drawn shapes",
        "decoded_gb": round(count * SIDE * SIDE * 3 / 1024**3, 2),
        "peak_rss_gb": round(built["peak_rss_bytes"] / 1024**3, 3),
        "seconds": round(built["seconds"], 1),
        "timings_s": timings,
        "teacher_images_per_s": round(report["dataset"]["sizes"]["train"] / timings["teacher"]),
    }
    say(str(detail))
    met = None if quick else built["peak_rss_bytes"] <= GOAL_BYTES
    record("large_folder", built["peak_rss_bytes"] / 1024**3, "GB peak RSS", "<= 3 GB", met, detail, built, quick)


if __name__ == "__main__":
    run(main)
