"""The program that is pushed to devices, run as a process of its own, and its functions."""

import itertools
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from edgekit.device import runner
from edgekit.inference.cuts import cuts

FILES = Path(__file__).parents[2] / "files" / "mlperf-tiny"
KWS = FILES / "kws_ref_model.tflite"
RESNET = FILES / "pretrainedResnet_quant.tflite"
STUDENT = Path(__file__).parents[3] / "models" / "fashion-mnist-s-int8" / "model_int8.tflite"
NUMPY = Path(np.__file__).parents[1]


@pytest.fixture
def folder(tmp_path):
    """A folder with a job for one file of the keyword spotter."""
    np.zeros((1, 49, 10, 1), np.int8).tofile(tmp_path / "x.bin")
    (tmp_path / "m0.tflite").write_bytes(KWS.read_bytes())
    (tmp_path / "facts.sh").write_text("echo cores 3\n")
    model = {
        "file": "m0.tflite",
        "input": "x.bin",
        "dtype": "|i1",
        "shape": [1, 49, 10, 1],
        "outputs": None,
        "cuts": None,
    }
    job = {"models": [model], "threads": [1], "runs": 5, "warmup": 1, "affinity": None, "delegate": "xnnpack"}
    (tmp_path / "job.json").write_text(json.dumps(job))
    return tmp_path


def run(folder, *options, modules=None, **change):
    """(exit status, the document in the last line of stdout)"""
    job = {**json.loads((folder / "job.json").read_text()), **change}
    (folder / "job.json").write_text(json.dumps(job))
    done = subprocess.run(
        [sys.executable, *options, runner.__file__, "job.json"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], **({"PYTHONPATH": str(modules)} if modules else {})},
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def modules(tmp_path):
    """A folder to import from with nothing in it but numpy."""
    found = tmp_path / "modules"
    found.mkdir()
    for name in ("numpy", "numpy.libs"):
        if (NUMPY / name).exists():
            (found / name).symlink_to(NUMPY / name)
    return found


def test_it_tells_raw_latencies_memory_and_facts(folder):
    status, document = run(folder, "-I")
    assert status == 0
    (row,) = document["rows"]
    assert row["runtime"].startswith("ai-edge-litert 2.")
    assert (row["kernels"], row["threads"]) == ("xnnpack", 1)
    # At least 5 runs and a second in all: so small a file runs far more often.
    assert len(row["latencies_ns"]) > 1000
    assert sum(row["latencies_ns"]) < document["seconds"] * 1e9
    assert row["warmups"] > 100
    assert document["before"] == document["after"] == "cores 3\n"


def test_memory_is_that_of_a_process_that_imported_the_runtime_itself(folder):
    """Though a fork starts with less than half of it."""
    _, document = run(folder, "-I", runs=1)
    code = (
        "import ctypes, hashlib, json, mmap, platform, random, statistics, subprocess\nimport ai_edge_litert.interpreter\n"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
    )
    alone = int(subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True).stdout) * 1024
    assert document["memory"]["0"]["baseline_bytes"] == pytest.approx(alone, rel=0.1)
    assert document["memory"]["0"]["baseline_bytes"] < document["memory"]["0"]["peak_bytes"] < alone + 20e6


def test_no_numpy_and_no_runtime_are_told_apart(folder, modules):
    status, document = run(folder, "-S")
    assert (status, document["error"]) == (3, "no numpy")
    status, document = run(folder, "-S", modules=modules)
    assert (status, document["error"]) == (3, "no runtime")
    assert set(document["tried"]) == {"ai_edge_litert", "tflite_runtime", "tensorflow"}
    assert document["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert document["machine"]
    assert "libc" in document


def test_a_runtime_that_crashes_is_told_and_not_followed(folder, modules):
    (modules / "tflite_runtime").mkdir()
    (modules / "tflite_runtime" / "__init__.py").write_text("__version__ = '0'")
    (modules / "tflite_runtime" / "interpreter.py").write_text(
        "import os, signal\n"
        "class OpResolverType:\n    BUILTIN_WITHOUT_DEFAULT_DELEGATES = 3\n"
        "def Interpreter(**_):\n    os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    status, document = run(folder, "-S", modules=modules)
    assert (status, document["error"], document["file"]) == (4, "model", "m0.tflite")
    assert "SIGSEGV" in document["message"]


def test_a_file_that_is_no_model_and_cpus_that_are_not_there(folder):
    (folder / "m0.tflite").write_bytes(b"hello")
    status, document = run(folder, "-I")
    assert (status, document["error"]) == (4, "model")
    assert document["message"]
    status, document = run(folder, "-I", affinity=[4000])
    assert (status, document["error"]) == (2, "affinity")


@pytest.mark.parametrize("path", [KWS, RESNET, STUDENT], ids=["kws", "resnet", "student"])
def test_a_file_cut_behind_an_operator_computes_what_the_whole_file_does(path):
    """The last cut is the file itself; every earlier one gives its live tensors as the whole file computes them."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    parts = cuts(path)
    content = path.read_bytes()
    settings = {"experimental_op_resolver_type": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}
    whole = Interpreter(model_path=str(path), experimental_preserve_all_tensors=True, **settings)
    whole.allocate_tensors()
    given = whole.get_input_details()[0]
    x = np.random.default_rng(0).integers(-128, 128, given["shape"]).astype(np.int8)
    whole.set_tensor(given["index"], x)
    whole.invoke()
    assert len(parts.live) == len(parts.operators) + 1
    for count, live in enumerate(parts.live):
        part = Interpreter(model_content=runner.cut(content, asdict(parts), count), **settings)
        part.allocate_tensors()
        part.set_tensor(part.get_input_details()[0]["index"], x)
        part.invoke()
        details = part.get_output_details()
        assert tuple(detail["index"] for detail in details) == live
        for tensor in live:
            assert np.array_equal(part.get_tensor(tensor), whole.get_tensor(tensor)), (count, tensor)


def test_the_operators_of_a_file_and_what_lives_between_them():
    """The residual network of MLPerf Tiny: read off its graph."""
    parts = cuts(RESNET)
    types = [kind for kind, _ in parts.operators]
    assert types[:4] == ["CONV_2D", "CONV_2D", "CONV_2D", "ADD"]
    assert types[-4:] == ["AVERAGE_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"]
    assert [len(live) for live in parts.live] == [1, 1, 2, 2, 1, 2, 2, 2, 1, 2, 2, 2, 1, 1, 1, 1, 1]
    assert cuts(KWS).operators[1][0] == "DEPTHWISE_CONV_2D"


def test_timed_runs_as_often_and_as_long_as_asked():
    calls = itertools.count()
    assert len(runner.timed(lambda: next(calls), 7, 0)) == next(calls) == 7
    begin = time.perf_counter_ns()
    assert len(runner.timed(lambda: None, 1, 2_000_000)) > 1
    assert time.perf_counter_ns() - begin >= 2_000_000
