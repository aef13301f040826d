import contextlib
import gc
import signal
import subprocess
import sys
import time

import pytest

from edgekit.cli.interrupt import AGAIN_S, keyboard_interrupt_guard


def ctrl_c():
    signal.raise_signal(signal.SIGINT)


def wait():
    """The rest of a program; longer than a lost Ctrl-C takes to come again."""
    time.sleep(40 * AGAIN_S)


def in_the_garbage_collector():
    """What JAX does: Python drops whatever a callback of the collector raises."""

    def callback(phase, info):
        if phase == "stop":
            ctrl_c()

    gc.callbacks.append(callback)
    try:
        gc.collect()
    finally:
        gc.callbacks.remove(callback)


def in_a_destructor():
    class Thing:
        def __del__(self):
            ctrl_c()

    Thing()


def in_code_that_swallows_everything():
    with contextlib.suppress(BaseException):
        ctrl_c()


@pytest.mark.parametrize("lose", [in_the_garbage_collector, in_a_destructor, in_code_that_swallows_everything])
def test_a_ctrl_c_that_is_lost_comes_again(lose, capsys):
    begun = time.perf_counter()
    with pytest.raises(KeyboardInterrupt), keyboard_interrupt_guard():
        lose()
        wait()
        pytest.fail("the program went on")
    assert time.perf_counter() - begun < 20 * AGAIN_S
    assert capsys.readouterr().err == ""


def test_lost_again_and_again_it_still_comes():
    lost = 0
    with pytest.raises(KeyboardInterrupt), keyboard_interrupt_guard():
        while lost < 3:
            try:
                if not lost:
                    ctrl_c()
                wait()
            except BaseException:
                lost += 1
        wait()
    assert lost == 3


def test_cleaning_up_is_not_interrupted():
    cleaned = []
    with pytest.raises(KeyboardInterrupt), keyboard_interrupt_guard():
        try:
            ctrl_c()
        finally:
            time.sleep(3 * AGAIN_S)
            try:
                {}["missing"]
            except KeyError:
                time.sleep(3 * AGAIN_S)
            cleaned.append(True)
    assert cleaned


def test_an_error_in_the_place_of_it_is_a_ctrl_c_all_the_same():
    with pytest.raises(KeyboardInterrupt), keyboard_interrupt_guard():
        in_a_destructor()
        raise SystemError("bad argument to internal function")


def test_without_a_ctrl_c_nothing_changes():
    with pytest.raises(ValueError, match="as it was"), keyboard_interrupt_guard():
        raise ValueError("as it was")
    with keyboard_interrupt_guard():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_it_is_ignored_it_stays_so():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with keyboard_interrupt_guard():
        ctrl_c()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


PROGRAM = """
import gc, signal, time
from edgekit.cli import app

@app.app.command()
def stop(error: bool = False) -> None:
    gc.callbacks.append(lambda phase, info: signal.raise_signal(signal.SIGINT))
    gc.collect()
    gc.callbacks.clear()
    if error:
        raise SystemError("bad argument to internal function")
    time.sleep(60)

signal.signal(signal.SIGINT, signal.default_int_handler)
app.main()
"""


@pytest.mark.parametrize("arguments", [(), ("--error",)])
def test_the_program_ends_with_130_and_says_how_to_go_on(arguments):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "stop", *arguments], capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr.strip() == "Interrupted. --resume continues a build or a study."
