"""Outside commands: what they say is made plain, and none is waited for without an end."""

from __future__ import annotations

import subprocess
import time

import pytest

from edgekit.bench import command
from edgekit.bench.command import Completed
from edgekit.errors import TargetError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text, 80 °C", "plain text, 80 °C"),
        ("\x1b[31;1mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]0;title\x1b\\\\after".replace("\\\\", "\\"), "after"),
        ("a\tb\rc\x08\x9b\x7f", "a bc"),
        ("\u202eevil", "evil"),
    ],
)
def test_text_is_made_plain(text, expected):
    assert command.plain(text) == expected


def test_the_last_line_is_plain():
    done = Completed(status=1, stdout=b"out", stderr=b"first\n\x1b[2Jsecond\x07\r\n\x1b[0m\n")
    assert done.last_line == "second"


def test_too_many_arguments_are_a_clear_error():
    with pytest.raises(TargetError, match=r"sh cannot be started: 4,000,00\d bytes of arguments"):
        command.call(["sh", "-c", "x" * 4_000_000], timeout_s=5)


def test_a_command_that_says_nothing_is_given_up_with_its_children():
    begin = time.monotonic()
    with command.started(["sh", "-c", "sleep 60 | cat"], stdin=subprocess.PIPE) as process:
        assert command.first_line(process, timeout_s=0.3) == ("", False)
    assert time.monotonic() - begin < 10
    with command.started(["sh", "-c", "echo one; echo two"]) as process:
        assert command.first_line(process, timeout_s=30) == ("one", True)
