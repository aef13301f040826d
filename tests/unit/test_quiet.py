import signal

import pytest

from edgekit.quiet import importing

pytestmark = pytest.mark.usefixtures("ctrl_c_is_heeded")


def test_a_ctrl_c_takes_effect_after_the_import():
    done = []
    with pytest.raises(KeyboardInterrupt), importing():
        with importing():
            signal.raise_signal(signal.SIGINT)
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]


def test_a_ctrl_c_counts_though_the_import_fails():
    with pytest.raises(KeyboardInterrupt), importing():
        signal.raise_signal(signal.SIGINT)
        raise ImportError("no such library")


def test_where_a_ctrl_c_is_ignored_it_stays_so():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with importing():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
