"""Visits to this machine with the C runner and LiteRT's library: what a session tells, and that it computes what LiteRT does."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from tests.conftest import REPOSITORY
from tests.devices import crossed

from edgekit.bench.runners import native
from edgekit.bench.runners.package import runtime_of
from edgekit.bench.session import Job, Session
from edgekit.bench.targets import host
from edgekit.bench.workspace import workspace
from edgekit.errors import TargetError
from edgekit.inference import litert
from edgekit.inference.standalone import artifact_of
from edgekit.recipe import BenchSection, addresses
from edgekit.types import Artifact

pytestmark = pytest.mark.device

RESNET = REPOSITORY / "tests" / "files" / "mlperf-tiny" / "pretrainedResnet_quant.tflite"


def measured(
    runner: Path, artifacts: list[Artifact], *, samples: int = 0, threads: tuple[int, ...] = (1,), **plan: object
) -> Session:
    """A measurement on this machine with the runner and LiteRT's library of this machine."""
    shape = artifacts[0].inputs[0].shape[1:]
    x = np.random.default_rng(0).integers(0, 256, (max(1, samples), *shape), dtype=np.uint8)
    section = BenchSection(**{"runner": str(runner), "libraries": (str(crossed.litert_library()),), "runs": 50, **plan})
    job = Job(artifacts=artifacts, plan=section, image=x[:1], samples=x if samples else None, threads=threads)
    transport = host.connect(addresses.parse("host"))
    try:
        with workspace(transport) as space:
            session = native.measure(space, job)
    finally:
        transport.close()
    for artifact in artifacts if samples and section.delegate == "xnnpack" else ():
        np.testing.assert_array_equal(session.outputs[artifact.name], litert.run(artifact.path, x))
    return session


def test_a_visit_with_it(host_runner: Path, tmp_path: Path):
    # Two files of the same input shape, so that their inputs are there once.
    paths = {name: REPOSITORY / "models" / name / "model_int8.tflite" for name in ("mnist-xs-int8", "mnist-s-int8")}
    artifacts = [dataclasses.replace(artifact_of(path), name=name) for name, path in paths.items()]
    session = measured(host_runner, artifacts, samples=130, threads=(1, 2))
    assert [(t.artifact, t.threads) for t in session.timings] == [(a.name, n) for a in artifacts for n in (1, 2)]
    for timing in session.timings:
        assert timing.runs == len(timing.latencies_ns) >= 52 and min(timing.latencies_ns) > 1000
        assert (
            timing.p50_ns == np.median(timing.latencies_ns)
            and timing.p90_ns is not None
            and timing.p90_ns >= timing.p50_ns
        )
        assert timing.warmups >= 40 and timing.init_ms > 0 and timing.kernels == "xnnpack"
        assert timing.runtime == f"ai-edge-litert {version('ai-edge-litert')}"
        assert timing.peak_rss_bytes is not None and timing.peak_rss_bytes < 1 << 28
    assert set(session.output_kernels.values()) == {"xnnpack"} and session.remarks == []
    assert session.others_cores is not None and session.others_cores >= 0
    assert session.seconds > 0.8 and "each run timed" in session.method


def test_a_file_of_a_fixed_batch(host_runner: Path, tmp_path: Path):
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(RESNET.read_bytes(), 0))
    for tensor in model.subgraphs[0].tensors:
        tensor.shapeSignature = None
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    path = tmp_path / "fixed.tflite"
    path.write_bytes(bytes(builder.Output()))
    artifact = artifact_of(path)
    assert artifact.inputs[0].shape == (1, 32, 32, 3)
    assert measured(host_runner, [artifact], samples=9).outputs["fixed.tflite"].shape == (9, 10)


def test_without_xnnpack(host_runner: Path):
    session = measured(host_runner, [artifact_of(RESNET)], samples=5, delegate="none")
    assert {session.timings[0].kernels, *session.output_kernels.values()} == {"builtin"} and session.remarks == []


def test_what_the_runner_cannot_do_is_said(host_runner: Path, tmp_path: Path):
    artifact = artifact_of(RESNET)
    assert measured(host_runner, [artifact], profile=True).remarks == [
        "no profile: this build of edgekit's C runner writes none"
    ]
    with pytest.raises(TargetError, match="has no --use_gpu; use another --runner"):
        measured(host_runner, [artifact], delegate="gpu")
    with pytest.raises(TargetError, match=r"no libLiteRt\.so or libtensorflowlite_c\.so beside"):
        measured(host_runner, [artifact], libraries=())
    # LiteRT does not check the file; what is left of it crashes there.
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(RESNET.read_bytes()[:3000])
    with pytest.raises(TargetError, match=r"pretrainedResnet_quant.tflite failed on host \(signal 11\)"):
        measured(host_runner, [dataclasses.replace(artifact, path=cut)])


def test_a_library_is_of_a_release_only_if_its_package_lists_its_digest(tmp_path: Path):
    library = crossed.litert_library()
    assert runtime_of(library) == f"ai-edge-litert {version('ai-edge-litert')}"
    copy = tmp_path / "ai_edge_litert" / library.name
    copy.parent.mkdir()
    copy.write_bytes(library.read_bytes())
    assert runtime_of(copy) is None
    record = next(library.parent.parent.glob("ai_edge_litert-*.dist-info")) / "RECORD"
    (tmp_path / record.parent.name).mkdir()
    (tmp_path / record.parent.name / "RECORD").write_bytes(record.read_bytes())
    assert runtime_of(copy) == f"ai-edge-litert {version('ai-edge-litert')}"
    with copy.open("r+b") as file:
        file.write(b"\0")
    assert runtime_of(copy) is None
