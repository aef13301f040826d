"""Operating thresholds on ten samples by hand, and what int8 does to them."""

import math

import numpy as np
import pytest

from edgekit.errors import DataError, UsageError
from edgekit.evidence import threshold

CONFIDENCE = np.array([0.95, 0.90, 0.90, 0.85, 0.80, 0.70, 0.70, 0.70, 0.60, 0.55])
ERROR = np.array([0, 0, 1, 0, 0, 1, 0, 0, 1, 1], dtype=bool)


def test_for_a_coverage_it_is_the_highest_that_reaches_it():
    found = [threshold.choose(CONFIDENCE, ERROR, coverage=c) for c in (0.1, 0.2, 0.3, 0.31, 0.6, 1.0)]
    assert found == [0.95, 0.90, 0.90, 0.85, 0.70, 0.55]


def test_for_a_risk_it_is_the_lowest_that_keeps_it():
    assert [threshold.choose(CONFIDENCE, ERROR, risk=r) for r in (0.0, 0.2, 0.25, 1.0)] == [0.95, 0.80, 0.70, 0.55]
    assert threshold.choose(CONFIDENCE, np.ones(10, bool), risk=0.1) == math.inf


def test_achieved_with_intervals():
    found = threshold.achieved(0.70, CONFIDENCE, ERROR)
    assert (found.accepted, found.errors, found.coverage, found.risk) == (8, 2, 0.8, 0.25)
    # Wilson for 8 of 10, Clopper-Pearson for 2 of 8 (textbook values)
    assert found.coverage_interval == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert found.risk_interval == pytest.approx((0.0319, 0.6509), abs=1e-4)
    nothing = threshold.achieved(math.inf, CONFIDENCE, ERROR)
    assert (nothing.coverage, nothing.risk_interval) == (0, (0, 1))
    assert math.isnan(nothing.risk)


def test_drift_from_float_to_int8():
    int8 = np.round(CONFIDENCE * 4) / 4  # levels 1, .75, .5
    found = threshold.drift((CONFIDENCE, ERROR), (CONFIDENCE, ERROR), (int8, ERROR), (int8, ERROR), coverage=0.3)
    assert found.float_on_float.threshold == found.float_on_int8.threshold == 0.90
    assert found.float_on_float.coverage == 0.3
    assert found.float_on_int8.accepted == int((int8 >= 0.90).sum())
    assert found.int8_on_int8.threshold == 1.0
    assert found.shift == pytest.approx(0.10)
    assert found.changed == pytest.approx(np.mean((CONFIDENCE >= 0.9) != (int8 >= 0.9)))
    none = threshold.drift((CONFIDENCE, ERROR), (CONFIDENCE, ERROR), (int8, ~ERROR), (int8, ERROR), risk=0.1)
    assert math.isnan(none.shift)


@pytest.mark.parametrize("wish", [{}, {"coverage": 0.5, "risk": 0.1}, {"coverage": 0}, {"risk": 1.5}])
def test_a_wish_that_makes_no_sense_is_refused(wish):
    with pytest.raises(UsageError):
        threshold.choose(CONFIDENCE, ERROR, **wish)


def test_samples_are_needed_and_must_match():
    with pytest.raises(DataError, match="calibration split"):
        threshold.choose(CONFIDENCE[:0], ERROR[:0], coverage=0.5)
    with pytest.raises(DataError, match="10 and 9"):
        pair = (CONFIDENCE, ERROR)
        threshold.drift(pair, pair, pair, (CONFIDENCE[:9], ERROR[:9]), coverage=0.5)
