import numpy as np

from edgekit.export import parity, tflite


def test_calibration_is_class_balanced_and_repeats():
    labels = np.repeat(np.arange(10), 90)
    index = tflite.calibration_index(labels, 300, seed=1)
    assert np.bincount(labels[index]).tolist() == [30] * 10
    assert len(set(index.tolist())) == 300
    assert np.array_equal(index, tflite.calibration_index(labels, 300, seed=1))
    assert not np.array_equal(index, tflite.calibration_index(labels, 300, seed=2))


def test_rare_classes_give_all_they_have():
    labels = np.array([0] * 100 + [1] * 3)
    assert np.bincount(labels[tflite.calibration_index(labels, 50, seed=0)]).tolist() == [47, 3]
    assert len(tflite.calibration_index(labels, 1000, seed=0)) == 103


def test_centered_logits_are_the_logits_less_their_mean():
    logits = np.array([[1.0, 2.0, 6.0], [0.0, 0.0, -3.0]])
    p = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    expected = logits - logits.mean(axis=1, keepdims=True)
    one, two = parity.centered_logits(p, p)
    assert np.abs(one - expected).max() < 1e-6
    assert np.array_equal(one, two)


def test_what_underflows_on_one_side_is_left_out_on_both():
    p, q = (np.array([[0.5, 0.5, tiny]], np.float32) for tiny in (1.05e-30, 0.95e-30))
    one, two = parity.centered_logits(p, q)
    assert np.isnan(one[0, 2])
    assert np.nanmax(np.abs(one - two)) < 1e-6
