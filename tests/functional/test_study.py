"""Whole studies on a tiny data set: processes that are killed, studies that go on, a Ray cluster of two nodes."""

import json
import os
import signal

import numpy as np
import pytest

from edgekit.errors import IntegrityError, OutputInUse, TrainingError, UsageError
from edgekit.study import engines
from edgekit.study.conduct import conduct, shortfall
from edgekit.study.definition import Study
from edgekit.types import Silent

pytestmark = pytest.mark.tf

ARMS = {
    "less": {"curation": {"method": "random", "budget": 0.2}},
    "fewer": {"curation": {"method": "random", "budget": 0.4}},
}


@pytest.fixture(scope="module")
def tiny(small_npz, tmp_path_factory):
    with np.load(small_npz) as whole:
        arrays = dict(whole)
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    train, test = slice(None, None, 2), slice(None, None, 3)
    arrays |= {f"{name}_train": arrays[f"{name}_train"][train] for name in "xy"}
    arrays |= {f"{name}_test": arrays[f"{name}_test"][test] for name in "xy"}
    np.savez(path, **arrays)
    return path


def study(tiny, precision="int8", **values):
    base = {
        "data": {"spec": str(tiny)},
        "student": {"name": "conv8"},
        "training": {"epochs": 1, "batch_size": 50},
        "quantization": {"precision": precision, "onnx": False},
    }
    given = {"base": base, "arms": ARMS, "seeds": [1, 2], "controls": False, "compare": [["less", "fewer"]]}
    return Study.model_validate(given | values)


class Killing:
    """The local engine, on which the first process to train is killed once."""

    def __init__(self, slots):
        self._engine = engines.make("local", jobs=slots, address=None)
        self.slots, self.killed, self.begun, self._out = slots, None, [], None

    def start(self, name, out):
        self.begun.append(name)
        self._out = out
        self._engine.start(name, out)

    def ended(self):
        if self.killed is None:
            for name, pid in self._engine.processes.pids.items():
                if pid and (self._out / "jobs" / name / "progress.json").exists():
                    self.killed = name
                    os.kill(pid, signal.SIGKILL)
                    break
        return self._engine.ended()

    def close(self):
        self._engine.close()


def test_a_study_is_judged_survives_a_kill_and_goes_on(tiny, tmp_path, capsys):
    out = tmp_path / "study"
    engine = Killing(2)
    document = conduct(study(tiny), out, engine, resume=False, reporter=Silent())

    assert engine.killed is not None
    assert sorted(engine.begun) == sorted(["less-1", "less-2", "fewer-1", "fewer-2", engine.killed])
    assert {run["name"]: run["attempts"] for run in document["runs"]}[engine.killed] == 2
    assert {run["status"] for run in document["runs"]} == {"complete"}
    assert document == json.loads((out / "study.json").read_text())
    assert not document["excluded"] and not document["graphs"]["differences"]
    assert document["equal"] == {"steps": True, "student_train_flops": True, "macs": True}
    kept = {row["arm"]: row["n_kept"] for row in document["ledger"]}
    assert kept["less"] > kept["fewer"]
    rows = {(row["artifact"], row["metric"]): row for row in document["verdicts"]}
    assert set(rows) == {
        (file, metric) for file in ("shipped", "model_float32.tflite") for metric in ("accuracy", "augrc")
    }
    assert {row["verdict"] for row in rows.values()} == {"no evidence (2 seeds)"}
    reports = [json.loads((out / f"runs/less-{seed}/report.json").read_text()) for seed in (1, 2)]
    of_file = [
        next(
            e["accuracy"] for e in report["evaluations"] if (e["artifact"], e["split"]) == ("model_int8.tflite", "test")
        )
        for report in reports
    ]
    assert rows["shipped", "accuracy"]["arm_value"] == pytest.approx(np.mean(of_file))
    of_arm = document["reliability"]["shipped"]["arms"]["less"]
    assert of_arm["risk"]["mean"][-1] == pytest.approx(1 - np.mean(of_file), abs=1e-6)
    fitted = [report["reliability"]["model_int8.tflite"]["temperature"] for report in reports]
    assert of_arm["temperature"]["mean"] == pytest.approx(np.mean(fitted))
    assert sum(row["n"] for row in of_arm["bins"]["after"]) == 2 * document["test_samples"]
    assert "data:image/svg+xml" in (out / "study.html").read_text()

    with pytest.raises(OutputInUse):
        conduct(study(tiny), out, Killing(1), resume=False, reporter=Silent())
    with pytest.raises(UsageError, match=r"since it was started: seeds \(was \[1, 2\], now \[1, 2, 3\]\)"):
        conduct(study(tiny, seeds=[1, 2, 3]), out, Killing(1), resume=True, reporter=Silent())

    # While a planned run is missing, what there is is described only.
    for path in sorted((out / "runs/fewer-2").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    partly = conduct(study(tiny, max_hours=1e-9), out, Killing(1), resume=True, reporter=Silent())
    assert partly["outstanding"] == ["fewer-2"]
    assert {row["verdict"] for row in partly["verdicts"]} == {"interim: 1 of 2 planned seeds"}
    assert "1 of 4 runs are missing; --resume runs the rest" in str(shortfall(partly, out))

    # A run that is gone is made again; the others are verified, not repeated; the result is the same.
    again = engines.make("local", jobs=1, address=None)
    begun = []
    start = again.start
    again.start = lambda name, folder: (begun.append(name), start(name, folder))
    repeated = conduct(study(tiny), out, again, resume=True, reporter=Silent())
    assert begun == ["fewer-2"]
    assert repeated["verdicts"] == document["verdicts"]
    assert shortfall(repeated, out) is None

    (out / "runs/less-1/artifacts/model_int8.tflite").write_bytes(b"other")
    with pytest.raises(IntegrityError, match=r"model_int8\.tflite changed"):
        conduct(study(tiny), out, Killing(1), resume=True, reporter=Silent())


def test_controls_groups_a_failing_arm_and_a_study_that_is_moved(tiny, tmp_path):
    with np.load(tiny) as whole:
        arrays = dict(whole)
    for part in ("train", "test"):
        count = len(arrays[f"y_{part}"])
        arrays[f"group_{part}"] = np.array(["Ann", "Bo"])[np.arange(count) % 3 // 2]
    np.savez(tmp_path / "groups.npz", **arrays)
    asked = study(
        tmp_path / "groups.npz",
        precision="float32",
        arms={"less": ARMS["less"], "wild": {"training": {"learning_rate": 1e30}}},
        seeds=1,
        controls=True,
        compare=[],
        leave_out="all",
        artifact=["shipped"],
        metrics=["accuracy"],
    )
    out = tmp_path / "study"
    document = conduct(asked, out, engines.make("local", jobs=2, address=None), resume=False, reporter=Silent())
    statuses = {}
    for run in document["runs"]:
        statuses.setdefault(run["arm"], []).append(run["status"])
    assert statuses == {
        "full": ["complete"] * 2,
        "less": ["complete"] * 2,
        "matched-of-less": ["complete"] * 2,
        "wild": ["failed"] * 2,
    }
    # Failed runs do not hold up the others, and nothing is outstanding.
    assert [(row["arm"], row["control"]) for row in document["verdicts"]] == [
        ("less", "full"),
        ("less", "matched-of-less"),
    ]
    assert all("groups" in row["rests_on"] for row in document["verdicts"])
    assert [(row["arm"], row["status"]) for row in document["not_judged"]] == [("wild", "missing")]
    assert document["outstanding"] == [] and len(document["excluded"]) == 2
    assert [sorted(row["effects"]) for row in document["groups"]] == [["Ann", "Bo"]] * 2
    assert document["test_samples"] == sum(len(arrays[f"y_{part}"]) for part in ("train", "test"))
    error = shortfall(document, out)
    assert type(error) is TrainingError and "2 of 8 runs failed" in str(error)
    kept = {row["arm"]: row["n_kept"] for row in document["ledger"]}
    assert kept["less"] == kept["matched-of-less"] < kept["full"]

    # The recipe of a class-matched control says where its edits were.
    moved = out.rename(tmp_path / "elsewhere")
    again = engines.make("local", jobs=2, address=None)
    begun = []
    start = again.start
    again.start = lambda name, folder: (begun.append(name), start(name, folder))
    repeated = conduct(asked, moved, again, resume=True, reporter=Silent())
    assert {name.split("-")[0] for name in begun} == {"wild"}
    assert repeated["verdicts"] == document["verdicts"]


@pytest.mark.ray
@pytest.mark.filterwarnings("default")
def test_ray_gives_the_same_bits_and_a_lost_worker_is_made_up_for(tiny, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from ray.cluster_utils import Cluster

    here = conduct(
        study(tiny, seeds=[1]),
        tmp_path / "local",
        engines.make("local", jobs=2, address=None),
        resume=False,
        reporter=Silent(),
    )
    # A cache of its own: the cluster must train.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other-cache"))
    room = {"num_cpus": 1, "object_store_memory": 100 * 1024**2}
    cluster = Cluster(initialize_head=True, head_node_args={**room, "include_dashboard": False})
    try:
        cluster.add_node(**room)
        engine = engines.make("ray", jobs=None, address=cluster.address)
        assert engine.slots == 2
        killing = _KillingAWorker(engine)
        there = conduct(study(tiny, seeds=[1]), tmp_path / "ray", killing, resume=False, reporter=Silent())
    finally:
        cluster.shutdown()
    assert killing.killed
    assert sum(run["attempts"] for run in there["runs"]) == 3
    for run in there["runs"]:
        for file in ("model_int8.tflite", "model_float32.tflite"):
            path = f"{run['path']}/artifacts/{file}"
            assert (tmp_path / "ray" / path).read_bytes() == (tmp_path / "local" / path).read_bytes()
    assert here["verdicts"] == there["verdicts"]


class _KillingAWorker:
    """The Ray engine, on which the worker of the first run to train is killed once."""

    def __init__(self, engine):
        self._engine, self.slots, self.killed, self._out = engine, engine.slots, False, None

    def start(self, name, out):
        self._out = out
        self._engine.start(name, out)

    def ended(self):
        import psutil

        progress = next(iter(self._out.glob("jobs/*/progress.json")), None) if self._out else None
        if progress is not None and not self.killed:
            for process in psutil.process_iter(["cmdline"]):
                # A run has the command line of the server that it was forked from; its worker is the server's parent.
                serves = (process.info["cmdline"] or [])[1:4] == ["-m", "edgekit.study", "--serve"]
                if serves and process.children() and not self.killed:
                    process.parent().kill()
                    self.killed = True
        return self._engine.ended()

    def close(self):
        self._engine.close()
