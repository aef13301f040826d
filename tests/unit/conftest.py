"""Fixtures of the fast tests."""

import signal

import pytest


@pytest.fixture
def ctrl_c_is_heeded():
    """A shell's background job ignores SIGINT, and hands that down to pytest."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
