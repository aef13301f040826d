import numpy as np
import pytest

from edgekit.errors import DataError
from edgekit.export import calibration, parity
from edgekit.recipe import QuantizationSection


def images(count=40, seed=0):
    return np.random.default_rng(seed).random((count, 6, 6, 1), dtype=np.float32)


def test_calibration_is_class_balanced_and_repeats():
    labels = np.repeat(np.arange(10), 90)
    index = calibration.calibration_index(labels, 300, seed=1)
    assert np.bincount(labels[index]).tolist() == [30] * 10
    assert len(set(index.tolist())) == 300
    assert np.array_equal(index, calibration.calibration_index(labels, 300, seed=1))
    assert not np.array_equal(index, calibration.calibration_index(labels, 300, seed=2))


def test_rare_classes_give_all_they_have():
    labels = np.array([0] * 100 + [1] * 3)
    assert np.bincount(labels[calibration.calibration_index(labels, 50, seed=0)]).tolist() == [47, 3]
    assert len(calibration.calibration_index(labels, 1000, seed=0)) == 103


def test_ordinary_samples_have_no_findings():
    assert calibration.lint(images()) == []
    assert calibration.lint(images(), images(seed=1)) == []


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (images(0), "no samples"),
        (images() * 255, r"expected \[0, 1\]: divide by 255"),
        (images() * 2 - 1, r"range over \[-.*convert them to pixel / 255"),
        (images() / 255, "255 twice"),
        (np.full((40, 6, 6, 1), 0.5, np.float32), "one constant value"),
        (np.linspace(0, 1, 40, dtype=np.float32)[:, None, None, None] * np.ones((1, 6, 6, 1), np.float32), "constant"),
        (np.repeat(images(4), 10, axis=0), "Only 4 of 40"),
        (np.where(images() > 0.9, np.nan, images()).astype(np.float32), "NaN"),
        (np.where(images() > 0.9, np.inf, images()).astype(np.float32), "infinite"),
    ],
)
def test_useless_samples_are_refused_with_what_was_found(samples, message):
    with pytest.raises(DataError, match=message):
        calibration.lint(samples)


def test_doubtful_samples_are_reported():
    assert "few" in calibration.lint(images(8))[0]
    assert "Only 17 of 40" in calibration.lint(np.concatenate([images(17), images(17), images(6)]))[0]
    some = images()
    some[:10] = 0.25
    assert any("25%" in finding for finding in calibration.lint(some))


def test_another_brightness_or_contrast_than_the_training_set_is_reported():
    dark = images() * np.float32(0.2)
    assert "mean 0.1" in calibration.lint(dark, images(seed=1))[0]
    flat = images() * np.float32(0.3) + np.float32(0.35)
    assert "standard deviation 0.0" in calibration.lint(flat, images(seed=1))[0]


def test_samples_come_balanced_from_the_training_set(shipped):
    chosen = calibration.choose(QuantizationSection(), shipped, shipped.train, 3)
    assert chosen.facts["per_class"] == [30] * 10
    assert chosen.facts["warnings"] == []
    assert len(chosen.facts["ids_sha256"]) == 64
    again = calibration.choose(QuantizationSection(), shipped, shipped.train, 3)
    assert again.facts == chosen.facts
    assert len(calibration.choose(QuantizationSection(), shipped, shipped.train, 3, factor=2).samples) == 600


def test_samples_come_from_an_unlabeled_pool(shipped, tmp_path):
    np.savez(tmp_path / "pool.npz", x=shipped.cal.x[:120])
    section = QuantizationSection(calibration=str(tmp_path / "pool.npz"), calibration_samples=100)
    chosen = calibration.choose(section, shipped, shipped.train, 3)
    assert chosen.samples.shape == (100, 28, 28, 1)
    assert chosen.facts["source"].endswith("pool.npz")
    assert chosen.facts["per_class"] is None
    assert chosen.facts["ids_sha256"] != calibration.choose(section, shipped, shipped.train, 4).facts["ids_sha256"]
    digest = calibration.source_digest(section.calibration)
    np.savez(tmp_path / "pool.npz", x=shipped.cal.x[:121])
    assert calibration.source_digest(section.calibration) != digest
    assert calibration.source_digest("") == ""


def test_a_pool_of_repeated_images_is_refused(shipped, tmp_path):
    np.savez(tmp_path / "pool.npz", x=np.repeat(shipped.cal.x[:2], 100, axis=0))
    with pytest.raises(DataError, match="Only 2 of 200"):
        calibration.choose(QuantizationSection(calibration=str(tmp_path / "pool.npz")), shipped, shipped.train, 0)


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
