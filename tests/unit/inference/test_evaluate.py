from pathlib import Path

import numpy as np
import pytest

from edgekit.bench.target_run import Samples
from edgekit.evidence import temperature
from edgekit.inference.evaluate import judged, pooled
from edgekit.types import Artifact, Split, TensorSpec


def split(clip):
    count = len(clip)
    return Split(
        x=np.zeros((count, 1, 1, 1), np.float32),
        y=np.array([{"b": 1, "a": 0, "c": 1}[name] for name in clip]),
        ids=np.array([f"{name}#{i}" for i, name in enumerate(clip)]),
        clip=np.array(clip),
    )


def test_segments_are_averaged_by_clip_in_data_set_order():
    p = np.array([[0.2, 0.8], [1, 0], [0.6, 0.4], [0.5, 0.5], [0.4, 0.6]], np.float32)
    ids, labels, found = judged(split(["b", "a", "b", "c", "b"]), p, "probabilities")
    assert ids.tolist() == ["b", "a", "c"]
    assert labels.tolist() == [1, 0, 1]
    assert np.allclose(found, [[0.4, 0.6], [1, 0], [0.5, 0.5]])
    assert found.dtype == np.float32


def test_whole_samples_are_judged_as_they_are():
    whole = Split(x=np.zeros((2, 1, 1, 1)), y=np.array([0, 1]), ids=np.array(["u", "v"]))
    p = np.array([[0.2, 0.8], [1, 0]], np.float32)
    ids, labels, found = judged(whole, p, "probabilities")
    assert (ids.tolist(), labels.tolist()) == (["u", "v"], [0, 1])
    assert found is p


def test_logits_of_a_clip_are_those_of_the_mean_probability():
    """softmax(0, ln 3) = (1/4, 3/4) and softmax(0, 0) = (1/2, 1/2): their mean is (3/8, 5/8)."""
    z = np.array([[0, np.log(3)], [0, 0], [0, -200]], np.float32)
    _, _, found = judged(split(["b", "b", "a"]), z, "logits")
    assert np.diff(found[0]) == pytest.approx(np.log(5 / 3), abs=1e-6)
    assert temperature.probabilities(found, "logits")[0] == pytest.approx([3 / 8, 5 / 8], abs=1e-6)
    assert found[1, 1] == pytest.approx(-200, abs=1e-3)


def test_no_rows_give_no_clips():
    assert pooled(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), "probabilities").shape == (0, 3)


def test_accuracy_on_a_target_is_that_of_clips():
    """int8 at 1/128 a step: clip b has means (0.25, 0.5) in spite of a segment that says otherwise, and is right."""
    spec = TensorSpec(name="p", dtype="int8", shape=(-1, 2), scale=1 / 128, zero_point=-128)
    artifact = Artifact(name="a.tflite", path=Path("a.tflite"), format="tflite", precision="int8", sha256="", size_bytes=1,
                        gzip_bytes=1, params=0, macs=0, sparsity=0.0, inputs=(spec,), outputs=(spec,))  # fmt: skip
    samples = Samples.of(split(["b", "a", "b"]))
    labels, judged_there = samples.judged(np.array([[-64, -128], [-100, 0], [-128, 0]], np.int8), artifact)
    assert labels.tolist() == [1, 0]
    assert judged_there.tolist() == pytest.approx(np.array([[0.25, 0.5], [28 / 128, 1.0]]))


def test_some_samples_are_some_clips_with_all_their_segments():
    few = Samples.of(split(["b", "a", "b", "c", "c", "c"])).some(2, 0)
    names, counts = np.unique(few.clip, return_counts=True)
    assert len(names) == 2
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)).items() <= {"a": 1, "b": 2, "c": 3}.items()
    assert len(few.x) == len(few.labels) == counts.sum()
