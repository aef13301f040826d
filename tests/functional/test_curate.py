"""`edgekit curate`: real networks on real images, edits by hand, a pool, and what is refused."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.commands import edgekit

# All runs share the networks of the first one, from the cache.
QUICK = ("--set", "teacher.name=conv8", "--set", "teacher.learning_rate=0.01", "--set", "teacher.batch_size=64")
NETWORKS = (*QUICK, "--set", "teacher.epochs=24", "--folds", "3")
# Networks that need not be good.
SHORT = (*QUICK, "--set", "teacher.epochs=3")
# A student that need not be good.
STUDENT = (
    "--student",
    "conv8",
    *(f"--set={each}" for each in ("training.epochs=1", "accept_chance=true", "quantization.onnx=false")),
)


@pytest.fixture(scope="module")
def noisy_npz(small_npz, tmp_path_factory):
    """The small set with 10 % of its training labels wrong; `wrong` holds their ids."""
    with np.load(small_npz) as file:
        arrays = dict(file)
    rng = np.random.default_rng(0)
    flips = rng.random(len(arrays["y_train"])) < 0.1
    arrays["y_train"] = np.where(flips, (arrays["y_train"] + 3) % 10, arrays["y_train"])
    path = tmp_path_factory.mktemp("noisy") / "noisy.npz"
    np.savez(path, **arrays)
    return path, {f"train/{i}" for i in np.flatnonzero(flips)}


@pytest.fixture(scope="module")
def consensus(noisy_npz, tmp_path_factory):
    """A run curated by consensus with --trusted-val, on networks that learned a little."""
    out = tmp_path_factory.mktemp("runs") / "consensus"
    done = edgekit(
        "curate", "--data", noisy_npz[0], "--curate", "consensus", "--trusted-val", "--budget", "0.1",
        *NETWORKS, "--out", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.tf
def test_wrong_labels_are_found_and_every_member_has_a_column(consensus, noisy_npz):
    table = pq.read_table(consensus / "curation/scores.parquet")
    assert table.column_names == ["id", "label", "consensus", "self-confidence", "knn-shapley", "tracin"]
    rows = [json.loads(line) for line in (consensus / "curation/selection.jsonl").read_text().splitlines()]
    dropped = {row["id"] for row in rows}
    assert len(dropped) == 90
    present = noisy_npz[1] & set(table["id"].to_pylist())
    assert len(dropped & present) / len(present) > 0.5, "chance is 0.1"
    summary = json.loads((consensus / "curation/summary.json").read_text())
    assert summary["members"] == "self-confidence, knn-shapley, tracin"
    assert summary["validation_trusted"] is True
    assert summary["curation_flops"] > 0
    assert 0.05 < summary["estimated_noise"] < 0.3, "small networks, and 0.1 of the labels are wrong"


@pytest.mark.tf
def test_show_prints_the_worst_and_the_gallery_shows_them(consensus):
    done = edgekit("curate", "show", consensus, "--worst", "2", "--json")
    rows = json.loads(done.stdout)
    assert len(rows) == 20
    assert {row["action"] for row in rows} == {"drop"}
    by_member = json.loads(edgekit("curate", "show", consensus, "--by", "tracin", "--json").stdout)
    assert len(by_member) == 50
    page = (consensus / "curation/gallery.html").read_text()
    assert rows[0]["id"] in page
    assert "default-src 'none'" in page, "the page asks no network"
    assert "://" not in page.replace("http://www.w3.org", "")
    wrong = edgekit("curate", "show", consensus, "--by", "tracing")
    assert wrong.returncode == 2
    assert "knn-shapley" in wrong.stderr


@pytest.mark.tf
def test_edits_by_hand_override_and_reuse_the_networks(consensus, noisy_npz, tmp_path):
    rows = [json.loads(line) for line in (consensus / "curation/selection.jsonl").read_text().splitlines()]
    kept = rows[0]["id"]
    edits = tmp_path / "edits.jsonl"
    lines = [{"id": kept, "action": "keep"}, {"id": "train/999", "action": "relabel", "new": 4}]
    ids = set(pq.read_table(consensus / "curation/scores.parquet")["id"].to_pylist())
    lines[1]["id"] = next(name for name in sorted(ids) if name not in {row["id"] for row in rows})
    edits.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = edgekit(
        "curate", "--data", noisy_npz[0], "--curate", "consensus", "--trusted-val", "--budget", "0.1", "--apply", edits,
        *NETWORKS, "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("reused from the cache") == 3
    after = [json.loads(line) for line in (tmp_path / "run/curation/selection.jsonl").read_text().splitlines()]
    assert kept not in {row["id"] for row in after}
    (hand,) = [row for row in after if row["reason"] == "by hand"]
    assert (hand["action"], hand["new"]) == ("relabel", 4)
    assert (tmp_path / "run/curation/edits.jsonl").read_bytes() == edits.read_bytes()
    edits.write_text(json.dumps(lines[0]) + "\n")
    changed = edgekit("curate", "--resume", "--out", tmp_path / "run")
    assert changed.returncode == 9
    assert "edits by hand" in changed.stderr


@pytest.mark.tf
def test_relabeled_and_weighted_samples_are_trained_on_and_controlled(noisy_npz, tmp_path):
    for edit in ("relabel", "weight"):
        out = tmp_path / edit
        done = edgekit(
            "build", "--data", noisy_npz[0], "--curate", "self-confidence", "--edit", edit, "--budget", "0.1",
            "--set", "curation.relabel_confidence=0.3", *NETWORKS, *STUDENT, "--control",
            "--quantize", "float32", "--set", "bench.targets=[]", "--out", out,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        report = json.loads((out / "report.json").read_text())
        key = {"relabel": "n_relabeled", "weight": "n_weighted"}[edit]
        assert report["curation"][key] > 10
        assert any(row["kind"] == "curation" for row in report["comparisons"])
        assert (
            report["training"]["student"]["train_flops"]
            == json.loads((out / "control/report.json").read_text())["training"]["student"]["train_flops"]
        )


@pytest.mark.tf
def test_auto_records_why_and_stability_is_reported(noisy_npz, tmp_path):
    done = edgekit(
        "curate", "--data", noisy_npz[0], "--curate", "auto", *NETWORKS,
        "--out", tmp_path / "auto",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "auto/curation/summary.json").read_text())
    assert summary["asked"] == "auto"
    assert summary["auto"]["why"] in done.stderr
    done = edgekit(
        "curate", "--data", noisy_npz[0], "--curate", "margin", "--budget", "50", "--folds", "2", *SHORT,
        "--stability", "1",
        "--out", tmp_path / "stable",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    stability = json.loads((tmp_path / "stable/curation/summary.json").read_text())["stability"]
    assert stability["runs"] == 2
    assert stability["edits"] == 50
    assert stability["jaccard_chance"] < stability["jaccard_mean"] < 1


@pytest.mark.tf
def test_aum_with_threshold_samples_and_groups_in_folds(noisy_npz, tmp_path):
    done = edgekit(
        "curate", "--data", noisy_npz[0], "--curate", "aum", "--variant", "threshold", *SHORT,
        "--set", "curation.max_class_edit=1",
        "--out", tmp_path / "aum",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "threshold_first" in json.loads((tmp_path / "aum/curation/summary.json").read_text())


@pytest.mark.tf
def test_a_pool_is_ranked_for_labeling(small_npz, shipped, tmp_path):
    folder = tmp_path / "pool" / "deep"
    folder.mkdir(parents=True)
    for i in range(30):
        Image.fromarray(shipped.test.x[i, ..., 0]).save(folder / f"{i}.png")
    arguments = ("curate", "--data", small_npz, "--pool", tmp_path / "pool", *SHORT, "--out")
    done = edgekit(*arguments, tmp_path / "next.jsonl", "--label-budget", "7", "--strategy", "badge")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "next.jsonl").read_text().splitlines()]
    assert [row["rank"] for row in rows] == list(range(1, 8))
    assert len({row["id"] for row in rows}) == 7
    assert rows[0]["suggested"] in shipped.classes
    too_many = edgekit(*arguments, tmp_path / "more.jsonl", "--label-budget", "31")
    assert too_many.returncode == 4
    assert not (tmp_path / "more.jsonl").exists()
    again = edgekit(*arguments, tmp_path / "next.jsonl", "--label-budget", "3")
    assert again.returncode == 2
    assert "exists" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--curate", "margin", "--budget", "0"], 4, "budget"),
        (["--curate", "margin", "--budget", "100000"], 4, "budget"),
        (["--curate", "random", "--budget", "2.5"], 4, "whole number"),
        (["--curate", "random"], 2, "needs budget"),
        (["--curate", "tracin", "--variant", "max"], 2, "known: min, mean, self"),
        (["--curate", "consensus", "--members", "margin,iqr"], 2, "cannot be a member"),
        (["--curate", "margin", "--members", "aum,margin"], 2, "those of 'consensus'"),
        (["--curate", "consensus", "--members", "tracin,knn-shapley"], 2, "--trusted-val"),
        (["--curate", "margin", "--strategy", "badge"], 2, "--pool"),
        (["--curate", "margin", "--max-edit", "0.001%"], 4, "less than one"),
        (["--image-size", "99999"], 2, "4096"),
        (["--curate", "margin", "--max-edit", "150%"], 2, "--max-edit"),
        (["--curate", "margin", "--edit", "burn"], 2, "edit"),
        (["--curate", "margin", "--folds", "1"], 2, "folds"),
        (["--curate", "margin", "--apply", "nowhere.jsonl"], 4, "Cannot read"),
        (["--pool", "x"], 2, "go together"),
        (["--label-budget", "3"], 2, "go together"),
        (["--pool", "nowhere", "--label-budget", "3"], 4, "does not exist"),
        (["--pool", "nowhere", "--label-budget", "3", "--strategy", "best"], 2, "Unknown pool strategy"),
    ],
)
def test_wrong_options_write_nothing(arguments, code, message, tmp_path):
    done = edgekit("curate", *arguments, "--out", tmp_path / "run", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\nError") + done.stderr.startswith("Error")) == (code, 1), done.stderr
    assert message in done.stderr
    assert list(tmp_path.glob("run*")) == []


def test_a_fold_without_a_class_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 40)
    groups = np.where(y == 0, np.arange(80) % 4, 9).astype(str)
    np.savez(
        tmp_path / "grouped.npz", x_train=rng.integers(0, 255, (80, 8, 8), dtype=np.uint8), y_train=y, group_train=groups,
        x_test=rng.integers(0, 255, (8, 8, 8), dtype=np.uint8), y_test=np.arange(8) % 2,
    )  # fmt: skip
    run = tmp_path / "run"
    done = edgekit("curate", "--data", tmp_path / "grouped.npz", "--curate", "margin", "--folds", "3", "--out", run)
    assert done.returncode == 4
    assert "all in one group" in done.stderr
    many = edgekit("curate", "--data", tmp_path / "grouped.npz", "--curate", "margin", "--folds", "9", "--out", run)
    assert many.returncode == 4
    assert "9 groups" in many.stderr or "need 9 samples" in many.stderr
    assert not run.exists()
