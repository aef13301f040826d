"""Files measured with a target's Python: over this machine, and with programs of the tests' own in Python's place."""

import dataclasses
import hashlib
import json
import shlex
import sys
from pathlib import Path

import flatbuffers
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.bench.runners import python
from edgekit.bench.session import Job
from edgekit.bench.targets import host
from edgekit.bench.transport import Transport
from edgekit.bench.workspace import workspace
from edgekit.errors import TargetError, UsageError
from edgekit.inference import litert, onnxrt
from edgekit.inference.standalone import artifact_of
from edgekit.recipe import BenchSection, addresses

KWS = Path(__file__).parents[2] / "files" / "mlperf-tiny" / "kws_ref_model.tflite"
STUDENTS = [
    Path(__file__).parents[3] / "models" / name / "model_int8.tflite" for name in ("mnist-xs-int8", "mnist-s-int8")
]
SITE = Path(np.__file__).parents[1]


@pytest.fixture
def transport():
    found = host.connect(addresses.parse("host"))
    yield found
    found.close()


def measured(transport, artifacts, x, *, samples=True, threads=(1,), **plan):
    job = Job(
        artifacts=artifacts,
        plan=BenchSection(runs=50).model_copy(update=plan),
        image=x[:1],
        samples=x if samples else None,
        threads=threads,
    )
    with workspace(transport) as space:
        return python.measure(space, job)


def fixed_batch(model, batch):
    """Let a model take exactly `batch` samples at a time."""
    for tensor in model.subgraphs[0].tensors:
        if tensor.shapeSignature is not None:
            tensor.shape, tensor.shapeSignature = [batch, *map(int, tensor.shape[1:])], None


def constant_reshape(model):
    """Let the RESHAPE of the keyword spotter make one row, whatever the batch."""
    (operator,) = (
        op for op in model.subgraphs[0].operators if model.operatorCodes[op.opcodeIndex].deprecatedBuiltinCode == 22
    )
    shape = model.subgraphs[0].tensors[operator.inputs[1]]
    model.buffers[shape.buffer].data = np.array([1, 64], np.int32).view(np.uint8)


def onnx_file(path, shape):
    """mean over the picture, then a dense layer of 10."""
    weights = np.random.default_rng(1).random((shape[-1], 10), dtype=np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x"], ["m"], axes=[1, 2], keepdims=0),
            helper.make_node("MatMul", ["m", "w"], ["y"]),
        ],
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(weights, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return artifact_of(path)


def changed(path, target, change):
    """A copy of a .tflite after change(its model as objects)."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    change(model)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    target.write_bytes(builder.Output())
    return artifact_of(target)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Two students and an .onnx on 130 digits (two batches and a part of one), pinned to the first core, with profiles."""
    small, other = (
        dataclasses.replace(artifact_of(path), name=f"{index}.tflite") for index, path in enumerate(STUDENTS)
    )
    mean = onnx_file(tmp_path_factory.mktemp("onnx") / "mean.onnx", (28, 28, 1))
    x = np.random.default_rng(0).integers(0, 256, (130, 28, 28, 1), dtype=np.uint8)
    transport = host.connect(addresses.parse("host"))
    try:
        found = measured(transport, [small, other, mean], x, threads=(1, 0), affinity="1", profile=True)
    finally:
        transport.close()
    return (small, other, mean), x, found


def test_outputs_are_the_hosts_own_bit_for_bit(session):
    (small, other, mean), x, found = session
    for artifact in (small, other):
        assert found.outputs[artifact.name].dtype == np.int8
        assert np.array_equal(found.outputs[artifact.name], litert.run(artifact.path, x))
    assert np.allclose(found.outputs[mean.name], onnxrt.probabilities(mean.path, x), atol=1e-6)
    assert found.output_kernels == {small.name: "xnnpack", other.name: "xnnpack", mean.name: "onnxruntime"}


def test_each_file_has_all_its_latencies_memory_and_affinity(session):
    artifacts, _, found = session
    # One core: 0 = all cores is 1 thread as well, and measured once.
    assert [(row.artifact, row.threads) for row in found.timings] == [(artifact.name, 1) for artifact in artifacts]
    assert [row.kernels for row in found.timings] == ["xnnpack", "xnnpack", "onnxruntime"]
    assert len({row.runs for row in found.timings}) == 1, "one run of each a round"
    for row in found.timings:
        assert row.affinity == [0]
        assert row.runs == len(row.latencies_ns) >= 50
        assert min(row.latencies_ns) <= row.p50_ns <= row.p90_ns <= max(row.latencies_ns)
        assert row.warmups >= 10
        assert row.init_ms > 0
        assert 20e6 < row.baseline_rss_bytes <= row.peak_rss_bytes < 300e6
    assert found.before["cores"] == found.after["cores"] >= 1
    assert found.seconds > 1.5
    assert found.others_cores is None or found.others_cores >= 0
    assert found.runner_sha256 == hashlib.sha256(python.RUNNER.read_bytes()).hexdigest()


def test_the_profile_adds_up_to_the_file(session):
    artifacts, _, found = session
    for artifact, row in zip(artifacts, found.timings, strict=True):
        if artifact.format == "onnx":
            assert row.profile == []
            continue
        assert {"CONV_2D", "FULLY_CONNECTED", "SOFTMAX"} <= {operator.type for operator in row.profile}
        assert sum(operator.share for operator in row.profile) == pytest.approx(1)
        # Fourfold: other processes may disturb either measurement.
        assert row.p50_ns / 4 < sum(operator.ms for operator in row.profile) * 1e6 < row.p50_ns * 4
    assert any(remark.startswith("no profile of mean.onnx") for remark in found.remarks)


def test_plain_kernels_and_a_fixed_batch(transport, tmp_path):
    """Ten samples through a file that takes four: the last batch is filled up and cut."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    artifact = changed(KWS, tmp_path / "four.tflite", lambda model: fixed_batch(model, 4))
    x = np.random.default_rng(0).random((10, 49, 10, 1), dtype=np.float32)
    found = measured(transport, [artifact], x, delegate="none")
    assert {found.timings[0].kernels, *found.output_kernels.values()} == {"builtin"}
    assert found.remarks == ["four.tflite has a fixed batch of 4 images: its latency is for 4"]
    plain = Interpreter(
        model_path=str(KWS), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    plain.allocate_tensors()
    given, result = plain.get_input_details()[0]["index"], plain.get_output_details()[0]["index"]
    for sample, row in zip(litert.quantize(x, artifact.inputs[0]), found.outputs["four.tflite"], strict=True):
        plain.set_tensor(given, sample[None])
        plain.invoke()
        assert np.array_equal(plain.get_tensor(result)[0], row)


# Programs in the place of the target's Python. $1 is -I, as this machine's is called.


def stand_in(transport, tmp_path, script):
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    transport.python = str(path)


def without(transport, tmp_path, *packages):
    """This Python with no packages but those."""
    modules = tmp_path / "modules"
    modules.mkdir()
    for name in packages:
        for path in SITE.glob(f"{name}*"):
            (modules / path.name).symlink_to(path)
    program = f"PYTHONPATH={shlex.quote(str(modules))} exec {shlex.quote(sys.executable)} -S"
    stand_in(transport, tmp_path, f'shift\n{program} "$@"')
    return modules


@pytest.fixture
def spotter():
    return [artifact_of(KWS)], np.zeros((3, 49, 10, 1), np.float32)


def test_an_onnx_is_left_out_where_there_is_no_onnxruntime(transport, tmp_path, spotter):
    (kws,), x = spotter
    mean = onnx_file(tmp_path / "mean.onnx", (49, 10, 1))
    without(transport, tmp_path, "numpy", "ai_edge_litert")
    found = measured(transport, [mean, kws], x)
    assert [row.artifact for row in found.timings] == list(found.outputs) == [kws.name]
    assert found.remarks == ["mean.onnx was left out: there is no onnxruntime on host"]
    with pytest.raises(TargetError, match=r"no onnxruntime on host .* all files are \.onnx"):
        measured(transport, [mean], x)


def test_no_numpy_no_runtime_and_an_old_glibc_each_have_their_message(transport, tmp_path, spotter):
    modules = without(transport, tmp_path)
    with pytest.raises(TargetError, match=r"no numpy on host \(Python 3\.\d+\.\d+, .*\): pip install ai-edge-litert"):
        measured(transport, *spotter)
    for name in ("numpy", "numpy.libs"):
        if (SITE / name).exists():
            (modules / name).symlink_to(SITE / name)
    with pytest.raises(TargetError, match=r"no LiteRT runtime on host \(Python 3"):
        measured(transport, *spotter)
    (modules / "ai_edge_litert").mkdir()
    (modules / "ai_edge_litert" / "interpreter.py").write_text(
        'raise ImportError("/lib/libc.so.6: version `GLIBC_2.34\' not found (required by libLiteRt.so)")'
    )
    with pytest.raises(TargetError, match=r"host has glibc 2\.\d+, and its LiteRT runtime needs glibc 2\.34"):
        measured(transport, *spotter)
    transport.text, transport.python_options = "ssh://pi@kitchen", ()  # as another machine has them
    transport.install = Transport.install.fget(transport)
    (modules / "ai_edge_litert" / "interpreter.py").write_text("raise ImportError('no such symbol')")
    stand_in(transport, tmp_path, f'PYTHONPATH={modules} exec {sys.executable} -S "$@"')
    with pytest.raises(TargetError, match=r"run `edgekit setup-device ssh://pi@kitchen`\. Found: .*no such symbol"):
        measured(transport, *spotter)


def test_a_file_that_does_not_run_there(transport, tmp_path, spotter):
    (tmp_path / "damaged").write_bytes(KWS.read_bytes()[:30_000])
    damaged = dataclasses.replace(spotter[0][0], path=tmp_path / "damaged")
    with pytest.raises(TargetError, match=r"^kws_ref_model\.tflite cannot be run on host: "):
        measured(transport, [damaged], spotter[1])
    # It takes one sample at a time, which it does not say.
    single = changed(KWS, tmp_path / "single.tflite", constant_reshape)
    with pytest.raises(TargetError, match=r"^single\.tflite cannot be run on host: .*reshape"):
        measured(transport, [single], spotter[1])


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo hello; exit 0", r"ended without a result; its last line: 'hello'"),
        ("exit 0", "ended without a result"),
        ('echo \'{"rows": [{"model": 0, "latenc\'', "ended without a result"),
        ("echo '[1, 2]'", "ended without a result"),
        ("echo '{}'", r"an incomplete result \(KeyError: 'rows'\)"),
        ("echo 'Bus error' >&2; exit 1", r"failed \(exit status 1\): Bus error"),
        ("kill -SEGV $$", r"failed \(signal 11\)"),
        ('echo \'{"error": "no numpy"}\'', "incomplete"),
        ("head -c 100000 /dev/urandom", "ended without a result"),
    ],
)
def test_a_runner_that_tells_no_sense_is_one_clear_error(transport, tmp_path, spotter, script, message):
    stand_in(transport, tmp_path, script)
    with pytest.raises(TargetError, match=message):
        measured(transport, *spotter)


def test_a_runner_that_hangs_is_stopped(transport, tmp_path, spotter):
    stand_in(transport, tmp_path, "sleep 100")
    transport.bounded = True
    with pytest.raises(TargetError, match="did not end within 1 s and was stopped"):
        measured(transport, *spotter, timeout_s=1)


RESULT = {
    "rows": [
        {
            "model": 0,
            "threads": 1,
            "runtime": "ai-edge-litert 9",
            "kernels": "xnnpack",
            "init_ms": 1.0,
            "warmups": 10,
            "latencies_ns": [10, 30, 20, 40, 50] * 10,
        }
    ],
    "memory": {"0": {"baseline_bytes": 1, "peak_bytes": 2}},
    "profiles": {},
    "outputs": {"0": {"sha256": hashlib.sha256(b"a" * 36).hexdigest(), "kernels": "xnnpack"}},
    "affinity": None,
    "others_cores": 0.25,
    "before": "cores 4\n",
    "after": "cores 4\n",
    "seconds": 2.0,
}


def stand_in_result(transport, tmp_path, content, **change):
    (tmp_path / "told.json").write_text(json.dumps({**RESULT, **change}))
    (tmp_path / "y.bin").write_bytes(content)
    stand_in(transport, tmp_path, f"cp {tmp_path}/y.bin y0.bin; cat {tmp_path}/told.json; echo")


def test_what_a_runner_tells_is_what_the_session_holds(transport, tmp_path, spotter):
    stand_in_result(transport, tmp_path, b"a" * 36)
    found = measured(transport, *spotter)
    (row,) = found.timings
    assert (row.p50_ns, row.p90_ns, row.runs, row.init_ms) == (30, 50, 50, 1.0)
    assert (row.baseline_rss_bytes, row.peak_rss_bytes, row.affinity) == (1, 2, None)
    assert (found.others_cores, found.seconds, found.before["cores"]) == (0.25, 2.0, 4)
    assert found.outputs["kws_ref_model.tflite"].tolist() == [[ord("a")] * 12] * 3


def test_truncated_or_changed_outputs_are_noticed(transport, tmp_path, spotter):
    stand_in_result(transport, tmp_path, b"a" * 35)
    with pytest.raises(TargetError, match="have 35 bytes; expected 36 for 3 samples"):
        measured(transport, *spotter)
    stand_in_result(transport, tmp_path, b"a" * 35 + b"b")
    with pytest.raises(TargetError, match="SHA-256"):
        measured(transport, *spotter)


@pytest.mark.parametrize(
    "change",
    [
        {"rows": [{**RESULT["rows"][0], "latencies_ns": [5] * 49}]},
        {"rows": [{**RESULT["rows"][0], "latencies_ns": [5] * 49 + [-1]}]},
        {"rows": [{**RESULT["rows"][0], "latencies_ns": [5] * 49 + ["7"]}]},
        {"rows": [{**RESULT["rows"][0], "model": 1}]},
        {"rows": RESULT["rows"] * 2},
        {"rows": []},
        {"rows": 3},
        {"memory": {}},
        {"memory": {"0": {"baseline_bytes": "1", "peak_bytes": 2}}},
        {"outputs": {"0": {}}},
        {"others_cores": "many"},
    ],
)
def test_a_result_that_is_not_whole_is_refused(transport, tmp_path, spotter, change):
    stand_in_result(transport, tmp_path, b"a" * 36, **change)
    with pytest.raises(TargetError, match="an incomplete result"):
        measured(transport, *spotter)


def test_what_this_runner_cannot_do_is_refused_before_anything_runs(transport, spotter):
    for delegate in ("gpu", "nnapi"):
        with pytest.raises(UsageError, match=f"--delegate {delegate} works only on Android"):
            measured(transport, *spotter, delegate=delegate)
    transport.python = None
    with pytest.raises(TargetError, match=r"no Python on host; .* --runner"):
        measured(transport, *spotter)
