"""Temperature scaling: the example of docs/methods.md, "Worked example", scipy's own search, and int8."""

import decimal
import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from edgekit.errors import DataError
from edgekit.evidence import temperature

CONFIDENCE = np.array([0.95, 0.90, 0.90, 0.85, 0.80, 0.70, 0.70, 0.70, 0.60, 0.55])
LABELS = np.array([0, 0, 1, 0, 0, 1, 0, 0, 1, 1])
LOGITS = np.stack([np.log(CONFIDENCE / (1 - CONFIDENCE)), np.zeros(10)], axis=1)


def slope(t):
    """The sign of d NLL / d T in 40 digits, from the vector's decimal confidences."""
    with decimal.localcontext() as context:
        context.prec = 40
        total = decimal.Decimal(0)
        for text, label in zip(
            [".95", ".90", ".90", ".85", ".80", ".70", ".70", ".70", ".60", ".55"], LABELS, strict=True
        ):
            z = (decimal.Decimal(text) / (1 - decimal.Decimal(text))).ln()
            total += z * int(label == 0) - z / (1 + (-z / decimal.Decimal(t)).exp())
        return total


def test_worked_vector():
    found = temperature.fit(LOGITS, LABELS)
    # The published 1.799874576 comes from a search for the least value, which cannot see beyond half the digits.
    assert found.value == pytest.approx(1.799874576, abs=1e-7)
    assert slope(found.value - 1e-9) < 0 < slope(found.value + 1e-9)
    assert found.nll_before == pytest.approx(0.6477022504, abs=5e-11)
    assert found.nll_after == pytest.approx(0.6108297284, abs=5e-11)
    assert (found.n, found.at_bound) == (10, False)
    from_probabilities = temperature.fit(temperature.logits_of(np.stack([CONFIDENCE, 1 - CONFIDENCE], axis=1)), LABELS)
    assert from_probabilities.value == pytest.approx(found.value, abs=1e-9)


def drawn(n, sharpness, seed, classes=5):
    """Logits, and labels that follow softmax(logits): with logits x sharpness, T is about the sharpness."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, classes))
    labels = np.array([rng.choice(classes, p=p) for p in softmax(logits, axis=1)])
    return logits * sharpness, labels


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 4.0])
def test_it_finds_the_sharpness_and_agrees_with_a_search(sharpness):
    logits, labels = drawn(3000, sharpness, 0)
    found = temperature.fit(logits, labels)
    assert found.value == pytest.approx(sharpness, rel=0.1)
    searched = minimize_scalar(
        lambda t: -log_softmax(logits / math.exp(t), axis=1)[np.arange(3000), labels].mean(), bounds=(-4, 4), method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    assert found.value == pytest.approx(math.exp(searched.x), rel=1e-6)
    assert found.nll_after <= searched.fun + 1e-12


def test_separated_or_hopeless_splits_end_at_the_bound():
    logits = np.array([[2.0, 0.0], [0.0, 1.0]])
    found = temperature.fit(logits, np.array([0, 1]))
    assert (found.at_bound, found.value) == (True, pytest.approx(math.exp(-4)))
    found = temperature.fit(logits, np.array([1, 0]))
    assert (found.at_bound, found.value) == (True, pytest.approx(math.exp(4)))
    found = temperature.fit(np.zeros((3, 2)), np.array([0, 1, 1]))
    assert (found.at_bound, found.value) == (False, 1.0)


def test_int8_levels_are_clipped_at_half_a_level():
    levels = np.array([[0.0, 255 / 256], [0.5, 0.5]])
    logits = temperature.logits_of(levels)
    assert logits[0, 1] - logits[0, 0] == pytest.approx(math.log((255 / 256) / (1 / 512)))
    assert np.exp(logits).sum(axis=1) == pytest.approx(1)


def test_before_and_after():
    logits, labels = drawn(4000, 3.0, 1)
    p = softmax(logits, axis=1)
    found = temperature.before_and_after((p[:2000], labels[:2000]), (p[2000:], labels[2000:]))
    assert found.after.accuracy == found.before.accuracy
    assert found.after.nll < found.before.nll
    assert found.after.ece < found.before.ece / 2
    same = temperature.before_and_after((logits[:2000], labels[:2000]), (logits[2000:], labels[2000:]), logits=True)
    assert same.temperature.value == pytest.approx(found.temperature.value, abs=1e-9)
    assert same.after.augrc == pytest.approx(found.after.augrc, abs=1e-9)
    levels = np.round(p * 256).clip(0, 255) / 256
    int8 = temperature.before_and_after((levels[:2000], labels[:2000]), (levels[2000:], labels[2000:]))
    # What int8 stores as 0 counts as half a level: its logits spread less, and so does its temperature.
    assert 1.5 < int8.temperature.value < found.temperature.value
    assert int8.after.ece < int8.before.ece


def test_bad_input_is_refused():
    with pytest.raises(DataError, match="finite"):
        temperature.fit(np.array([[np.nan, 0.0]]), np.array([0]))
    with pytest.raises(DataError, match="above 0"):
        temperature.apply(LOGITS, 0.0)
