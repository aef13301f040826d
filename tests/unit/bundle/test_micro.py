"""Operators and arena of known files, counted by hand."""

import pytest
from tests.conftest import REPOSITORY

from edgekit.bundle import micro
from edgekit.errors import UsageError

PEERS = REPOSITORY / "tests" / "files" / "mlperf-tiny"


def test_an_autoencoder_keeps_two_layers_at_a_time():
    """640 -> 128 ... -> 640, dense layers only: the widest pair is 640 + 128 bytes."""
    found = micro.needs(PEERS / "ad01_int8.tflite")
    assert (found.operators, found.methods) == (["FULLY_CONNECTED"], ["AddFullyConnected"])
    assert found.arena_bytes == 640 + 128


def test_keyword_spotting_keeps_two_maps_of_64_channels():
    """49 x 10 features; from the first convolution on, maps of 25 x 5 x 64 bytes, one in and one out."""
    found = micro.needs(PEERS / "kws_ref_model.tflite")
    assert found.arena_bytes == 2 * 25 * 5 * 64
    assert set(found.operators) == {
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "AVERAGE_POOL_2D",
        "RESHAPE",
        "FULLY_CONNECTED",
        "SOFTMAX",
    }
    assert "AddDepthwiseConv2D" in found.methods and len(found.methods) == len(set(found.methods))


def test_an_operator_that_the_library_lacks_is_named(monkeypatch):
    monkeypatch.delitem(micro._METHODS, "SOFTMAX")
    with pytest.raises(UsageError, match="has no SOFTMAX"):
        micro.needs(PEERS / "kws_ref_model.tflite")
