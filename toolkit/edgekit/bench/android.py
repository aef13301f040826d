"""Android's fixed-performance mode: clocks that a phone can hold, for as long as a block runs.

Android 11 and newer, if the maker's power HAL supports it (developer.android.com/games/optimize/adpf/fixed-performance-mode).
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from edgekit.bench import command
from edgekit.bench.transport import Transport
from edgekit.errors import TargetError

_SET = "cmd power set-fixed-performance-mode-enabled"
_ANSWER_S, _END_S = 30.0, 30.0
_OFF = "EDGEKIT-OFF=0"
# Waits on the device until its stdin closes: the mode is switched off there even if we are killed or the cable is pulled.
# Only the exit status shows whether the mode was set: Android has no command to read it back.
_KEEPER = f"""
off() {{
  trap '' HUP TERM INT PIPE
  {_SET} false >/dev/null 2>&1
  echo "EDGEKIT-OFF=$?"
  exit 0
}}
trap off HUP TERM INT PIPE
said=$({_SET} true 2>&1)
s=$?
echo "EDGEKIT-ON=$s" $said
[ $s = 0 ] || exit 1
cat >/dev/null
off
"""


@contextlib.contextmanager
def fixed_performance(transport: Transport) -> Iterator[None]:
    """Switch the mode on for the block and off afterwards, whatever happens; if we are killed, the device switches it off.

    Whether it was on before cannot be known, so it is off afterwards in any case. A restart of the device also ends it.

    Raises:
        TargetError: the device has no such mode, or does not answer; or the mode could not be switched off (not raised if the
        block itself failed).
    """
    with transport.start(_KEEPER) as keeper:
        first, in_time = command.first_line(keeper, timeout_s=_ANSWER_S)
        if not in_time:
            # If the mode is switched on after all, the script on the device switches it off: its stdin is closed.
            raise TargetError(
                f"{transport.text} did not answer within {_ANSWER_S:.0f} s when asked for its fixed-performance mode. "
                "Restart it, or measure without the mode."
            )
        mark, _, said = first.partition(" ")
        if mark != "EDGEKIT-ON=0":
            reason = said or first or "no answer"
            raise TargetError(
                f"{transport.text} has no fixed-performance mode ({reason}): it needs Android 11 and the manufacturer's support. "
                "Measure without it."
            )
        try:
            yield
        except BaseException:
            if not _off(keeper, transport):
                print(_left_on(transport), file=sys.stderr)
            raise
        if not _off(keeper, transport):
            raise TargetError(_left_on(transport))


def _left_on(transport: Transport) -> str:
    by_hand = f"run `{_SET} false` in its shell"
    return f"{transport.text} may still be in fixed-performance mode: restart it, or {by_hand}."


def _off(keeper: subprocess.Popen[bytes], transport: Transport) -> bool:
    """Switch the mode off, over a new connection if the old one is gone. Returns whether that worked."""
    assert keeper.stdin is not None
    with contextlib.suppress(OSError):
        keeper.stdin.close()
    return _ended(keeper) or _ended_anew(transport)


def _ended(keeper: subprocess.Popen[bytes]) -> bool:
    """Whether the script on the device has switched the mode off."""
    try:
        keeper.wait(_END_S)
    except subprocess.TimeoutExpired:
        return False
    assert keeper.stdout is not None
    return _OFF in keeper.stdout.read().decode(errors="replace").split()


def _ended_anew(transport: Transport) -> bool:
    try:
        return transport.run(f"{_SET} false >/dev/null 2>&1", timeout_s=_END_S).status == 0
    except TargetError:
        return False
