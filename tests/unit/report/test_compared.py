"""Two run folders, or two arms of them, written by hand: what is paired, what is said, and what is refused."""

import json

import numpy as np
import pytest
from tests.commands import edgekit

from edgekit import recipe
from edgekit.errors import DataError, IntegrityError, UnknownName, UsageError
from edgekit.report import compared
from edgekit.runs.files import sha256_file

N, K = 400, 4
LABELS = np.arange(N) % K
IDS = np.array([f"test/{i}" for i in range(N)])


def probabilities(wrong, seed=0):
    """(N, K): right but for `wrong` samples drawn by `seed`, all of them below full confidence."""
    rng = np.random.default_rng(seed)
    given = LABELS.copy()
    given[rng.permutation(N)[:wrong]] += 1
    p = np.full((N, K), 0.1)
    p[np.arange(N), given % K] = rng.uniform(0.4, 0.9, N)
    return (p / p.sum(axis=1, keepdims=True)).astype(np.float32)


def write(path, files, *, ids=IDS, labels=LABELS, shipped=None, classes=K, **values):
    """A run folder as a build leaves it, as far as `compare` reads it."""
    document = {
        "schema": 1,
        "run": {"name": path.name, "shipped": shipped or list(files)[-1]},
        "recipe": recipe.load(values=values).model_dump(mode="json"),
        "dataset": {"classes": [str(k) for k in range(classes)]},
        "artifacts": [{"name": name} for name in files],
    }
    for name, p in files.items():
        (path / "evaluation").mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path / f"evaluation/{name}.predictions.npz", ids=ids, labels=labels, probabilities=p)
    (path / "report.json").write_text(json.dumps(document))
    record(path)
    return path


def record(path):
    names = [p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file() and p.name != "manifest.json"]
    (path / "manifest.json").write_text(json.dumps({"files": {n: sha256_file(path / n) for n in names}}))


@pytest.fixture
def pair(tmp_path):
    return (
        write(tmp_path / "a", {"model_float32.tflite": probabilities(40), "model_int8.tflite": probabilities(44)}),
        write(
            tmp_path / "b", {"model_float32.tflite": probabilities(80, 1), "model_float16.tflite": probabilities(81, 1)},
            **{"seed": 7, "quantization.precision": "float16"},
        ),
    )  # fmt: skip


def test_files_of_one_name_and_what_ships_are_compared(pair):
    found = compared.runs(*pair)
    assert [(r["a"].split("/")[-1], r["b"].split("/")[-1]) for r in found["comparisons"]] == [
        ("model_float32.tflite", "model_float32.tflite"),
        ("model_int8.tflite", "model_float16.tflite"),
    ]
    row = found["comparisons"][0]
    assert (row["accuracy_a"], row["accuracy_b"], row["n"]) == (0.9, 0.8, N)
    assert row["difference"] == row["differences"]["accuracy"]["effect"] == pytest.approx(0.1)
    assert row["differences"]["accuracy"]["lower"] > 0 > row["differences"]["augrc"]["upper"]
    assert "these two files differ" in row["files"]
    assert row["verdict"] == "no evidence (1 seed)"
    assert found["recipes_differ_in"] == ["seed", "quantization.precision"]
    json.dumps(found, allow_nan=False)


def test_samples_are_paired_by_id_whatever_their_order(tmp_path, pair):
    order = np.random.default_rng(3).permutation(N)
    p = probabilities(80, 1)[order]
    shuffled = write(tmp_path / "c", {"model_float32.tflite": p}, ids=IDS[order], labels=LABELS[order])
    name = "model_float32.tflite"
    rows = [compared.runs(pair[0], other, name)["comparisons"][0] for other in (pair[1], shuffled)]
    assert rows[0]["differences"] == rows[1]["differences"]
    assert rows[0]["only_a_right"] == rows[1]["only_a_right"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"ids": np.array([f"test/{i + 9}" for i in range(N)])}, "different samples .400 and 400, 391 in common"),
        ({"labels": (LABELS + 1) % K}, "different labels"),
        ({"classes": 5}, "different classes"),
    ],
)
def test_other_samples_are_one_clear_error(tmp_path, pair, other, message):
    write(tmp_path / "c", {"model_float32.tflite": probabilities(3)}, **other)
    with pytest.raises(DataError, match=message):
        compared.runs(pair[0], tmp_path / "c")


def test_a_damaged_run_is_one_clear_error(tmp_path, pair):
    path = pair[1] / "evaluation/model_float32.tflite.predictions.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(IntegrityError, match=r"float32.tflite.predictions.npz changed"):
        compared.runs(*pair)
    record(pair[1])
    with pytest.raises(IntegrityError, match="damaged"):
        compared.runs(*pair)
    path.unlink()
    with pytest.raises(IntegrityError, match=r"predictions.npz is missing|does not list"):
        compared.runs(*pair)
    with pytest.raises(IntegrityError, match="not a finished"):
        compared.runs(pair[0], tmp_path)
    with pytest.raises(UsageError, match="same run"):
        compared.runs(pair[0], pair[0])
    with pytest.raises(UnknownName, match=r"model_int8\.tflite"):
        compared.runs(*pair, "model_int8.tflite")


def arm(folder, wrong, seeds, **values):
    return [
        write(folder / str(s), {"model_int8.tflite": probabilities(wrong, 100 * wrong + s)}, seed=s, **values)
        for s in seeds
    ]


def test_arms_are_judged_over_paired_seeds(tmp_path):
    a, b = arm(tmp_path / "a", 20, range(6)), arm(tmp_path / "b", 60, range(7), **{"training.epochs": 3})
    found = compared.arms(a, b, ["accuracy", "augrc"])
    assert [row["verdict"] for row in found["verdicts"]] == ["better", "better"]
    assert found["verdicts"][0]["effect"] == pytest.approx(0.1)
    assert found["verdicts"][0]["seeds"] == list(range(6))
    assert found["verdicts"][0]["excluded"] == ["seed 6: a has no run"]
    assert found["recipes_differ_in"] == ["training.epochs"]
    few = compared.arms(a[:5], b, ["accuracy"])
    assert few["verdicts"][0]["verdict"] == "no evidence (5 seeds)"
    json.dumps(found, allow_nan=False)


def test_an_arm_is_one_recipe_and_each_seed_once(tmp_path):
    a = arm(tmp_path / "a", 20, range(2))
    with pytest.raises(UsageError, match="seed 1 twice"):
        compared.arms([*a, *arm(tmp_path / "c", 20, [1])], a, ["accuracy"])
    mixed = [*a, *arm(tmp_path / "d", 20, [2], **{"training.epochs": 3})]
    with pytest.raises(UsageError, match=r"differ in training.epochs"):
        compared.arms(mixed, a, ["accuracy"])


def test_the_command(tmp_path, pair):
    def compare(*arguments):
        return edgekit("compare", *arguments, cwd=tmp_path)

    done = compare("a", "b", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["comparisons"][0]["n"] == N
    arm(tmp_path / "x", 20, range(2))
    done = compare("--arm-a", "x/*", "--arm-b", "b")
    assert done.returncode == 0, done.stderr
    assert "no evidence (0 seeds)" in done.stdout
    assert "seed 1: b has no run" in done.stdout
    write(tmp_path / "other", {"model_float32.tflite": probabilities(3)}, labels=(LABELS + 1) % K)
    done = compare("a", "other")
    assert (done.returncode, done.stderr.count("\n")) == (4, 1)
    assert compare("a").returncode == 2


def test_the_class_matched_controls_of_a_study_are_one_arm_with_edits_of_their_own(tmp_path):
    def arm(name, edits):
        return [
            write(
                tmp_path / f"{name}-{seed}", {"model_int8.tflite": probabilities(40, seed)},
                **{"seed": seed, "curation.apply": edits.format(seed)},
            )
            for seed in (1, 2)
        ]  # fmt: skip

    controls = arm("matched", "study/controls/matched-of-iqr-{}.jsonl")
    found = compared.arms(controls, arm("plain", "study/controls/other-{}.jsonl"), ["accuracy"])
    assert found["verdicts"][0]["seeds"] == [1, 2]
    with pytest.raises(UsageError, match=r"differ in curation\.apply"):
        compared.arms(arm("by-hand", "mine-{}.jsonl"), controls, ["accuracy"])
