import numpy as np
import pytest

from edgekit.training.augment import Augmentation
from edgekit.training.batches import SoftLabels, Views, augmented, batch_indices, target_rows


def test_target_rows():
    labels = np.array([2, 0])
    assert target_rows(labels, 3, rows=False, soft=False) is labels
    assert target_rows(labels, 3, rows=True, soft=False).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert target_rows(labels, 3, rows=True, soft=True).tolist() == [[0, 0, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]]


def fed(x, y, *, soft_labels=None, mixup=0.0, batches=4, first=0, size=4, weights=None):
    indices = batch_indices(len(x), size, batches, seed=3)
    views = Views(Augmentation(name="shift"), len(x), x.shape[1:], 3, soft_labels)
    targets = target_rows(y, 3, rows=bool(mixup) or soft_labels is not None, soft=soft_labels is not None)
    images = (x[i] for i in indices[first:])
    made = augmented(
        images,
        targets,
        indices,
        views,
        samples=len(x),
        first=first,
        soft_labels=soft_labels,
        mixup=mixup,
        seed=3,
        weights=weights,
    )
    return indices, list(made)


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (6, 8, 8, 1), dtype=np.uint8), np.array([0, 1, 2, 0, 1, 2])


def test_training_that_goes_on_later_is_fed_the_same(samples):
    x, y = samples
    _, whole = fed(x, y, mixup=0.4)
    _, rest = fed(x, y, mixup=0.4, first=2)
    for one, other in zip(whole[2:], rest, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_each_round_shows_another_view(samples):
    x, y = samples
    indices, batches = fed(x, y, batches=6, size=3)
    shown = {}
    for index, (images, _) in zip(indices, batches, strict=True):
        for i, image in zip(index, images, strict=True):
            shown.setdefault(int(i), []).append(image)
    assert all(len(views) == 3 for views in shown.values())
    assert any(not np.array_equal(views[0], views[1]) for views in shown.values())


def test_a_teachers_soft_labels_are_of_the_very_view_that_is_shown(samples):
    """The teacher knows two views of 8 samples; the student learns from 6 of them, in its own order of rows."""
    x, y = samples
    whole = np.concatenate([np.zeros((2, 8, 8, 1), np.uint8), x])
    rows = np.arange(2, 8)
    logits = np.arange(2 * 8 * 3, dtype=np.float16).reshape(2, 8, 3) * np.float16(0.25)
    soft_labels = SoftLabels(logits=logits, rows=rows, view_seed=9, alpha=0.5, temperature=2.0)
    indices, batches = fed(x, y, soft_labels=soft_labels, batches=4, size=3)
    augmentation = Augmentation(name="shift")
    for number, (index, (images, targets)) in enumerate(zip(indices, batches, strict=True)):
        view = (number * 3 // 6) % 2
        drawn = augmentation.draw(8, (8, 8, 1), np.random.default_rng([9, 1, view]))
        expected = augmentation.apply(whole, drawn)[rows[index]]
        assert np.array_equal(images, expected.astype(np.float32) / np.float32(255))
        e = np.exp(logits[view, rows[index]].astype(float) / 2)
        assert targets[:, 3:] == pytest.approx(e / e.sum(axis=1, keepdims=True), rel=1e-5)
        assert np.array_equal(targets[:, :3], np.eye(3)[y[index]])


def test_mixup_mixes_images_targets_and_weights_alike(samples):
    x, y = samples
    x = np.broadcast_to((y * 100)[:, None, None, None], x.shape).astype(np.uint8)
    weights = y.astype(np.float32)
    _, batches = fed(x, y, mixup=1.0, weights=weights)
    for images, targets, weight in batches:
        assert targets.sum(axis=1) == pytest.approx(1)
        mean_label = targets @ np.arange(3)
        assert images[:, 0, 0, 0] * 255 == pytest.approx(mean_label * 100, abs=1e-3)
        assert weight == pytest.approx(mean_label, abs=1e-5)
