import sys
import types

from edgekit.notebook import progress


class Page:
    """The one output of a cell, as IPython's display would show it."""

    def __init__(self):
        self.shown = []

    def display(self, page, display_id):
        assert display_id is True
        self.shown.append(page)
        return types.SimpleNamespace(update=self.shown.append)


def in_a_notebook(monkeypatch, kernel):
    page, ipython, display = Page(), types.ModuleType("IPython"), types.ModuleType("IPython.display")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=kernel)
    display.HTML, display.display = str, page.display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return page


def test_in_a_kernel_one_output_is_written_anew(monkeypatch):
    page = in_a_notebook(monkeypatch, kernel=object())
    reporter = progress.chosen()
    assert isinstance(reporter, progress.Notebook)
    reporter.stage("Training <b>")
    for epoch in range(1, 101):
        reporter.progress(epoch, 100, f"loss {epoch}")
    reporter.note("accuracy 0.9")
    reporter.warn("few & far")
    reporter.stage("Export")
    last = page.shown[-1]
    for told in ("Training &lt;b&gt;", "accuracy 0.9", "warning: few &amp; far", "Export"):
        assert told in last
    assert "<progress" not in last, "the bar is of the current stage"
    full = next(text for text in page.shown if "100/100" in text)
    assert 'value="1.0000"' in full and "loss 100" in full
    assert len(page.shown) < 20, "a hundred steps in an instant are not a hundred updates"


def test_elsewhere_it_is_text_on_stderr(monkeypatch, capsys):
    in_a_notebook(monkeypatch, kernel=None)  # IPython in a terminal
    assert isinstance(progress.chosen(), progress.Text)
    monkeypatch.delitem(sys.modules, "IPython")
    reporter = progress.chosen()
    assert isinstance(reporter, progress.Text)
    reporter.stage("Training")
    for step in range(1, 41):
        reporter.progress(step, 40, "loss 1")
    reporter.note("done")
    reporter.warn("careful")
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert lines[0] == "Training" and lines[-3:] == ["  40/40  loss 1", "  done", "  warning: careful"]
    assert len(lines) == 13, "one a tenth"
