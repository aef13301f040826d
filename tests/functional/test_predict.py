"""`edgekit predict`: what it reads, what it writes, and how it fails."""

import csv
import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.commands import edgekit
from tests.conftest import REPOSITORY, SHIPPED, RecordingReporter

from edgekit.bundle.write import export
from edgekit.errors import DataError, IntegrityError
from edgekit.inference import inputs, litert
from edgekit.inference import predict as predicting
from edgekit.types import Silent

PRODUCT = REPOSITORY / "models" / "fashion-mnist-microresnet-int8"
MODEL = PRODUCT / "model_int8.tflite"
IDX = SHIPPED / "t10k-images-idx3-ubyte.gz"
COUNT = 20


@pytest.fixture(scope="module")
def given(tmp_path_factory, shipped):
    """The first 20 test images in every form, and the labels that the file gives them."""
    folder, x = tmp_path_factory.mktemp("given"), shipped.test.x[:COUNT]
    (folder / "images" / "deep").mkdir(parents=True)
    for i, image in enumerate(x[..., 0]):
        Image.fromarray(image).save(folder / "images" / ("deep" if i > 9 else "") / f"{i:02}.png")
    np.savez(folder / "array.npz", x=x)
    pixels = [",".join(f"pixel{i}" for i in range(784)), *(",".join(map(str, row.ravel().tolist())) for row in x)]
    (folder / "test.csv").write_text("\n".join(pixels) + "\n")
    names = sorted((folder / "images").rglob("*.png"), key=lambda path: path.name)
    (folder / "list.csv").write_text("path\n" + "\n".join(path.relative_to(folder).as_posix() for path in names))
    raw = gzip.decompress(IDX.read_bytes())
    (folder / "t10k-images-idx3-ubyte").write_bytes(raw[:4] + COUNT.to_bytes(4, "big") + raw[8 : 16 + COUNT * 784])
    p = litert.probabilities(MODEL, x)
    return folder, [(shipped.classes[k], float(p[i, k])) for i, k in enumerate(p.argmax(axis=1))]


def run(model, *paths, reporter=None, top=1, **options):
    classifier = predicting.load(Path(model), options.pop("labels", None))
    return list(predicting.run(classifier, [Path(path) for path in paths], top, reporter or Silent(), **options))


def loading(*arguments):
    """The command in a process that tells at its end what it has loaded."""
    code = (
        "import sys, atexit; atexit.register(lambda: print('MODULES', *sys.modules, file=sys.stderr));"
        "from edgekit.cli.app import main; main()"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("name", ["array.npz", "test.csv", "list.csv", "t10k-images-idx3-ubyte"])
def test_every_form_of_the_same_images_gets_the_same_labels(given, name):
    folder, expected = given
    assert [each.top[0] for each in run(MODEL, folder / name)] == expected


def test_folders_and_files_keep_their_order_and_names(given):
    folder, expected = given
    images = folder / "images"
    found = run(MODEL, images / "03.png", folder / "test.csv", images)
    assert [each.input for each in found[:3]] == [
        str(images / "03.png"),
        f"{folder / 'test.csv'}#1",
        f"{folder / 'test.csv'}#2",
    ]
    assert len(found) == 1 + 2 * COUNT
    assert found[0].top[0] == expected[3]
    by_name = {Path(each.input).name: each.top[0] for each in found[1 + COUNT :]}
    assert [by_name[f"{i:02}.png"] for i in range(COUNT)] == expected


def test_chunks_change_nothing(given, monkeypatch):
    folder, expected = given
    monkeypatch.setattr(inputs, "CHUNK_BYTES", 1)
    monkeypatch.setattr(inputs, "_BATCHES", 7)
    for name in ("images", "array.npz"):
        assert sorted(each.top[0] for each in run(MODEL, folder / name)) == sorted(expected)


def test_other_sizes_and_colors_are_brought_to_the_models_and_that_is_said(given, shipped, tmp_path):
    image = np.kron(shipped.test.x[0, ..., 0], np.ones((3, 3), np.uint8))
    Image.fromarray(np.stack([image] * 3, axis=-1)).save(tmp_path / "large.png")
    reporter = RecordingReporter()
    found = run(MODEL, tmp_path / "large.png", given[0] / "images" / "00.png", reporter=reporter)
    assert found[0].top[0][0] == found[1].top[0][0]
    assert reporter.warnings == ["1 inputs are not 28x28 and were resized."]


def test_labels_come_from_beside_the_file_else_they_are_numbers(given, tmp_path):
    folder, expected = given
    path = folder / "images" / "00.png"
    assert run(PRODUCT, path)[0].top[0] == expected[0], "a product is its file"
    alone = shutil.copy(MODEL, tmp_path / "model.tflite")
    names = (PRODUCT / "labels.txt").read_text().split("\n")
    assert run(alone, path)[0].top[0][0] == str(names.index(expected[0][0]))
    (tmp_path / "own.txt").write_text("\n".join("abcdefghij"))
    assert (
        run(alone, path, labels=tmp_path / "own.txt", top=3)[0].top[0][0] == "abcdefghij"[names.index(expected[0][0])]
    )
    (tmp_path / "labels.txt").write_text("a\nb\n")
    with pytest.raises(DataError, match=r"2 classes, but .* has 10 outputs"):
        run(alone, path)


def test_a_file_that_is_not_the_one_described_is_refused(given, tmp_path):
    folder = shutil.copytree(PRODUCT, tmp_path / "product", ignore=shutil.ignore_patterns("manifest.json"))
    content = bytearray(MODEL.read_bytes())
    content[-20_000] ^= 1
    (folder / "model_int8.tflite").write_bytes(content)
    with pytest.raises(IntegrityError, match="SHA-256"):
        run(folder / "model_int8.tflite", given[0] / "images")


def test_calibrated_probabilities_are_those_of_the_temperature_in_the_metadata(given, tmp_path):
    folder = shutil.copytree(PRODUCT, tmp_path / "product", ignore=shutil.ignore_patterns("manifest.json"))
    images = given[0] / "images"
    path = folder / "metadata.json"

    def calibrated(found):
        metadata = json.loads(path.read_text())
        metadata["artifacts"]["model_int8.tflite"]["calibration"] = found
        path.write_text(json.dumps(metadata))
        return list(
            predicting.run(predicting.load(folder / "model_int8.tflite", calibrated=True), [images], 10, Silent())
        )

    fit = {"temperature": 2.0, "fitted": True, "floor": 1 / 512, "n": 300, "split": "cal"}
    for plain, scaled in zip(run(PRODUCT, images, top=10), calibrated(fit), strict=True):
        p, q = dict(plain.top), dict(scaled.top)
        roots = {name: max(value, 1 / 512) ** 0.5 for name, value in p.items()}
        assert q == pytest.approx({name: root / sum(roots.values()) for name, root in roots.items()}, rel=1e-4)
        assert plain.top[0][0] == scaled.top[0][0]
    with pytest.raises(DataError, match="No temperature fitted the 300"):
        calibrated(fit | {"fitted": False})
    with pytest.raises(IntegrityError, match="temperature -1"):
        calibrated(fit | {"temperature": -1})
    with pytest.raises(DataError, match="has no temperature"):
        predicting.load(shutil.copy(MODEL, tmp_path / "alone.tflite"), calibrated=True)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.png", None, "does not exist"),
        ("notes.txt", b"x", "is not an input that edgekit can read"),
        ("bad.png", b"x" * 100, r"bad\.png \(not a PNG"),
        ("short.csv", b"pixel0,pixel1\n1,2\n", "2 pixel columns; expected 28 x 28"),
        (
            "odd.csv",
            ",".join(f"p{i}" for i in range(784)).encode() + b"\n" + b"300," * 783 + b"1\n",
            "line 2: p0 is '300'",
        ),
        ("bad.npz", b"x", "not a readable .npz|is not an .npz"),
        ("t10k-images-idx3-ubyte", b"\0\0\x08\x01", "not an IDX file"),
    ],
)
def test_wrong_input_is_a_data_error_that_names_it(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        run(MODEL, tmp_path / name)
    assert error.value.exit_code == 4
    assert name in str(error.value) and "\n" not in str(error.value)


def test_unreadable_files_can_be_left_out(given, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"x")
    reporter = RecordingReporter()
    assert len(run(MODEL, given[0] / "images", tmp_path, skip_bad=True, reporter=reporter)) == COUNT
    assert "bad.png" in reporter.warnings[0]


def test_the_command_writes_csv_kaggle_and_json_without_tensorflow(given, tmp_path):
    folder, expected = given
    table = folder / "test.csv"
    done = loading("predict", PRODUCT, table, "--top", 2, "--out", tmp_path / "all.csv")
    assert done.returncode == 0, done.stderr
    loaded = set(done.stderr.split("MODULES")[1].split())
    assert not {"tensorflow", "keras", "tf_keras", "jax"} & loaded
    rows = list(csv.DictReader((tmp_path / "all.csv").read_text().splitlines()))
    assert list(rows[0]) == ["input", "label", "probability", "label_2", "probability_2"]
    assert [row["label"] for row in rows] == [label for label, _ in expected]

    assert edgekit("predict", MODEL, table, "--kaggle", "--out", tmp_path / "k.csv").returncode == 0
    lines = (tmp_path / "k.csv").read_text().splitlines()
    assert lines[0] == "ImageId,Label"
    assert lines[1:] == [f"{i},{label}" for i, (label, _) in enumerate(expected, 1)]

    done = edgekit("predict", MODEL, folder / "images" / "00.png", "--json")
    document = json.loads(done.stdout)
    assert document["predictions"][0]["top"][0]["label"] == expected[0][0]
    assert document["sha256"] == json.loads((PRODUCT / "manifest.json").read_text())["files"]["model_int8.tflite"]


def test_an_error_leaves_no_file_behind(given, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"x")
    done = edgekit("predict", MODEL, given[0] / "images", tmp_path / "bad.png", "--out", tmp_path / "p.csv")
    assert done.returncode == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.png"]
    done = edgekit("predict", MODEL, given[0] / "images", "--kaggle")
    assert done.returncode == 2
    assert "--kaggle is for one CSV" in done.stderr
    done = edgekit("predict", MODEL, given[0] / "images", "--out", tmp_path / "no" / "p.csv")
    assert done.returncode == 2


@pytest.mark.parametrize("name", ["metadata.json", "labels.txt", "model_int8.tflite"])
def test_files_that_changed_after_they_were_recorded_are_refused(tmp_path, name):
    """Classes in another order would label everything wrong, without a sign."""
    product = shutil.copytree(PRODUCT, tmp_path / "product")
    if name == "metadata.json":
        metadata = json.loads((product / name).read_text())
        (product / name).write_text(json.dumps(metadata | {"classes": metadata["classes"][::-1]}))
    elif name == "labels.txt":
        (product / "metadata.json").unlink()
        (product / name).write_text("\n".join(reversed((product / name).read_text().splitlines())))
    else:
        with open(product / name, "ab") as file:
            file.write(b"x")
    for given in (product, product / "model_int8.tflite"):
        done = edgekit("predict", given, SHIPPED / "t10k-images-idx3-ubyte.gz")
        assert done.returncode == 9 and not done.stdout
        assert f"{name} changed since" in done.stderr
    with pytest.raises(IntegrityError, match="changed since"):
        export(product, "pi", tmp_path / "out", data=str(SHIPPED), reporter=Silent())
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(PRODUCT / "model_int8.tflite", alone)
    (alone / "manifest.json").write_text('{"name": "a web app", "files": ["model_int8.tflite"]}')
    assert edgekit("predict", alone / "model_int8.tflite", IDX).returncode == 0, "another program's manifest"
