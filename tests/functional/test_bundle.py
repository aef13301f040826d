"""Bundles as their users meet them: self-tests run as programs, C compiles, and wrong input is one line."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.commands import edgekit
from tests.conftest import REPOSITORY, SHIPPED, RecordingReporter

from edgekit.bundle import subject, task
from edgekit.bundle.write import export
from edgekit.errors import DataError, IntegrityError, UsageError
from edgekit.inference import litert
from edgekit.inference import predict as predicting
from edgekit.inference.standalone import artifact_of
from edgekit.types import Silent

PRODUCT = REPOSITORY / "models" / "fashion-mnist-s-int8"
PEER = REPOSITORY / "tests" / "files" / "mlperf-tiny" / "pretrainedResnet_quant.tflite"
# The device has the bundle, numpy and LiteRT, not edgekit.
DEVICE = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    for kind in ("pi", "mcu", "android"):
        export(PRODUCT, kind, folder / kind, data=str(SHIPPED), license="MIT", reporter=Silent())
    return folder


@pytest.fixture
def copy(bundles, tmp_path):
    """A bundle that a test may change."""
    return lambda kind: Path(shutil.copytree(bundles / kind, tmp_path / kind))


def program(folder, *arguments):
    command = [sys.executable, "-m", "edgekit_classifier", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env=DEVICE)


def golden_of(folder):
    document = json.loads((folder / "golden.json").read_text())
    arrays = [
        np.fromfile(folder / document[side]["file"], document[side]["dtype"]).reshape(document[side]["shape"])
        for side in ("inputs", "outputs")
    ]
    return document, *arrays


def test_golden_vectors_are_what_litert_gives_for_validation_images(bundles, shipped):
    document, inputs, outputs = golden_of(bundles / "pi" / "golden")
    assert document["count"] == 20 and document["data"]["part"] == "val"
    index = [shipped.val.ids.tolist().index(each["id"]) for each in document["vectors"]]
    assert np.bincount(shipped.val.y[index]).tolist() == [2] * 10
    x = shipped.val.x[index]
    (given, *_), _ = litert.describe(PRODUCT / "model_int8.tflite")
    np.testing.assert_array_equal(inputs, litert.quantize(x, given))
    np.testing.assert_array_equal(outputs, litert.run(PRODUCT / "model_int8.tflite", x))
    assert [each["expected"] for each in document["vectors"]] == outputs.argmax(axis=1).tolist()
    for side, array in (("inputs", inputs), ("outputs", outputs)):
        assert document[side]["sha256"] == hashlib.sha256(array.tobytes()).hexdigest()


def test_every_file_is_in_the_manifest_with_its_digest(bundles):
    for kind in ("pi", "mcu", "android"):
        files = json.loads((bundles / kind / "manifest.json").read_text())["files"]
        present = {p.relative_to(bundles / kind).as_posix() for p in (bundles / kind).rglob("*") if p.is_file()}
        assert present == {*files, "manifest.json"}
        for name, entry in files.items():
            content = (bundles / kind / name).read_bytes()
            assert (hashlib.sha256(content).hexdigest(), len(content)) == (entry["sha256"], entry["bytes"])


def test_the_self_test_of_the_pi_passes_without_edgekit(bundles):
    done = program(bundles / "pi", "--self-test", "--strict")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 of 20 outputs bit-identical" in done.stdout
    assert "20 of 20 files become the recorded input" in done.stdout


def test_it_fails_when_an_expected_output_or_a_file_is_another(copy):
    folder = copy("pi")
    outputs = bytearray((folder / "golden" / "outputs.bin").read_bytes())
    outputs[3] ^= 1
    (folder / "golden" / "outputs.bin").write_bytes(outputs)
    done = program(folder, "--self-test")
    assert done.returncode == 1
    assert "19 of 20 outputs bit-identical, 1 of 200 numbers differ, at most by 1 LSB" in done.stdout
    assert "changed: golden/outputs.bin" in done.stdout
    model = folder / "model_int8.tflite"
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    done = program(folder, "--self-test")
    assert done.returncode == 2
    assert "is not the file that metadata.json describes" in done.stderr and "Traceback" not in done.stderr


def test_the_pi_labels_files_as_edgekit_does(bundles, tmp_path):
    pictures = bundles / "pi" / "golden"
    classifier = predicting.load(PRODUCT)
    expected = list(predicting.run(classifier, [pictures], 2, Silent()))
    done = program(bundles / "pi", "golden", "--json", "--top", 2)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [[pair["label"] for pair in row["top"]] for row in rows] == [[name for name, _ in e.top] for e in expected]
    for row, each in zip(rows, expected, strict=True):
        assert [pair["probability"] for pair in row["top"]] == pytest.approx([p for _, p in each.top], abs=1e-6)
        assert row["accepted"] is None and row["calibrated"] is None
    for wrong in (["gone.png"], [], [tmp_path], ["README.md"]):
        done = program(bundles / "pi", *wrong)
        assert (done.returncode, done.stderr.count("Error: ")) == (2, 1), done.stderr
        assert "Traceback" not in done.stderr


def test_predict_takes_a_bundle_as_it_takes_the_file(bundles, copy):
    image = next((bundles / "pi" / "golden").glob("*.png"))
    expected = list(predicting.run(predicting.load(PRODUCT), [image], 3, Silent()))
    for kind in ("pi", "mcu", "android"):
        classifier = predicting.load(bundles / kind)
        assert classifier.described and list(predicting.run(classifier, [image], 3, Silent())) == expected
    folder = copy("pi")
    (folder / "manifest.json").write_text('{"bundle": "pi", "model": "gone.tflite", "files": {}}')
    with pytest.raises(IntegrityError, match="damaged run, product or bundle"):
        predicting.load(folder)


def test_the_service_runs_the_python_that_the_readme_installs_into(bundles):
    readme, service = ((bundles / "pi" / name).read_text() for name in ("README.md", "classifier.service"))
    place = re.search(r"WorkingDirectory=(\S+)", service)[1]
    assert re.findall(r"^ExecStart\w*=(\S+)", service, re.M) == [f"{place}/venv/bin/python"] * 2
    installed = re.findall(r"^    (?:python3 -m venv .* (venv) |(\S+)/bin/python -m pip install -r )", readme, re.M)
    assert installed == [("venv", ""), ("", "venv")]


def test_threshold_and_temperature_are_those_of_the_metadata(copy):
    folder = copy("pi")
    metadata = json.loads((folder / "metadata.json").read_text())
    entry = metadata["artifacts"]["model_int8.tflite"]
    entry["calibration"] = {"temperature": 2.0, "fitted": True, "floor": 1 / 512}
    entry["operating"] = {"threshold": 0.97}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    rows = [json.loads(line) for line in program(folder, "golden", "--json", "--top", 10).stdout.splitlines()]
    assert {row["accepted"] for row in rows} == {True, False}
    for row in rows:
        assert row["accepted"] == (row["top"][0]["probability"] >= 0.97)
        roots = [max(pair["probability"], 1 / 512) ** 0.5 for pair in row["top"]]
        assert row["calibrated"] == pytest.approx(roots[0] / sum(roots), abs=1e-5)


def compiled(folder, *more):
    sources = sorted(path.name for path in folder.glob("*.c"))
    command = [
        "gcc",
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-DEDGEKIT_SELF_TEST_MAIN",
        *more,
        "-o",
        "test",
        *sources,
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    return subprocess.run([folder / "test"], capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_the_c_self_test_compiles_without_warnings_and_passes(copy):
    folder = copy("mcu")
    done = compiled(folder)
    assert done.returncode == 0, done.stdout
    assert "pixels become the recorded inputs: 20 of 20" in done.stdout
    assert "the model was not run" in done.stdout
    source = (folder / "edgekit_model.c").read_text()
    (folder / "edgekit_model.c").write_text(source.replace("84, 70, 76, 51", "84, 70, 76, 52", 1))  # TFL3
    done = compiled(folder)
    assert (done.returncode, "2 of 4" in done.stdout) == (1, True)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
@pytest.mark.parametrize(("steps", "status"), [(1, 0), (2, 1)])
def test_the_hook_runs_the_model_where_one_is_linked(copy, steps, status):
    """In place of the Micro library: the expected outputs, moved by some steps."""
    folder = copy("mcu")
    (folder / "stub.c").write_text(
        '#include "edgekit_golden.h"\n#include "edgekit_self_test.h"\n'
        "int edgekit_invoke(const int8_t *input, int8_t *output) {\n"
        "    int i = (int)((input - edgekit_golden_inputs[0]) / EDGEKIT_INPUT_COUNT);\n"
        "    for (int k = 0; k < EDGEKIT_CLASSES; k++) output[k] = edgekit_golden_outputs[i][k];\n"
        f"    output[0] = (int8_t)(output[0] + (output[0] > 0 ? -{steps} : {steps}));\n"
        "    return 0;\n}\n"
    )
    done = compiled(folder, "-DEDGEKIT_WITH_INTERPRETER")
    assert done.returncode == status, done.stdout
    assert f"largest difference {steps} steps, allowed 1" in done.stdout


def test_the_header_names_the_operators_and_a_lower_bound(bundles):
    header = (bundles / "mcu" / "edgekit_ops.h").read_text()
    methods = ["AddConv2D", "AddMaxPool2D", "AddAdd", "AddMean", "AddFullyConnected", "AddSoftmax"]
    assert [
        line.split("resolver.")[1].split("(")[0] for line in header.splitlines() if "resolver.Add" in line
    ] == methods
    document = json.loads((bundles / "mcu" / "metadata.json").read_text())["bundle"]
    assert document["operators"] == ["CONV_2D", "MAX_POOL_2D", "ADD", "MEAN", "FULLY_CONNECTED", "SOFTMAX"]
    assert (
        f"EDGEKIT_ARENA_AT_LEAST {document['arena']['at_least_bytes']}\n"
        in (bundles / "mcu" / "edgekit_contract.h").read_text()
    )


def test_android_ships_the_file_with_its_labels_inside_and_the_same_bits(bundles):
    assets = bundles / "android" / "src" / "main" / "assets" / "edgekit"
    with zipfile.ZipFile(io.BytesIO((assets / "model_int8.tflite").read_bytes())) as archive:
        assert archive.read("labels.txt") == (PRODUCT / "labels.txt").read_bytes()
    _, inputs, outputs = golden_of(bundles / "android" / "src" / "androidTest" / "assets" / "edgekit" / "golden")
    x = inputs.astype(np.float32) * np.float32(told_scale(assets)) + 128 * np.float32(told_scale(assets))
    np.testing.assert_array_equal(litert.run(assets / "model_int8.tflite", x), outputs)
    metadata = json.loads((assets / "metadata.json").read_text())
    assert metadata["license"]["model"] == "MIT"
    assert metadata["bundle"]["task_library"] == {"runs": False, "file": None}, "one channel"
    # edgekit itself reads what it ships.
    assert predicting.load(assets / "model_int8.tflite").classes == tuple(
        (PRODUCT / "labels.txt").read_text().split("\n")[:-1]
    )


def told_scale(assets):
    return json.loads((assets / "metadata.json").read_text())["artifacts"]["model_int8.tflite"]["inputs"][0]["scale"]


def test_a_file_of_the_users_own_with_color_gets_a_form_for_the_task_libraries(tmp_path):
    rng, arrays = np.random.default_rng(0), {}
    for part in ("train", "val", "cal", "test"):
        arrays |= {f"x_{part}": rng.integers(0, 256, (30, 32, 32, 3), dtype=np.uint8), f"y_{part}": np.arange(30) % 10}
    np.savez(tmp_path / "data.npz", **arrays)
    given = {"data": str(tmp_path / "data.npz"), "input_range": "0-255", "reporter": Silent()}
    folder, _ = export(PEER, "android", tmp_path / "out", **given)
    assets = folder / "src" / "main" / "assets" / "edgekit"
    form = assets / f"{PEER.stem}{task.SUFFIX}.tflite"
    assert json.loads((assets / "metadata.json").read_text())["bundle"]["task_library"] == {
        "runs": True,
        "file": form.name,
    }
    assert litert.describe(form)[0][0].dtype == "uint8"
    folder, _ = export(PEER, "pi", tmp_path / "pi", **given)
    assert program(folder, "--self-test").returncode == 0


def test_onnx_runtime_gives_the_golden_outputs(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(small_onnx())
    folder, _ = export(path, "onnx", tmp_path / "out", data=str(SHIPPED), reporter=Silent())
    done = program(folder, "--self-test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 of 20 labels as expected" in done.stdout
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["output"]["kind"] == "softmax"
    done = subprocess.run(
        [sys.executable, "session.py"], cwd=folder, capture_output=True, text=True, timeout=60, env=DEVICE
    )
    assert (
        done.stdout.split()[0]
        == json.loads((folder / "golden" / "golden.json").read_text())["vectors"][0]["expected_label"]
    )


def small_onnx():
    """A linear classifier of 28x28 pictures."""
    from onnx import TensorProto, helper, numpy_helper

    kernel = np.random.default_rng(0).normal(0, 0.1, (784, 10)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "kernel"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["y"]),
    ]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 28, 28, 1])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])
    graph = helper.make_graph(nodes, "g", [given], [result], [numpy_helper.from_array(kernel, "kernel")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def test_weights_in_a_second_file_are_counted_and_come_into_the_bundle(tmp_path):
    """PyTorch's exporter writes them there."""
    import onnx

    (tmp_path / "one.onnx").write_bytes(small_onnx())
    onnx.save_model(
        onnx.load(tmp_path / "one.onnx"), str(tmp_path / "two.onnx"),
        save_as_external_data=True, location="two.onnx.data", size_threshold=0,
    )  # fmt: skip
    weights = tmp_path / "two.onnx.data"
    size = (tmp_path / "two.onnx").stat().st_size + weights.stat().st_size
    assert artifact_of(tmp_path / "two.onnx").size_bytes == size > 4 * 7_840
    folder, manifest = export(tmp_path / "two.onnx", "onnx", tmp_path / "out", data=str(SHIPPED), reporter=Silent())
    weights.unlink()
    assert manifest["files"]["two.onnx"]["bytes"] == (folder / "two.onnx").stat().st_size > 4 * 7_840
    done = subprocess.run(
        [sys.executable, "-m", "edgekit_classifier", "--self-test"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_refuses_in_one_line_and_replaces_only_when_asked(tmp_path):
    out = tmp_path / "out"
    given = ("export", PRODUCT, "--bundle", "mcu", "--data", SHIPPED, "--out", out)
    done = edgekit(*given, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bundle"] == "mcu"
    assert "is not the data" in done.stderr
    again = edgekit(*given)
    assert again.returncode == 2 and "already contains a bundle" in again.stderr and "Traceback" not in again.stderr
    assert edgekit(*given, "--force").returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("path", "kind", "options", "error", "message"),
    [
        (PRODUCT, "ios", {}, UsageError, "Unknown bundle 'ios'"),
        (PRODUCT / "gone.tflite", "pi", {}, DataError, "does not exist"),
        (PRODUCT, "onnx", {"data": str(SHIPPED)}, UsageError, "no .onnx next to"),
        (PEER, "pi", {"input_range": "0-255"}, UsageError, "with --data"),
        (
            PRODUCT,
            "pi",
            {"input_range": "signed"},
            UsageError,
            "--input-range applies only to files without metadata.json",
        ),
        (PEER, "pi", {"data": str(SHIPPED), "input_range": "0-255"}, DataError, "expects images of"),
    ],
)
def test_wrong_input_is_named(tmp_path, path, kind, options, error, message):
    with pytest.raises(error, match=message) as found:
        export(path, kind, tmp_path / "out", reporter=Silent(), **options)
    assert "\n" not in str(found.value)
    assert not (tmp_path / "out").exists()


def test_a_microcontroller_takes_int8_files_only(tmp_path):
    other = tmp_path / "model_uint8.tflite"
    other.write_bytes(task.uint8_form((PRODUCT / "model_int8.tflite").read_bytes()))
    with pytest.raises(UsageError, match=r"int8 input and output; .* has uint8 and uint8"):
        subject.read(other, "mcu")
    (tmp_path / "model.onnx").write_bytes(small_onnx())
    with pytest.raises(UsageError, match=r"is an \.onnx; use --bundle onnx"):
        subject.read(tmp_path / "model.onnx", "mcu")


def test_what_is_no_bundle_is_never_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="not an edgekit bundle"):
        export(PRODUCT, "pi", tmp_path, data=str(SHIPPED), force=True, reporter=Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_other_data_than_the_runs_is_reported(tmp_path):
    reporter = RecordingReporter()
    folder, _ = export(PRODUCT, "pi", tmp_path / "out", data=str(SHIPPED), reporter=reporter)
    assert "is not the data that fashion-mnist-s-int8 was trained on" in reporter.warnings[0]
    assert json.loads((folder / "golden" / "golden.json").read_text())["data"]["trained_on"] is False
