"""The reliability of the files of a run: what is fitted on calibration, and what it does on test."""

import json

import numpy as np
import pytest

from edgekit.errors import DataError, UsageError
from edgekit.evidence import metrics, temperature
from edgekit.evidence.reliability import METRICS, Logits, rows

# docs/methods.md, "Worked example": class 0 is predicted; the label is 1 where it errs.
CONFIDENCE = np.array([0.95, 0.90, 0.90, 0.85, 0.80, 0.70, 0.70, 0.70, 0.60, 0.55])
LABELS = np.array([0, 0, 1, 0, 0, 1, 0, 0, 1, 1])
TEN = np.stack([CONFIDENCE, 1 - CONFIDENCE], axis=1), LABELS
# Four times, so that there are enough samples for a temperature, which is the same.
FORTY = np.tile(TEN[0], (4, 1)), np.tile(LABELS, 4)


def test_the_worked_vector():
    row = rows({"f": (FORTY, TEN)}, {}, coverage=0.5)["f"]
    assert row["temperature"] == pytest.approx(1.799874576, rel=1e-6)
    assert (row["n"], row["split"], row["at_bound"], row["judged"]) == (40, "cal", False, True)
    assert row["nll_calibration_after"] == pytest.approx(row["after"]["nll"]) == pytest.approx(0.6108297284, abs=1e-9)
    before = {"nll": 0.6477022504, "brier": 0.4435, "augrc": 0.135, "aurc": 0.2476984127}
    assert {k: row["before"][k] for k in before} == pytest.approx(before, abs=1e-9)
    assert set(row["before"]) == set(row["after"]) == set(METRICS)
    operating = row["operating"]
    assert operating["wanted"] == {"coverage": 0.5}
    assert (operating["threshold"], operating["accepted"], operating["errors"]) == (0.8, 5, 1)
    assert operating["risk"] == 0.2
    assert operating["coverage_interval"][0] < 0.5 < operating["coverage_interval"][1]
    assert row["drift"] is None
    assert row["figures"]["auroc_f"] == pytest.approx(0.7708333333)


def test_what_is_chosen_is_chosen_on_calibration_and_measured_on_test():
    sure = np.full(10, 0.99)
    test = np.stack([sure, 1 - sure], axis=1), LABELS
    row = rows({"f": (FORTY, test)}, {}, coverage=0.5)["f"]
    assert row["temperature"] == pytest.approx(1.799874576, rel=1e-6)
    assert (row["operating"]["threshold"], row["operating"]["coverage"], row["operating"]["risk"]) == (0.8, 1.0, 0.4)
    assert row["operating"]["calibration"]["coverage"] == 0.5
    scaled = temperature.apply(temperature.logits_of(test[0]), row["temperature"])
    assert row["after"]["nll"] == pytest.approx(metrics.quality(scaled, LABELS).nll)


def test_too_few_calibration_samples_judge_nothing():
    few = FORTY[0][:39], FORTY[1][:39]
    row = rows({"f": (few, TEN)}, {}, coverage=0.5)["f"]
    assert (row["judged"], row["n"], row["temperature"]) == (False, 39, 1.0)
    assert row["after"] == row["before"]
    assert row["nll_calibration_after"] == row["nll_calibration_before"]
    assert row["operating"]["threshold"] == 0.8, "an app has one all the same"


def test_int8_has_ties_and_its_float_file_a_threshold_to_inherit():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(4, 0.2), 2000)
    labels = np.where(rng.random(2000) < 0.8, p.argmax(axis=1), rng.integers(0, 4, 2000))
    levels = np.round(p * 256).clip(0, 255) / 256
    parts = [((x[:500], labels[:500]), (x[500:], labels[500:])) for x in (p, levels)]
    found = rows(dict(zip(("float", "int8"), parts, strict=True)), {"int8": "float"}, coverage=0.9)
    assert found["int8"]["figures"]["ties"]["tied"] > 1000 > found["float"]["figures"]["ties"]["tied"]
    assert found["int8"]["figures"]["ties"]["clipped_high"] > 0
    drift = found["int8"]["drift"]
    assert drift["float"] == "float"
    assert drift["float_on_float"]["threshold"] == drift["float_on_int8"]["threshold"]
    accepted = [x[500:].max(axis=1) >= drift["float_on_float"]["threshold"] for x in (p, levels)]
    assert drift["changed"] == pytest.approx((accepted[0] != accepted[1]).mean())
    assert (found["int8"]["floor"], found["float"]["floor"] < 1e-30) == (1 / 512, True)


def test_what_is_no_number_is_none_and_the_document_is_json():
    wrong = FORTY[0], np.ones(40, np.int64)
    found = rows({"f": (wrong, wrong), "q": (wrong, wrong)}, {"q": "f"}, risk=0.1)
    row = found["q"]
    assert row["at_bound"] and (row["temperature"], row["after"]) == (1.0, row["before"]), "nothing is scaled"
    assert row["operating"]["threshold"] is row["operating"]["risk"] is row["drift"]["shift"] is None
    assert row["operating"]["risk_interval"] == [0.0, 1.0]
    assert row["figures"]["auroc_f"] is None
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_wrong_input():
    with pytest.raises(UsageError, match="exactly one"):
        rows({"f": (TEN, TEN)}, {}, coverage=0.5, risk=0.1)
    with pytest.raises(DataError, match="not a finite number"):
        rows({"f": (TEN, (TEN[0] * np.nan, LABELS))}, {}, coverage=0.5)


def test_of_logits_the_temperature_divides_what_the_file_gives():
    z = np.stack([np.log(CONFIDENCE) - np.log(1 - CONFIDENCE), np.zeros(10)], axis=1)
    assert temperature.probabilities(z, "logits") == pytest.approx(TEN[0])
    # The test outputs are twice the calibration's: softmax(2 z / T) is no power of TEN's probabilities by another T.
    sharper = temperature.probabilities(2 * z, "logits"), LABELS
    logits = Logits(calibration=np.tile(z, (4, 1)), test=2 * z, limits=(-1.0, 2 * z.max()))
    row = rows({"f": (FORTY, sharper)}, {}, logits={"f": logits}, coverage=0.5)["f"]
    assert row["temperature"] == pytest.approx(1.799874576, rel=1e-6)
    assert row["after"]["nll"] == pytest.approx(
        metrics.quality(temperature.apply(z, 0.899937288), LABELS).nll, rel=1e-8
    )
    assert row["before"]["nll"] == pytest.approx(metrics.quality(sharper[0], LABELS).nll)
    assert row["floor"] is None
    ties = row["figures"]["ties"]
    assert (ties["confidences"], ties["tied"], ties["at_top"]) == (7, 5, 1)
    assert (ties["clipped_high"], ties["zeros"], ties["argmax"]) == (1, 0, 0)
    floats = rows({"f": (TEN, TEN)}, {}, logits={"f": Logits(calibration=z, test=z, limits=None)}, coverage=0.5)["f"]
    assert floats["figures"]["ties"]["clipped_high"] is floats["figures"]["ties"]["zeros"] is None


def test_ties_are_remarked_on_only_where_a_softmax_of_256_levels_makes_them():
    rng = np.random.default_rng(0)
    labels = np.zeros(400, np.int64)

    def remark(top, **options):
        p = np.stack([top, 1 - top], axis=1), labels
        return rows({"float": (p, p), "int8": (p, p)}, {"int8": "float"}, coverage=0.9, **options)["int8"]["remark"]

    few, tied = np.arange(256, 656) / 1024, np.repeat(np.arange(128, 228), 4) / 256
    text = remark(tied)
    assert text.startswith("int8 gives 400 of 400 test samples a confidence shared with another one (0 are at 255/256")
    assert "--logits-output" in text
    assert remark(np.concatenate([np.full(20, 0.75), np.full(380, 0.8)])) is None, "0.8 is on no level of int8"
    assert remark(few) is None, "no ties, and not on 256 levels"
    z = rng.normal(size=(400, 2))
    assert remark(tied, logits={"int8": Logits(calibration=z, test=z, limits=None)}) is None
