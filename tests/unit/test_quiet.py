import gc
import importlib
import signal

import pytest

from edgekit.quiet import importing


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


def test_what_an_import_makes_is_left_out_of_garbage_collections_once(tmp_path, monkeypatch):
    (tmp_path / "edgekit_test_import.py").write_text("HELD = [[number] for number in range(1000)]")
    monkeypatch.syspath_prepend(tmp_path)
    with importing():
        importlib.import_module("edgekit_test_import")
    frozen = gc.get_freeze_count()
    assert frozen >= 1000
    held = [[number] for number in range(1000)]
    with importing():
        importlib.import_module("edgekit_test_import")
    assert len(held) == 1000
    assert gc.get_freeze_count() <= frozen
