"""Control native libraries: what they write to file descriptor 2, and Ctrl-C while they are imported."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Suppress everything written to stderr inside, unless EDGEKIT_DEBUG is set."""
    if os.environ.get("EDGEKIT_DEBUG"):
        yield
        return
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        try:
            os.dup2(held.fileno(), 2)
            yield
        finally:
            # Whatever happens (also a Ctrl-C), the user's stderr must be restored: the message about it goes there.
            try:
                sys.stderr.flush()
            finally:
                os.dup2(saved, 2)
                os.close(saved)


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Around the import of a framework: quiet, and a Ctrl-C takes effect after it (during it, TensorFlow crashes at exit)."""
    known = len(sys.modules)
    with _undisturbed():
        yield
    if len(sys.modules) > known:
        # Half a million objects that live to the end: each full collection, of which tracing causes many, would visit them.
        gc.freeze()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        with quiet_stderr():
            yield
        return
    waiting: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: waiting.append(number))
    try:
        with quiet_stderr():
            yield
    finally:
        signal.signal(signal.SIGINT, before)
        if waiting:
            # With the original handler: a program that ignores Ctrl-C continues.
            signal.raise_signal(signal.SIGINT)
