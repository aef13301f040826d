"""Outputs of a device against this machine's: hand-computed."""

import numpy as np
import pytest
from tests.conftest import REPOSITORY

from edgekit.bench import parity

HERE = np.array([[10, 20, 30], [5, 1, 0], [7, 7, 6], [0, 0, 9]], np.int8)
LABELS = np.array([2, 0, 1, 2])


def test_equal_outputs():
    found = parity.compare(HERE, HERE.copy(), LABELS, allowed=0)
    assert (found["agreement"], found["identical"], found["max_difference"]) == (1, 1, 0)
    assert found["mcnemar_mid_p"] == 1
    assert found["holds"]
    assert parity.describe(found) == "4 samples bit-identical to this machine"


def test_one_lsb_may_change_a_class():
    there = HERE.copy()
    there[2] = (7, 8, 6)  # now class 1, which is right
    found = parity.compare(HERE, there, LABELS, allowed=None)
    assert (found["agreement"], found["identical"], found["max_difference"], found["unit"]) == (0.75, 0.75, 1, "LSB")
    assert (found["only_host_right"], found["only_device_right"]) == (0, 1)
    assert found["mcnemar_mid_p"] == pytest.approx(0.5), "one discordant sample: exact 1, less half of the point's mass"
    assert found["holds"], "another runtime: told as it is"
    assert not parity.compare(HERE, there, LABELS, allowed=0)["holds"]


def test_the_whole_range_of_int8_does_not_overflow():
    found = parity.compare(np.array([[-128, 0]], np.int8), np.array([[127, 0]], np.int8), None, allowed=0)
    assert found["max_difference"] == 255
    assert found["mcnemar_mid_p"] is None


def test_floats_need_not_be_equal_but_must_be_numbers():
    here = np.array([[0.25, 0.75]], np.float32)
    close = parity.compare(here, here + np.float32(1e-6), None, allowed=0)
    assert close["holds"]
    assert close["unit"] == "absolute"
    assert not parity.compare(here, here * np.nan, None, allowed=None)["holds"]


def test_one_step_may_be_allowed():
    there = HERE.copy()
    there[0, 0] += 1
    assert not parity.compare(HERE, there, None, allowed=0)["holds"]
    assert parity.compare(HERE, there, None, allowed=1)["holds"]
    there[0, 0] += 1
    assert not parity.compare(HERE, there, None, allowed=1)["holds"]
    assert "at most 2 LSB (allowed: 1 LSB)" in parity.describe(parity.compare(HERE, there, None, allowed=1))


SOFTMAX = REPOSITORY / "tests/files/mlperf-tiny/pretrainedResnet_quant.tflite"


@pytest.mark.parametrize(
    ("runtimes", "kernels", "same_processor", "allowed"),
    [
        (("a 1", "a 1"), ("xnnpack", "xnnpack"), True, 0),
        (("a 1", "a 1"), ("xnnpack", "xnnpack"), False, 1),
        (("a 1", "a 1"), ("builtin", "builtin"), True, 0),
        (("a 1", "a 1"), ("builtin", "builtin"), False, None),
        (("a 1", "a 1"), ("xnnpack", "builtin"), True, None),
        (("a 1", "a 2"), ("xnnpack", "xnnpack"), True, None),
    ],
)
def test_what_may_differ(runtimes, kernels, same_processor, allowed):
    found = parity.allowed_difference(SOFTMAX, runtimes=runtimes, kernels=kernels, same_processor=same_processor)
    assert found == allowed


def test_without_a_softmax_nothing_may_differ():
    path = SOFTMAX.with_name("ad01_int8.tflite")
    both = {"runtimes": ("a 1", "a 1"), "kernels": ("xnnpack", "xnnpack")}
    assert parity.allowed_difference(path, **both, same_processor=False) == 0
