"""The command line: exit codes, one-line errors, and how little it imports."""

import json
import subprocess
import sys

import numpy as np
import pytest
from tests.commands import edgekit, process
from tests.conftest import SHIPPED

HEAVY = {"tensorflow", "tf_keras", "keras", "jax", "numpy", "sklearn", "matplotlib", "pyarrow"}


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["doctor"], ["build", "--help"], ["--version"]])
def test_light_commands_import_nothing_heavy(arguments):
    code = (
        "import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr));"
        "from edgekit.cli.app import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stderr.split())


def test_list_shows_every_table_and_json_is_json():
    text = edgekit("list").stdout
    for name in ("microresnet", "conv8", "iqr", "random", "host", "int8"):
        assert name in text
    assert json.loads(edgekit("list", "students", "--json").stdout)["students"]["conv8"]["summary"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["build", "--curate", "iqrr"], 2, "Did you mean 'iqr'"),
        (["build", "--quantize", "int9"], 2, "Did you mean 'int8'"),
        (["build", "--student", "conv88"], 2, "Did you mean 'conv8'"),
        (["build", "--backend", "torch"], 2, "Unknown backend 'torch'"),
        (["build", "--target", "hots"], 2, "Did you mean 'host'"),
        (["build", "--data", "fashon-mnist"], 2, "Did you mean 'fashion-mnist'"),
        (["build", "--data", "nowhere/at/all"], 4, "does not exist"),
        (["build", "--set", "training.epoch=1"], 2, "Did you mean 'training.epochs'"),
        (["build", "--gate", "acuracy>=1"], 2, "Did you mean 'accuracy'"),
        (["build", "--recipe", "missing.yaml"], 2, "Cannot read"),
        (["build", "--resume", "--force"], 2, "give one of them"),
        (["build", "--resume"], 2, "No unfinished run"),
        (["build", "--curate", "random"], 2, "needs budget"),
        (["build", "--control"], 2, "compares a curation"),
        (["evaluate", "missing.tflite"], 4, "does not exist"),
        (["bench", "missing.tflite", "--threads", "a"], 2, "thread counts"),
        (["list", "studnets"], 2, "Did you mean 'students'"),
        (["build", "--coverage", "0.5", "--risk", "0.1"], 2, "give one of the two"),
        (["compare", "one"], 2, "Give two run folders"),
        (["compare", "one", "two"], 9, "no report.json"),
        (["compare", "--arm-a", "one-*", "--arm-b", "two"], 2, "neither a run folder"),
        (["nonsense"], 2, "No such command"),
        (["report", "nowhere"], 9, "no report.json"),
    ],
)
def test_wrong_input_is_one_line_and_the_documented_exit_code(arguments, code, message, tmp_path):
    done = edgekit(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    if not message.startswith("No such command"):
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        assert len(errors) == 1
    assert not list(tmp_path.rglob("*.tflite"))


def test_damaged_data_is_exit_code_4_and_leaves_no_artifacts(tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    for path in SHIPPED.glob("*.gz"):
        (folder / path.name).write_bytes(path.read_bytes()[: 50_000 if "train-images" in path.name else None])
    done = edgekit("build", "--data", folder, "--out", tmp_path / "run")
    assert done.returncode == 4
    assert "damaged gzip" in done.stderr
    assert not (tmp_path / "run").exists(), "nothing is begun with data that cannot be read"


def test_dry_run_writes_nothing(tmp_path):
    done = edgekit("build", "--curate", "iqr", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0
    assert "method: iqr" in done.stdout
    assert "9,000 train" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_exit_code_9_and_leaves_nothing_half_written(tmp_path):
    """A run folder on a file system of 64 KB."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting needs root")
    try:
        done = process("curate", "--curate", "random", "--budget", "3000", "--out", small / "run")
        assert done.returncode == 9, done.stderr
        assert "No space left" in done.stderr
        assert "Traceback" not in done.stderr
        assert not list(small.rglob(".edgekit-partial-*"))
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_curate_alone_needs_no_teacher_for_random(tmp_path):
    done = edgekit("curate", "--curate", "random", "--budget", "0.25", "--out", tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["curation"]["n_dropped"] == 2250
    assert json.loads((tmp_path / "run/manifest.json").read_text())["status"] == "curated"


def test_cache_commands(own_cache):
    assert "0.0 MB" in edgekit("cache", "size").stdout
    assert "freed" in edgekit("cache", "clear").stdout


@pytest.mark.jax
def test_training_runs_where_tensorflow_cannot_be_imported(small_npz, tmp_path):
    """The GPU box without TensorFlow: `edgekit train --backend jax` with `import tensorflow` blocked."""
    pytest.importorskip("jax")
    blocked = tmp_path / "blocked" / "tensorflow"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise ImportError('blocked by the test')")
    done = process(
        "train", "--backend", "jax", "--data", small_npz, "--curate", "self-confidence", "--budget", "10", "--folds", "2",
        "--set", "curation.max_class_edit=1", "--out", tmp_path / "run",
        "--set=training.epochs=2", "--set=teacher.epochs=1", "--set=training.batch_size=64",
        "--student=conv8", "--set=data.limit=300",
        env={"PYTHONPATH": str(tmp_path / "blocked")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/models/student_float.keras").exists()
    assert (tmp_path / "run/curation/selection.jsonl").read_text().count("\n") > 0


@pytest.mark.tf
def test_evaluate_and_bench_on_a_file_of_ones_own(files, tmp_path):
    done = edgekit("evaluate", files["int8"], files["onnx"], "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["n"] for row in rows] == [2000, 2000]
    assert 0.5 < rows[0]["accuracy"] < 1
    done = edgekit("bench", files["int8"], "--threads", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)[0]["latencies_ns"]) >= 100
    np.savez(tmp_path / "rgb.npz", x_train=np.zeros((40, 8, 8, 3), np.uint8), y_train=np.arange(40) % 2,
             x_test=np.zeros((4, 8, 8, 3), np.uint8), y_test=np.arange(4) % 2)  # fmt: skip
    done = edgekit("evaluate", files["int8"], "--data", tmp_path / "rgb.npz")
    assert done.returncode == 4
    assert "expects images of (28, 28, 1)" in done.stderr
