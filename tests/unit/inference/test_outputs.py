"""What a file may output: rows that sum to 1, or logits, and finite numbers."""

import json

import numpy as np
import pytest
from tests.commands import edgekit

from edgekit.inference.standalone import artifact_of, finite, sums


@pytest.fixture
def given(tmp_path):
    """(folder with data, maker of an .onnx whose three outputs are `operator` of the mean pixel against three centers)."""
    from onnx import TensorProto, helper, numpy_helper

    rng, y = np.random.default_rng(0), np.arange(60) % 3
    x = np.clip((30 + 95 * y)[:, None, None, None] + rng.integers(-9, 10, (60, 8, 8, 1)), 0, 255).astype(np.uint8)
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    np.savez(tmp_path / "p.npz", x=x)

    def make(name, operator, side=8):
        centers = numpy_helper.from_array(np.float32([[30, 125, 220]]) / 255, "centers")
        nodes = [
            helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1, 2], keepdims=0),
            helper.make_node("Sub", ["mean", "centers"], ["far"]),
            helper.make_node("Abs", ["far"], ["distance"]),
            helper.make_node("Mul", ["distance", "factor"], ["score"]),
            helper.make_node(operator, ["score"], ["y"]),
        ]
        graph = helper.make_graph(
            nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", side, side, 1])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
            [centers, numpy_helper.from_array(np.float32(-20), "factor")],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        (tmp_path / name).write_bytes(model.SerializeToString())
        return tmp_path / name

    return tmp_path, make


def test_a_softmax_is_evaluated_and_sigmoid_units_are_refused(given):
    folder, make = given
    done = edgekit("evaluate", make("softmax.onnx", "Softmax"), "--data", folder / "d.npz")
    assert done.returncode == 0 and "accuracy          1.0000" in done.stdout, done.stderr
    units = make("units.onnx", "Sigmoid")
    done = edgekit("evaluate", units, "--data", folder / "d.npz")
    assert done.returncode == 4
    assert "the outputs of 60 of 60 samples do not sum to 1 (the first sum to 0." in done.stderr
    done = edgekit("predict", units, folder / "p.npz")
    assert done.returncode == 0 and done.stderr.count("They are scores, not probabilities") == 1
    assert [line.split(",")[1] for line in done.stdout.split()[1:]] == [str(k % 3) for k in range(60)]


def test_nan_is_named_by_every_command(given):
    folder, make = given
    broken = make("broken.onnx", "Sqrt")  # of negative scores
    for command in (("evaluate", broken, "--data", folder / "d.npz"), ("predict", broken, folder / "p.npz")):
        done = edgekit(*command)
        assert done.returncode == 4 and not done.stdout
        assert "outputs NaN or infinity for 60 of 60 samples" in done.stderr


def test_a_file_of_any_size_takes_the_size_of_the_data(given):
    folder, make = given
    open_ = make("open.onnx", "Softmax", "side")
    done = edgekit("evaluate", open_, "--data", folder / "d.npz")
    assert done.returncode == 0 and "accuracy          1.0000" in done.stdout, done.stderr
    done = edgekit("bench", open_, "--runs", "50", "--threads", "1")
    assert done.returncode == 2 and "its latency depends on the size; name images with --data" in done.stderr
    done = edgekit("bench", open_, "--runs", "50", "--threads", "1", "--data", folder / "d.npz", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)[0]["accuracy"] == 1.0, done.stderr


def test_what_the_runtime_says_is_one_line(given):
    """Its input is of any size, its product is not."""
    from onnx import TensorProto, helper, numpy_helper

    folder = given[0]
    kernel = numpy_helper.from_array(np.zeros((100, 3), np.float32), "kernel")
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "kernel"], ["y"])]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "h", "w", 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])], [kernel],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "fixed.onnx").write_bytes(model.SerializeToString())
    done = edgekit("evaluate", folder / "fixed.onnx", "--data", folder / "d.npz")
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1 and "fixed.onnx does not run on inputs of (60, 8, 8, 1): " in done.stderr


def test_rounding_of_a_quantized_file_is_no_fault(given):
    import dataclasses

    file = artifact_of(given[1]("softmax.onnx", "Softmax"))
    rows = np.float32([[0.30, 0.30, 0.35], [0.2, 0.3, 0.5]])
    assert sums(file, rows) == "the outputs of 1 of 2 samples do not sum to 1 (the first sum to 0.95)."
    output = dataclasses.replace(file.outputs[0], dtype="int8", scale=1 / 64)
    assert sums(dataclasses.replace(file, outputs=(output,)), rows) is None
    assert finite(file, rows) is rows
