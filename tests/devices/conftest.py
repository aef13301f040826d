"""Fixtures of the device tests; each family is in a file of its own."""

from tests.devices.adb_fixtures import no_phone, phone, phone_double
from tests.devices.crossed import arm64_runner, host_runner
from tests.devices.vm import machine

__all__ = ["arm64_runner", "host_runner", "machine", "no_phone", "phone", "phone_double"]
