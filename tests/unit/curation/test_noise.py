"""Confident learning against the vector that cleanlab 2.9.0 gives (METHODS.md section 3.8)."""

import numpy as np
import pytest

from edgekit.curation import noise

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
P0 = np.array([0.9, 0.8, 0.7, 0.2, 0.1, 0.2, 0.3, 0.75])
PROBABILITIES = np.stack([P0, 1 - P0], axis=1)


def test_thresholds_and_joint():
    assert noise.thresholds(PROBABILITIES, LABELS) == pytest.approx([0.65, 0.6625])
    assert noise.confident_joint(PROBABILITIES, LABELS).tolist() == [[3, 1], [1, 3]]
    assert noise.estimated_noise(PROBABILITIES, LABELS) == pytest.approx(0.25)


def test_injected_noise_is_found():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 5, 4000)
    flipped = rng.random(4000) < 0.1
    given = np.where(flipped, (true + rng.integers(1, 5, 4000)) % 5, true)
    probabilities = np.full((4000, 5), 0.02) + 0.9 * np.eye(5)[true]
    assert noise.estimated_noise(probabilities, given) == pytest.approx(flipped.mean(), abs=0.005)
