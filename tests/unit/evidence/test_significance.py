"""McNemar against the published vector of METHODS.md section 6."""

import numpy as np
import pytest

from edgekit.errors import IntegrityError
from edgekit.evidence.comparisons import compare
from edgekit.evidence.significance import mcnemar


def pair(only_a, only_b, both=100):
    a = np.array([True] * only_a + [False] * only_b + [True] * both)
    b = np.array([False] * only_a + [True] * only_b + [True] * both)
    return a, b


def test_vector():
    test = mcnemar(*pair(12, 25))
    assert (test.only_a, test.only_b) == (12, 25)
    assert test.exact_p == pytest.approx(0.0470310, abs=1e-7)
    assert test.mid_p == pytest.approx(0.0335524, abs=1e-7)
    assert test.difference == pytest.approx(-13 / 137)


def test_no_discordant_pair_is_no_evidence():
    assert mcnemar(*pair(0, 0)).mid_p == 1.0


def test_a_curation_comparison_never_claims_more_than_one_seed_can():
    right, wrong = [0.9, 0.1], [0.1, 0.9]
    ids, labels = np.array([f"test/{i}" for i in range(60)]), np.zeros(60, np.int64)
    a = (ids, labels, np.array([right] * 60))
    b = (ids, labels, np.array([wrong] * 60))
    row = compare("curation", "a", a, "b", b)
    assert row["mcnemar_mid_p"] < 1e-6
    assert row["verdict"] == "no evidence (1 seed)"
    assert compare("quantization", "a", a, "b", b)["verdict"] == "better"
    with pytest.raises(IntegrityError, match="different samples"):
        compare("curation", "a", a, "b", (ids[::-1], labels, b[2]))
