"""Every metric as a function of counts equals the plain metric on the repeated samples."""

import numpy as np
import pytest

from edgekit.evidence import metrics, weighted
from edgekit.evidence.bootstrap import resamples


def predictions(n, levels, seed=0, classes=4):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(classes, 0.3), n)
    labels = np.where(rng.random(n) < 0.8, p.argmax(axis=1), rng.integers(0, classes, n))
    return (np.round(p * levels) / levels if levels else p), labels


@pytest.mark.parametrize("levels", [0, 256, 8])
@pytest.mark.parametrize("name", weighted.METRICS)
def test_counts_are_repeats(name, levels):
    p, labels = predictions(300, levels)
    statistic = weighted.statistic(name, p, labels)
    assert statistic(np.ones((1, 300)))[0] == pytest.approx(getattr(metrics.quality(p, labels), name), abs=1e-9)
    (counts,) = resamples(300, 20, seed=1)
    found = statistic(counts)
    for row, value in zip(counts, found, strict=True):
        again = np.repeat(np.arange(300), row.astype(int))
        assert value == pytest.approx(_plain(name, p[again], labels[again], metrics.floor_of(p)), abs=1e-9)


def _plain(name, p, labels, floor):
    # A resample of few levels may look like int8 by chance: the floor is that of the whole.
    return metrics.nll(p, labels, floor)[0] if name == "nll" else getattr(metrics.quality(p, labels), name)


@pytest.mark.parametrize("name", weighted.METRICS)
@pytest.mark.parametrize("right", [True, False])
def test_all_right_or_all_wrong(name, right):
    p, _ = predictions(50, 16)
    labels = p.argmax(axis=1) if right else (p.argmax(axis=1) + 1) % 4
    found = weighted.statistic(name, p, labels)(np.ones((2, 50)))
    assert found == pytest.approx([getattr(metrics.quality(p, labels), name)] * 2, abs=1e-9)


def test_directions():
    """A perfect file is at least as good as a bad one in every metric, as the table says."""
    labels = np.arange(100) % 4
    good = np.eye(4)[labels] * 0.9 + 0.025
    bad = np.eye(4)[(labels + (np.arange(100) % 3 == 0)) % 4] * 0.9 + 0.025
    for name, metric in weighted.METRICS.items():
        gain = weighted.statistic(name, good, labels)(np.ones((1, 100))) - weighted.statistic(name, bad, labels)(
            np.ones((1, 100))
        )
        assert (gain[0] > 0) == metric.higher_is_better, name
