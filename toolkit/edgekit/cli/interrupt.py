"""Ctrl-C ends the program, whenever it comes.

Python drops a KeyboardInterrupt that comes in a destructor or in a callback of the garbage collector (JAX has one, and Keras
loads JAX where it is installed; the collector runs a good part of the time that TensorFlow traces a network), and native code
clears an error or replaces it with its own. So a KeyboardInterrupt that is not handled within a moment is raised again.
"""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

AGAIN_S = 0.25


@contextlib.contextmanager
def keyboard_interrupt_guard() -> Iterator[None]:
    """A Ctrl-C inside raises KeyboardInterrupt until it is handled, and the context is left by KeyboardInterrupt in any case.

    It is being handled while an `except`, a `finally` or an `__exit__` runs for it: cleaning up is not interrupted. Does
    nothing where SIGINT does not raise KeyboardInterrupt (a shell's background job ignores it).
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    watch = _Watch()
    hook = sys.unraisablehook

    def report(lost: Any) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            hook(lost)

    sys.unraisablehook = report
    signal.signal(signal.SIGINT, watch.interrupt)
    try:
        yield
    finally:
        watch.end()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.unraisablehook = hook
        if watch.requested:
            raise KeyboardInterrupt


class _Watch:
    """The handler of SIGINT, and the thread that sends it again."""

    def __init__(self) -> None:
        self.requested = False
        self._again = self._ended = False
        self._sending = threading.Lock()
        self._main = threading.get_ident()

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        again, self._again = self._again, False
        if again and (self._ended or _handled()):
            return
        if not self.requested:
            self.requested = True
            # A daemon thread without the locks of `threading`, which the interrupted code may hold.
            _thread.start_new_thread(self._send, ())
        raise KeyboardInterrupt

    def end(self) -> None:
        with self._sending:
            self._ended = True

    def _send(self) -> None:
        while True:
            time.sleep(AGAIN_S)
            with self._sending:
                if self._ended:
                    return
                self._again = True
                # To the main thread, so that a system call it waits in returns.
                signal.pthread_kill(self._main, signal.SIGINT)


def _handled() -> bool:
    """Whether the interrupted code handles a KeyboardInterrupt, or an error that came while it did."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
