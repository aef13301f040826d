"""Why an ssh connection failed, from what OpenSSH 8 to 10 writes, and what to do about it."""

from __future__ import annotations

import re

from edgekit.bench.command import Completed, plain

# The first pattern that matches counts. {by_hand}: the command that reaches the target in a terminal.
_KNOWN = (
    (
        "HOST IDENTIFICATION HAS CHANGED|host key for .* has changed",
        "shows a different host key than the recorded one: it was reinstalled, or another machine has its address. Compare "
        "the fingerprint at the device; if it is right, `ssh-keygen -R` the old key and run `{by_hand}`",
    ),
    (
        "Host key verification failed|host key is known",
        "has a host key that is not known here. Run `{by_hand}` once and compare the fingerprint it shows",
    ),
    (
        r"Permission denied \(|Too many authentication failures|No supported authentication",
        "does not accept your SSH key. Copy it there (`ssh-copy-id`), then check with `{by_hand}`",
    ),
    ("Could not resolve hostname", "has a host name that nothing resolves. Check its spelling, or use its IP address"),
    ("Connection refused", "refuses connections: no SSH server listens on that port. Start it there, or name its port"),
    (
        "timed out|No route to host|Network is unreachable|Host is down",
        "does not answer. Is it switched on, and on this network?",
    ),
    (
        "Bad owner or permissions|Bad configuration option|terminating,|Can't open user config",
        "is not tried: your ssh configuration cannot be used. Fix it",
    ),
    (
        "Connection (closed|reset|to)|not responding|Broken pipe|client_loop|mux_client|kex_exchange",
        "cut the connection. Check with `{by_hand}`",
    ),
)


def diagnose(text: str, by_hand: str, done: Completed) -> str:
    """One line about an ssh call that ended before our script began.

    Args:
        text: the target as the user wrote it.
        by_hand: the command that reaches it in a terminal.
    """
    stderr = done.stderr.decode(errors="replace").strip()
    last = plain(stderr.splitlines()[-1]).strip().rstrip(".") if stderr else "no message"
    for pattern, message in _KNOWN:
        if re.search(pattern, stderr):
            return f"{text} {message.replace('{by_hand}', by_hand)} ({last})."
    if done.status == 255 or done.status < 0:
        return f"{text} could not be reached, or cut the connection ({last}). Check with `{by_hand}`."
    return f"{text} accepts the login but runs no command ({done.last_line}). Check with `{by_hand} true`."
