"""Every benchmark starts: a tiny case of it runs to its end, or it says in one line what it lacks."""

from __future__ import annotations

import json
import runpy
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
HELPERS = {
    *("figures", "record", "builds", "sized", "drawings", "curation_sets", "small_sets"),
    *("curation_tables", "curation_small_tables", "fsdd_tables", "small_data_tables"),
}
# Tiny cases that need no TensorFlow; head_scores and report_size want more than is installed everywhere.
PLAIN = (
    *("audio_features", "curation_small", "does_curation_help", "evaluate_throughput", "host_latency_agreement"),
    *("metrics_throughput", "startup", "study_scaling", "verdict_null", "verdict_power"),
)
OPTIONAL = ("head_scores", "report_size")
TRAINING = (
    *(
        "channel_pruning",
        "demo_build",
        "fashion_mnist",
        "fsdd",
        "int8_drop",
        "iqr_study",
        "label_budget",
        "large_folder",
    ),
    *("light_cnn_study", "logits_output", "noise_detection", "pretrained_small", "rebuild_cached", "shrink"),
    *("small_choices", "student_facts", "training_precision", "training_throughput", "twins", "zoo_accuracy"),
)
OTHERS = ("bench_overhead", "plain_keras", "small_data")
OPTIONS = {"host_latency_agreement": ["--peers", str(ROOT / "tests/files/mlperf-tiny")]}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A folder with a cache that the tiny cases share, and tones where the spoken digits would be."""
    root = tmp_path_factory.mktemp("benchmarks")
    clips = root / "data/fsdd/recordings"
    clips.mkdir(parents=True)
    for digit in range(10):
        for index in range(9):
            tone = 8000 * np.sin(2 * np.pi * (300 + 50 * digit + index) * np.arange(2400) / 8000)
            with wave.open(str(clips / f"{digit}_theo_{index}.wav"), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes(tone.astype("<i2").tobytes())
    return root


@pytest.fixture
def start(shared, tmp_path, monkeypatch, capfd):
    """Run a benchmark in this process; returns its exit code, its lines on stdout and those on stderr."""

    def started(name, *options, data="data"):
        path = BENCHMARKS / f"{name}.py"
        monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
        monkeypatch.setattr(sys, "argv", [str(path), *options])
        monkeypatch.setenv("XDG_CACHE_HOME", str(shared / "cache"))
        monkeypatch.setenv("EDGEKIT_DATA", str(shared / data))
        monkeypatch.chdir(tmp_path)
        code = 0
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as ended:
            code = ended.code
        printed = capfd.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines()

    return started


def ran(start, name):
    code, out, err = start(name, "--tiny", *OPTIONS.get(name, ()))
    assert code in (0, None), "\n".join(err)
    return json.loads(out[-1]) if name != "student_facts" else None


def test_each_file_is_started_here_or_known_as_a_helper():
    assert {path.stem for path in BENCHMARKS.glob("*.py")} == {*PLAIN, *OPTIONAL, *TRAINING, *OTHERS, *HELPERS}


@pytest.mark.parametrize("name", PLAIN)
def test_a_tiny_case_runs(start, name):
    line = ran(start, name)
    assert line["name"] == name
    assert line["detail"]["quick"] is True


@pytest.mark.tf
@pytest.mark.parametrize("name", TRAINING)
def test_a_tiny_case_trains(start, name):
    line = ran(start, name)
    assert line is None or line["name"] == name


@pytest.mark.tf
@pytest.mark.parametrize("name", OPTIONAL)
def test_a_tiny_case_runs_where_it_can(start, name):
    code, out, err = start(name, "--tiny")
    if code == 3:
        assert len(err) == 1
        assert err[0].startswith(f"Error: {name} needs ")
    else:
        assert json.loads(out[-1])["name"] == name


@pytest.mark.tf
@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected")
def test_the_plain_script_trains_and_converts(start, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "few.npz", x_train=rng.random((40, 16, 16, 1), dtype=np.float32), y_train=np.arange(40) % 2)
    assert start("plain_keras", str(tmp_path / "few.npz"), "0", str(tmp_path / "m.tflite"))[0] == 0
    assert (tmp_path / "m.tflite").read_bytes()[4:8] == b"TFL3"


def test_small_data_starts_and_ends_when_its_time_is_over(start):
    assert start("small_data", "--quick", "--minutes", "0")[0] == 0


@pytest.mark.parametrize(
    ("name", "options", "code", "what"),
    [
        ("report_size", ["--tiny"], 3, "report_size needs chromium and chromedriver: apt-get install"),
        ("host_latency_agreement", ["--quick", "--peers", "."], 3, "pretrainedResnet.tflite"),
        ("bench_overhead", ["--quick", "--target", "ssh://nobody.invalid"], 8, "nobody.invalid"),
        ("fsdd", ["--tiny"], 4, "fsdd is not on this machine"),
    ],
)
def test_what_is_missing_is_named_in_one_line(start, monkeypatch, name, options, code, what):
    if name == "report_size":
        monkeypatch.setenv("PATH", "")
    found, _, err = start(name, *options, data="nothing")
    assert found == code
    assert what in err[-1]
    assert not any(line.startswith("Traceback") for line in err)
