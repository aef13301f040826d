"""The text of benchmark_model, every edge case of its grammar."""

from __future__ import annotations

import pytest
from tests.conftest import REPOSITORY

from edgekit.bench.runners import benchmark_output, operator_profile

FILES = REPOSITORY / "tests" / "files" / "benchmark-model"
_COUNTED = "count=74 first=14850 curr=13315 min=13105 max=15765 avg=13520.2 std=470 p5=13111 median=13419 p95=14480"


def text(name: str) -> str:
    return (FILES / name).read_text()


def with_runs(line: str, mean: str) -> str:
    """classic.txt with another line of the counted runs, and the mean that goes with it."""
    return text("classic.txt").replace(_COUNTED, line).replace("Inference (avg): 13520.2", f"Inference (avg): {mean}")


def test_a_recent_build_tells_everything():
    found = benchmark_output.read(text("classic.txt"))
    assert found.warmup is not None and found.warmup.count == 37 and found.warmup.median_us == 13700
    counted = found.counted
    assert (counted.count, counted.minimum_us, counted.maximum_us, counted.deviation_us) == (74, 13105, 15765, 470)
    assert (counted.average_us, counted.median_us, counted.p95_us) == (13520.2, 13419, 14480)
    assert found.init_ms == 12.75
    assert found.peak_rss_bytes == int(11.5 * 1024**2)
    assert found.baseline_rss_bytes is None and found.runtime is None


def test_a_build_of_2022_tells_no_median_but_of_one_run():
    found = benchmark_output.read(text("classic-2022.txt"))
    assert found.counted.median_us is None and found.counted.p95_us is None
    assert found.counted.average_us == 1240270
    assert found.warmup is not None and found.warmup.median_us == 1357602 and found.warmup.count == 1
    assert found.peak_rss_bytes is None


def test_lines_without_a_prefix():
    found = benchmark_output.read(text("classic-2019.txt"))
    assert (found.counted.count, found.counted.average_us, found.init_ms) == (50, 56283.9, 0.811)


def test_litert_s_build():
    found = benchmark_output.read(text("litert.txt"))
    assert (found.counted.count, found.counted.median_us, found.init_ms) == (1054, 942, 5.757)


@pytest.mark.parametrize(
    ("line", "mean", "count", "value"),
    [
        ("count=1 curr=123 p5=123 median=123 p95=123", "123", 1, 123),
        ("count=1 curr=123", "123", 1, 123),
        ("count=60 curr=41(all same) p5=41 median=41 p95=41", "41", 60, 41),
        ("count=60 curr=41(all same)", "41", 60, 41),
    ],
)
def test_one_run_and_equal_runs_have_no_mean_of_their_own(line, mean, count, value):
    found = benchmark_output.read(with_runs(line, mean)).counted
    assert (found.count, found.average_us, found.minimum_us, found.maximum_us) == (count, value, value, value)
    assert (found.median_us, found.p95_us, found.deviation_us) == (value, value, 0)


def test_no_warm_up_is_none():
    line = "count=37 first=14744 curr=13520 min=13164 max=18295 avg=13764.3 std=967 p5=13170 median=13700 p95=15000"
    assert benchmark_output.read(text("classic.txt").replace(line, "count=0 p5=0 median=0 p95=0")).warmup is None


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (with_runs("count=0 p5=0 median=0 p95=0", "0"), "no counted run"),
        (with_runs("count=9 curr=123", "123"), "incomplete"),
        (with_runs(_COUNTED, "13530.2"), "two means"),
        (text("litert.txt").replace("(1054 runs)", "(1000 runs)"), "two results"),
        (text("classic.txt").partition("INFO: Inference timings")[0], "cut off"),
        (text("classic.txt").partition("INFO: count=74")[0], "1 lines of statistics"),
        (text("classic.txt")[: text("classic.txt").index("p95=14480") + 3], "1 lines of statistics"),
        ("\x00\xff garbage\n", "0 lines of statistics"),
        ("", "0 lines of statistics"),
    ],
)
def test_what_is_not_whole_is_refused(output, message):
    with pytest.raises(ValueError, match=message):
        benchmark_output.read(output)


def test_every_cut_is_refused_until_the_mean_is_there():
    whole = text("classic.txt")
    end = whole.index("Inference (avg): 13520.2") + len("Inference (avg): 13520.2")
    for length in range(0, end - 1, 7):
        with pytest.raises(ValueError):
            benchmark_output.read(whole[:length])


def test_flags_of_the_help():
    classic, litert = (benchmark_output.known_flags(text(f"help-{name}.txt")) for name in ("classic", "litert"))
    assert {"graph", "num_runs", "input_layer_value_files", "output_filepath", "result_file_path"} <= classic
    assert "max" not in classic and "max-secs" not in classic
    assert {"graph", "num_runs", "use_npu"} <= litert and "input_layer_value_files" not in litert


@pytest.mark.parametrize("prefix", ["WARN: ", ""])
def test_flags_that_were_left_out(prefix):
    log = f"INFO: STARTING!\n{prefix}Unconsumed cmdline flags: --output_filepath=y.bin --x\nINFO: Graph: [m]\n"
    assert benchmark_output.unconsumed(log) == "--output_filepath=y.bin --x"
    assert benchmark_output.unconsumed(text("classic.txt")) is None


def test_errors_are_the_lines_that_say_why():
    log = "INFO: x\nERROR: Failed to load model m.tflite\nERROR: Benchmarking failed.\n"
    assert benchmark_output.failures(log) == ["Failed to load model m.tflite"]
    assert benchmark_output.failures("ERROR: Benchmarking failed.\n") == ["Benchmarking failed."]
    fatal = "FATAL: The size of x.bin is 12 bytes. It should be 24 bytes.\n"
    assert benchmark_output.failures(fatal) == ["The size of x.bin is 12 bytes. It should be 24 bytes."]
    assert benchmark_output.failures(text("classic.txt")) == []


@pytest.mark.parametrize(
    ("log", "kernels"),
    [
        (text("classic.txt"), "xnnpack"),
        (text("litert.txt"), "xnnpack"),
        (text("classic-2022.txt"), "builtin"),
        (text("gpu.txt"), "gpu"),
        (text("gpu-partly.txt"), "builtin"),
        (text("nnapi-reference.txt"), "nnapi"),
        (
            "Though XNNPACK delegate is explicitly applied, the model graph will not be executed by the delegate.",
            "builtin",
        ),
        ("Replacing 9 out of 9 node(s) with delegate (LITERT_CL) node, yielding 1 partitions for subgraph 0.", "gpu"),
        ("INFO: XNNPACK CPU accelerator registered.", "builtin"),
    ],
)
def test_what_computed_it(log, kernels):
    assert benchmark_output.kernels(log) == kernels


def test_nnapi_of_its_own_is_the_cpu():
    log = text("nnapi-reference.txt")
    assert benchmark_output.nnapi_is_reference(log)
    assert not benchmark_output.nnapi_is_reference(log.replace("[nnapi-reference]", "[google-edgetpu,nnapi-reference]"))
    assert not benchmark_output.nnapi_is_reference(text("gpu.txt"))


def test_the_operators_of_the_counted_runs():
    found = operator_profile.read(text("profile.csv"))
    assert [(operator.type, operator.ms) for operator in found] == [
        ("CONV_2D", 0.12),
        ("FULLY_CONNECTED", 0.06),
        ("SOFTMAX", 0.02),
    ]
    assert found[0].name == "[conv/Relu;conv/BiasAdd]:0"
    assert [round(operator.share, 6) for operator in found] == [0.6, 0.3, 0.1]


@pytest.mark.parametrize(
    "table",
    [
        "",
        "nothing",
        "=== Run Order ===\nnode type, name\nA, b",
        "=== Run Order ===\n" + "node type, first, avg_ms, times called, name\nCONV_2D, 1",
    ],
)
def test_a_profile_that_is_not_one_is_refused(table):
    with pytest.raises(ValueError):
        operator_profile.read(table)
