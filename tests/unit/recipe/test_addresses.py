"""Targets as they are written; nothing that ssh or adb could read as an option or a second word gets through."""

import pytest

from edgekit.errors import UsageError
from edgekit.recipe import addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host", ("host", None, None, None, None)),
        ("attached", ("attached", None, None, None, None)),
        ("adb", ("adb", None, None, None, None)),
        ("adb:R58N12ABCDE", ("adb", None, None, None, "R58N12ABCDE")),
        ("adb:192.168.1.20:5555", ("adb", None, None, None, "192.168.1.20:5555")),
        ("ssh://pi@raspberrypi.local", ("ssh", "pi", "raspberrypi.local", None, None)),
        ("ssh://MyPi", ("ssh", None, "MyPi", None, None)),
        ("ssh://pi@10.0.0.7:2222/", ("ssh", "pi", "10.0.0.7", 2222, None)),
        ("ssh://pi@[fe80::1]:22", ("ssh", "pi", "fe80::1", 22, None)),
        ("kitchen-pi", ("named", None, None, None, None)),
    ],
)
def test_forms(text, expected):
    found = addresses.parse(text)
    assert (found.kind, found.user, found.host, found.port, found.serial) == expected
    assert found.text == text


@pytest.mark.parametrize(
    "text",
    [
        "", "Host", "-oProxyCommand=x", "ssh://", "ssh://-oProxyCommand=touch x", "ssh://-l@host", "ssh://a b@host",
        "ssh://pi@ho st",
        "ssh://pi@host;reboot", "ssh://$(id)@host", "ssh://pi@host/path", "ssh://pi@host?x", "ssh://pi@host\nx", "ssh://pi@host:port",
        "ssh://pi@host:99999", "ssh://pi:secret@host", "ssh://pi@[::g]", "adb:", "adb:-s", "adb:a b", "adb:a;b", "adb:$(id)",
        "adb:a\nb", "tcp://x", "../x", "a b",
    ],
)  # fmt: skip
def test_anything_else_is_a_usage_error(text):
    with pytest.raises(UsageError):
        addresses.parse(text)


def test_a_password_is_not_repeated():
    with pytest.raises(UsageError) as caught:
        addresses.parse("ssh://pi:secret@host")
    assert "secret" not in str(caught.value)


def test_port_0_is_no_port():
    with pytest.raises(UsageError, match="has the port 0; expected 1 to 65535"):
        addresses.parse("ssh://pi@host:0")
