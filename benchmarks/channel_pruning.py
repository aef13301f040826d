"""Does a network from which half of the channels were removed get smaller and faster, and what does it lose?

Goal, for students m and l on Fashion-MNIST: at most 0.65 of the latency and 0.6 of the size of the unpruned int8 file at no
more than 0.7 points of accuracy lost, on the 10,000 test images. `--run DIR` (once for each student) takes the network, the data
and the training of a finished unpruned build; `--epochs N` and `--learning-rate R` say how what is left is fine-tuned. Without a
run, and always with `--quick`, a student m is trained for two epochs on the shipped images first, which decides nothing. Half of
the channels go in every layer but the residual streams. Both files are converted with the same images, and timed in turn.

The latency is that of the runtime as it is used, with its XNNPACK kernels. Where these compute int8 in wide tiles of channels
(Intel AMX), fewer channels than a tile are not faster; so the ratio with the runtime's plain kernels stands beside it.

    python benchmarks/channel_pruning.py --run RUN --epochs 4
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from record import Case, median, parser, record, run, say
from sized import sized

from edgekit import data, recipe, students
from edgekit.bench.measure import measure
from edgekit.compression.channels import stage as channels_stage
from edgekit.data.pixels import to_float
from edgekit.data.splits import take
from edgekit.export import calibration, tflite
from edgekit.export.shrink import shrink
from edgekit.frameworks import backend
from edgekit.inference.evaluate import predict
from edgekit.inference.standalone import artifact_of
from edgekit.recipe import Recipe
from edgekit.training.augment import augmentation_of
from edgekit.training.batches import Samples
from edgekit.training.fit import fit
from edgekit.types import Artifact, Dataset, Silent

SHARE, ROUNDS = 0.5, 3
PLAIN_ROUNDS, PLAIN_RUNS = 9, 50
LATENCY, SIZE, POINTS = 0.65, 0.6, 0.7


class Notes(Silent):
    """A reporter that passes on notes."""

    def note(self, text: str) -> None:
        say(text)


def options() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument(
        "--run", type=Path, action="append", default=[], help="an unpruned build; may be given twice"
    )
    arguments.add_argument("--epochs", type=int, default=12, help="of fine-tuning")
    arguments.add_argument("--learning-rate", type=float, default=4e-3, help="of fine-tuning")
    return arguments.parse_args()


def unpruned(run: Path) -> tuple[Recipe, Dataset, Path]:
    """What a build left: its recipe, the data it was made from, and its network."""
    loaded = recipe.load(run / "recipe.yaml")
    if loaded.curation.method != "none" or loaded.pruning.sparsity or loaded.pruning.channels:
        raise SystemExit(f"{run}: expected a build without curation and pruning.")
    return loaded, data.load_section(loaded.data, loaded.seed), run / "models/student_float.keras"


def small_case(folder: Path, quick: Case) -> tuple[Recipe, Dataset, Path]:
    """A student m, trained for two epochs on some of the shipped images; of a tiny case an untrained xs."""
    whole, width = data.load("fashion-mnist-mini", seed=42), quick.of("m", "m", "xs")
    dataset = dataclasses.replace(whole, train=take(whole.train, range(0, len(whole.train), quick.of(3, 25, 100))))
    loaded = sized(dataset, f"student.width={width}", "training.epochs=2")
    keras = backend.load()
    backend.seed(keras, loaded.seed, deterministic=False)
    model = students.build("students", "microresnet", keras, dataset.input.shape, len(dataset.classes), width)
    if quick is not Case.TINY:
        samples = Samples(train=dataset.train, val=dataset.val, full=len(dataset.train))
        augmentation = augmentation_of(loaded.training, dataset.input)
        fit(keras, model, samples, loaded.training, augmentation=augmentation, seed=loaded.seed, reporter=Silent())
    model.save(folder / "student_float.keras")
    return loaded, dataset, folder / "student_float.keras"


def plain_ratio(artifacts: list[Artifact]) -> float:
    """Latency after / before with the runtime's plain kernels, one thread: median over interleaved rounds."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kind = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    ready = [Interpreter(str(a.path), num_threads=1, experimental_op_resolver_type=kind) for a in artifacts]
    for interpreter in ready:
        interpreter.allocate_tensors()
    ratios = []
    for _ in range(PLAIN_ROUNDS):
        seconds = []
        for interpreter in ready:
            interpreter.invoke()
            start = time.perf_counter()
            for _ in range(PLAIN_RUNS):
                interpreter.invoke()
            seconds.append(time.perf_counter() - start)
        ratios.append(seconds[1] / seconds[0])
    return median(ratios)


def compared(
    loaded: Recipe, dataset: Dataset, path: Path, folder: Path, epochs: int, rate: float, quick: Case
) -> dict[str, Any]:
    """Prune, fine-tune, convert both; size, latency and test accuracy side by side."""
    pruning = loaded.pruning.model_copy(update={"channels": SHARE, "epochs": epochs, "learning_rate": rate})
    channels_stage.run(
        loaded.model_copy(update={"pruning": pruning}),
        dataset.train, dataset.val, None, path, folder, Notes(), spec=dataset.input,
    )  # fmt: skip
    keras = backend.load()
    samples = calibration.choose(loaded.quantization, dataset, dataset.train, loaded.seed).samples
    artifacts = []
    for name, model in (("unpruned", path), ("pruned", folder / "student_pruned.keras")):
        content = tflite.convert(keras.models.load_model(model, compile=False), "int8", calibration=samples)
        (folder / f"{name}.tflite").write_bytes(shrink(content))
        artifacts.append(artifact_of(folder / f"{name}.tflite"))
    plan = loaded.bench.model_copy(update={"targets": ("host",), "threads": (1,), "runs": quick.of(200, 200, 50)})
    rounds = [
        measure(artifacts, plan, to_float(dataset.val.x[:1])).measurements for _ in range(quick.of(ROUNDS, ROUNDS, 1))
    ]
    ratios = sorted(after.p50_ms / before.p50_ms for before, after in rounds)
    right = [float((predict(a, dataset.test.x).argmax(axis=1) == dataset.test.y).mean()) for a in artifacts]
    facts = json.loads((folder / "pruning.json").read_text())
    return {
        "student": f"{loaded.student.name}-{loaded.student.width or 'first'}",
        "latency": round(ratios[len(ratios) // 2], 3),
        "latency_plain_kernels": round(plain_ratio(artifacts), 3),
        "size": round(artifacts[1].size_bytes / artifacts[0].size_bytes, 3),
        "points_lost": round(100 * (right[0] - right[1]), 2),
        "accuracy": [round(value, 4) for value in right],
        "bytes": [a.size_bytes for a in artifacts],
        "p50_ms": [[row.p50_ms for row in pair] for pair in rounds],
        "valid": all(row.verdict != "invalid" for pair in rounds for row in pair),
        **{key: facts[key] for key in ("macs", "params", "channels", "history")},
    }


def main() -> None:
    arguments = options()
    small = arguments.quick or not arguments.run
    epochs = arguments.quick.of(2, 2, 1) if small else arguments.epochs
    rows = []
    for unchanged in [None] if small else arguments.run:
        with tempfile.TemporaryDirectory() as folder:
            loaded, dataset, path = unpruned(unchanged) if unchanged else small_case(Path(folder), arguments.quick)
            rows.append(compared(loaded, dataset, path, Path(folder), epochs, arguments.learning_rate, arguments.quick))
        say(str({key: value for key, value in rows[-1].items() if key not in ("history", "channels")}))
    met = None if small else all(
        row["valid"] and row["latency"] <= LATENCY and row["size"] <= SIZE and row["points_lost"] <= POINTS for row in rows
    )  # fmt: skip
    keys = ("student", "latency", "latency_plain_kernels", "size", "points_lost", "accuracy", "bytes", "macs", "params")
    detail = {
        "share": SHARE,
        "epochs": epochs,
        "learning_rate": arguments.learning_rate,
        "data": dataset.source,
        "students": [{key: row[key] for key in keys} for row in rows],
    }
    goal = f"latency <= {LATENCY}, size <= {SIZE}, <= {POINTS} points lost, students m and l"
    record(
        "channel_pruning",
        max(row["latency"] for row in rows),
        "latency pruned / unpruned",
        goal,
        met,
        detail,
        rows,
        arguments.quick or small,
    )


if __name__ == "__main__":
    run(main)
