import numpy as np

from edgekit.bench.evaluate import judged, means
from edgekit.types import Split


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
    ids, labels, found = judged(split(["b", "a", "b", "c", "b"]), p)
    assert ids.tolist() == ["b", "a", "c"]
    assert labels.tolist() == [1, 0, 1]
    assert np.allclose(found, [[0.4, 0.6], [1, 0], [0.5, 0.5]])
    assert found.dtype == np.float32


def test_whole_samples_are_judged_as_they_are():
    whole = Split(x=np.zeros((2, 1, 1, 1)), y=np.array([0, 1]), ids=np.array(["u", "v"]))
    p = np.array([[0.2, 0.8], [1, 0]], np.float32)
    ids, labels, found = judged(whole, p)
    assert (ids.tolist(), labels.tolist()) == (["u", "v"], [0, 1])
    assert found is p


def test_means_of_no_rows():
    assert means(np.zeros((0, 3), np.float32), np.zeros(0, np.int64)).shape == (0, 3)
