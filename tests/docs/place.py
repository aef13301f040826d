"""A folder with what the pages' commands name (pictures, clips, a Keras model, finished runs), and what runs them in it.

So that a page takes seconds, SHORT is appended to commands that train: one epoch on few samples, and a small network where the
command leaves the choice to the program. What is appended changes how long a stage takes and how good its result is, and neither
what the command does nor in which order.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from tests.docs.exceptions import PARSED, PLANNED
from tests.docs.pages import Command

from edgekit.errors import EdgekitError, GateNotMet

_FEW = "--set data.limit=400 --set teacher.name=conv8 --set teacher.epochs=1 --set training.epochs=1 --set accept_chance=true"
SHORT = {
    "build": f"{_FEW} --set quantization.onnx=false --set bench.targets=[]",
    "curate": f"{_FEW} --set quantization.onnx=false --set bench.targets=[] --set curation.folds=2",
    "train": _FEW,
    "compress": "--set bench.targets=[] --set quantization.onnx=false --set accept_chance=true",
    "bench": "--runs 50",
}
SMALL = "--set student.name=conv8"
CHOOSES = ("--student", "--width", "--recipe", "--weights", "student.")  # a network: by a word of the command
FIRST = "edgekit build --out runs/first"  # the one that is measured as well, since pages judge its latency
# Runs and files that a page takes as given, and how they come to be; a page that makes one itself leaves it to the others.
GIVEN = {
    "runs/first": FIRST,
    "runs/iqr": "edgekit build --curate iqr --out runs/iqr",
    "runs/photos": "edgekit build --data photos/ --image-size 96 --out runs/photos",
    "runs/sounds": "edgekit build --data recordings/ --student audio_cnn --waveform --out runs/sounds",
}
COPIES = {
    "runs/A": "runs/first", "runs/B": "runs/iqr", "runs/a": "runs/first", "runs/b": "runs/iqr", "runs/new-1": "runs/iqr",
    "runs/old-1": "runs/first", "runs/shoes": "runs/first", "runs/NAME": "runs/first",
}  # fmt: skip
FILES = {"my.tflite": "runs/photos", "mine.tflite": "runs/photos"}
# Where one name on a page stands for runs of different kinds.
STANDS_FOR = {
    "edgekit predict runs/NAME new.wav": "edgekit predict runs/sounds new.wav",
    "edgekit predict runs/NAME new.wav folder/": "edgekit predict runs/sounds new.wav folder/",
    "edgekit predict runs/NAME photos/new/": "edgekit predict runs/NAME new/",
    "edgekit gate runs/NAME": "edgekit gate runs/latest",
    "venv/bin/python -m edgekit_classifier --self-test": "python3 -m edgekit_classifier --self-test",
    "venv/bin/python -m edgekit_classifier pictures/ --json": "python3 -m edgekit_classifier golden/000.png --json",
}
# Blocks that are typed within what a block before them has made.
WITHIN = {("docs/bundles.md", "python3 -m edgekit_classifier"): "bundles/shoes-pi"}
# Of a student that was trained for one epoch: a demand may be missed.
MAY_MISS = {GateNotMet.exit_code}


class Place:
    """A folder of given data; `page` makes a folder beside it for the commands of one page."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.given = root / "given"
        self.given.mkdir()

    def page(self, name: str) -> Path:
        """An empty folder that sees the data; runs come when a command asks for them."""
        folder = self.root / name.replace("/", "-")
        folder.mkdir()
        for path in self.given.iterdir():
            if path.name not in ("runs", "bundles", "studies"):
                (folder / path.name).symlink_to(path)
        return folder

    def run(self, command: Command, folder: Path) -> int:
        """The exit code of `command` in `folder`."""
        text = STANDS_FOR.get(command.text, command.text)
        for name in (*COPIES, *GIVEN, *FILES):
            if any(
                word == name or word.startswith(f"{name}/")
                for word in text.replace("-*", "-1").replace("'", "").split()
            ):
                self._give(name, text, folder)
        inside = next(
            (within for (page, start), within in WITHIN.items() if page == command.page and text.startswith(start)), ""
        )
        if not text.startswith("edgekit "):
            return _shell(text, folder / inside)
        words = Command(page=command.page, block=command.block, line=command.line, text=text).words[1:]
        if words[0] == "review":
            return _interrupted(words, folder)
        _decide(words, folder)
        code = _edgekit([*words, *_appended(words, command.text)], folder)
        self._keep(words, folder)
        return code

    def _keep(self, words: list[str], folder: Path) -> None:
        """What a page has built as it is given to others: for them it need not be built again."""
        name = words[words.index("--out") + 1] if "--out" in words else ""
        if GIVEN.get(name, "").split()[1:] == words and not (self.given / name).exists():
            shutil.copytree(folder / name, self.given / name)

    def _give(self, name: str, text: str, folder: Path) -> None:
        """Bring a run or file that the command takes as given: it is neither there, nor what the command makes."""
        if (folder / name).exists() or (f"--out {name}" in text and "--resume" not in text):
            return
        source = FILES.get(name) or COPIES.get(name) or name
        if not (self.given / source).exists():
            words = GIVEN[source].split()[1:]
            assert _edgekit([*words, *_appended(words, GIVEN[source])], self.given) == 0
        if name in FILES:
            shutil.copy(self.given / source / "artifacts/model_int8.tflite", folder / name)
        else:
            shutil.copytree(self.given / source, folder / name)


def _appended(words: list[str], text: str) -> list[str]:
    """What makes it short; nothing where a command goes on with a recipe of its own, which may not change."""
    if "--resume" in words or "--help" in words or words[:2] == ["curate", "show"]:
        return []
    short = SHORT.get(words[0], "").split()
    if words[0] == "curate" and "iqr" in words:  # its one teacher has no folds
        short = short[:-2]
    if text == FIRST:
        short[short.index("bench.targets=[]")] = "bench.runs=50"
    if words[0] in ("build", "curate", "train") and not any(word.startswith(CHOOSES) for word in words):
        short += SMALL.split()
    return [*short, "--dry-run"] if text in PLANNED and "--dry-run" not in words else short


def _edgekit(words: list[str], folder: Path) -> int:
    """The program itself, in this process: TensorFlow is imported once for all pages."""
    from edgekit.cli.app import app

    before = Path.cwd()
    os.chdir(folder)
    try:
        return app(words, standalone_mode=False) or 0
    except EdgekitError as error:
        if error.exit_code not in MAY_MISS:
            raise
        return error.exit_code
    finally:
        os.chdir(before)


def _shell(text: str, folder: Path) -> int:
    """Another program, by bash; `python3` is the one that runs the tests."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(["bash", "-c", text], cwd=folder, env=os.environ | {"PATH": path}, timeout=120).returncode


def _interrupted(words: list[str], folder: Path) -> int:
    """A command that serves until Ctrl-C: it comes when the address has been printed."""

    command = [sys.executable, "-m", "edgekit", *words]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        assert served.stdout.readline().startswith("http://127.0.0.1:")
        served.send_signal(signal.SIGINT)
        served.stdout.read()
        return served.wait(timeout=60)


def _decide(words: list[str], folder: Path) -> None:
    """The decision that a reader takes in the browser, or writes by hand, before --apply."""
    if "--apply" not in words:
        return
    edits = folder / words[words.index("--apply") + 1]
    if not edits.exists():
        import pyarrow.parquet as pq

        # Of the run that the page has just made; others may be of other data.
        scores = max(folder.glob("runs/*/curation/scores.parquet"), key=lambda path: path.stat().st_mtime)
        edits.write_text(json.dumps({"id": pq.read_table(scores)["id"][0].as_py(), "action": "drop"}) + "\n")


def furnish(folder: Path, shipped, sounds) -> None:
    """Write the data that the pages name: four classes of the shipped pictures, and tones of two classes."""
    from PIL import Image

    rng = np.random.default_rng(0)
    rows = []
    for k, name in enumerate(("cat", "dog", "bird", "fish")):
        (folder / "photos" / name).mkdir(parents=True)
        for number, i in enumerate(np.flatnonzero(shipped.train.y == k)[:60]):
            path = folder / "photos" / name / f"{number:03}.png"
            Image.fromarray(shipped.train.x[i].reshape(28, 28)).save(path)
            rows.append((path.relative_to(folder / "photos").as_posix(), f"site-{number % 3}"))
    _table(folder / "photos" / "groups.csv", ["path", "group"], rows)
    (folder / "new").mkdir()
    for number in range(3):
        Image.fromarray(shipped.test.x[number].reshape(28, 28)).save(folder / "new" / f"{number}.png")

    some = np.concatenate([np.flatnonzero(shipped.train.y == k)[:40] for k in range(10)])
    x, y = shipped.train.x[some].reshape(len(some), 28, 28), shipped.train.y[some]
    _table(
        folder / "digits.csv",
        ["label", *(f"pixel{i}" for i in range(784))],
        np.column_stack([y, x.reshape(len(x), -1)]).tolist(),
    )
    np.savez(folder / "mydata.npz", x_train=x, y_train=y, x_test=x[::4], y_test=y[::4])

    sounds.classes(folder / "recordings", each=30)
    listed = sorted((folder / "recordings").rglob("*.wav"))
    rooms = ("kitchen", "hall", "garden")
    _table(
        folder / "list.csv", ["path", "label", "group"],
        [(path.relative_to(folder).as_posix(), path.parent.name, rooms[i % 3]) for i, path in enumerate(listed)],
    )  # fmt: skip
    shutil.copy(listed[0], folder / "new.wav")
    (folder / "folder").mkdir()
    shutil.copy(listed[-1], folder / "folder" / "other.wav")
    _keras_model(folder / "my.keras", rng)


def _keras_model(path: Path, rng) -> None:
    """A user's own network for the pictures at 96 x 96: what is pruned and quantized need not be good."""
    from edgekit.frameworks import backend

    keras = backend.load("tensorflow")
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((96, 96, 1)),
            layers.Rescaling(2.0, -1.0),
            layers.Conv2D(8, 3, strides=4, activation="relu"),
            layers.Conv2D(8, 3, strides=4, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.set_weights([rng.normal(0, 0.3, weight.shape).astype(np.float32) for weight in model.get_weights()])
    model.save(path)


def _table(path: Path, head: list[str], rows) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def is_run(command: Command) -> bool:
    """Whether the command is executed, planned ones included."""
    from tests.docs.exceptions import OUTSIDE

    return command.text not in PARSED and command.text not in OUTSIDE
