"""Signals from heads on embeddings, against values worked out by hand; and what the embeddings are cached under."""

import json
import math

import numpy as np
import pytest

from edgekit import recipe
from edgekit.training import frozen, jobs, stage
from edgekit.types import Dataset, InputSpec, Split

# Whitened to a mean squared norm of 16: -4 and 4, on which the rate of plain SGD is 4 / (16 + 1).
TWO = np.array([[-1.0], [1.0]], np.float32)


def described(needs, embeddings, labels, classes, **values):
    known = {"seed": 0, "epochs": 1, "fold_of": None, "marked": None, **values}
    made = frozen.Embedded(embeddings=embeddings, val_embeddings=embeddings[:1], train_flops=10**9)
    return frozen.describe(needs, made, np.asarray(labels), classes, **known)


def test_dynamics_of_one_epoch():
    """Gradients (-1/2, 1/2) and (1/2, -1/2), so weights (-8/17, 8/17) and logits of 32/17 and -32/17."""
    found, flops = described(("dynamics",), TWO, [0, 1], 2)
    assert found["margins"] == pytest.approx(np.full((1, 2), 64 / 17), rel=1e-5)
    wrong = 1 / (1 + math.exp(64 / 17))
    assert found["errors"] == pytest.approx(np.full((1, 2), math.sqrt(2) * wrong), rel=1e-4)
    assert found["pred_probs"].shape == (2, 2) and (found["pred_probs"].argmax(axis=1) == [0, 1]).all()
    # The epoch: 4 FLOP each of 2 samples, 1 value and 2 classes. The other head, one row of weights: at least two passes.
    assert (flops - 16) % 8 == 0 and flops - 16 >= 16


def test_threshold_samples_of_one_epoch():
    """Labels (2, 1), then (0, 2): weights (0, 8/17, -8/17) and biases (-4, 2, 2) / 51, so every margin is 32/17 + 6/51 = 2."""
    marked = np.array([[True, False], [False, True]])
    found, flops = described(("threshold",), TWO, [0, 1], 2, marked=marked)
    assert found["threshold_areas"] == pytest.approx(np.full((2, 2), 2.0), rel=1e-5)
    assert np.array_equal(found["threshold_samples"], marked)
    assert flops == 2 * 4 * 2 * 1 * 3, "two runs of an epoch, with one class more"


def test_a_fold_is_described_by_the_others():
    """Class 2 is in fold 0 alone, so no other fold's head knows it; 0 lies between the classes of what trained its head."""
    embeddings = np.array([[-1], [1], [0], [0], [-1], [1], [0], [0]], np.float32)
    labels, fold_of = [0, 1, 2, 2, 0, 1, 0, 1], np.array([1, 1, 0, 0, 2, 2, 1, 2])
    found, flops = described(("folds",), embeddings, labels, 3, fold_of=fold_of)
    p = found["oof_probs"]
    assert p.sum(axis=1) == pytest.approx(np.ones(8), abs=1e-5)
    assert (p[2:4, 2] == 0).all() and (p[[0, 1, 4, 5, 6, 7], 2] > 0).all()
    assert p[2:4, :2] == pytest.approx(np.full((2, 2), 0.5), abs=1e-3)
    assert p[0, 0] > p[0, 1] and p[1, 1] > p[1, 0]
    assert flops > 0 and "pred_probs" not in found
    assert found["val_embeddings"].shape == (1, 1, 1)


def test_embeddings_are_known_by_the_files_content(tmp_path):
    split = Split(x=np.zeros((2, 4, 4, 1), np.uint8), y=np.array([0, 1]), ids=np.array(["a", "b"]))
    dataset = Dataset(
        name="d", source="d", classes=("0", "1"), input=InputSpec(shape=(4, 4, 1)), train=split, val=split, cal=split, test=split,
        fingerprint="0" * 64,
    )  # fmt: skip
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / f"{name}.keras").write_bytes(content)

    def key(file, **values):
        student = {"backbone": str(tmp_path / f"{file}.keras"), "frozen": True}
        asked = recipe.from_mapping({"student": student, **values})
        return json.dumps(stage.embeddings_key(asked, dataset, jobs.Job(ids=split.ids, labels=split.y)))

    plain = key("a")
    assert plain == key("b"), "not by its path"
    assert plain != key("c")
    for values in (
        {"curation": {"method": "tracin", "budget": 0.01}},
        {"curation": {"method": "confident-learning", "folds": 3}, "teacher": {"epochs": 3}},
        {"training": {"epochs": 3}},
    ):
        assert key("a", **values) == plain
    assert key("a", peft={"method": "ssf"}) != plain
