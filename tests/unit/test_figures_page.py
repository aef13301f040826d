"""docs/figures.md says what the result files say, and nothing by hand; so does README.md, which is short."""

import ast
import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import edgekit

ROOT = Path(__file__).parents[2]
FILES = [path for path in (ROOT / "benchmarks/results").glob("*.json") if "." not in path.stem]
RESULTS = {path.stem: json.loads(path.read_text()) for path in FILES}


@pytest.fixture
def figures(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    import figures

    return figures


@pytest.fixture
def copied(tmp_path):
    """The result files, to be changed, and the row of one of them."""
    folder = shutil.copytree(ROOT / "benchmarks/results", tmp_path / "results")

    def change(name, **values):
        path = folder / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))
        return folder

    return change


def rows(table):
    """The cells of each row of a Markdown table, without its head."""
    lines = table.strip().splitlines()[2:]
    return [re.split(r" (?<!\\)\| ", line.strip("| ")) for line in lines]


def test_the_page_is_what_the_command_would_write():
    done = subprocess.run([sys.executable, ROOT / "benchmarks/figures.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_result_has_a_row_with_what_its_file_holds(figures):
    page = (ROOT / "docs/figures.md").read_text().split(figures.BEGIN)[1].split(figures.END)[0]
    found = {re.search(r"benchmarks/(\w+)\.py", row[3])[1]: row for row in rows(page)}
    assert found.keys() == RESULTS.keys()
    for name, (_, result, judged, where) in found.items():
        held = RESULTS[name]
        met, goal = re.match(r"\*\*([a-z ]+)\*\*: (.*)", judged).groups()
        _, when, machine = where.split("<br>")
        number, unit = re.match(r"\*\*([^*]+)\*\* (.*)", result.split("<br>")[0]).groups()
        assert float(number.replace(",", "")) == pytest.approx(held["value"], rel=6e-4), name
        assert (unit, goal.replace("\\|", "|")) == (held["unit"], held["goal"])
        assert met == {True: "met", False: "not met", None: "not judged"}[held["met"]]
        assert machine == f"{held['device']['cpu']}, {held['device']['cores']} cores"
        assert when == f"{held['measured']}, {held['git_revision']}"


def test_every_further_figure_is_in_its_file(figures):
    assert figures.ROWS.keys() <= RESULTS.keys()
    lacking = {
        name
        for name, texts in figures.ROWS.items()
        if len(figures.detail_lines(name, RESULTS[name]["detail"])) < len(texts)
    }
    assert not lacking
    assert figures.detail_lines("demo_build", {"int8_bytes": 40000}) == ["40,000 bytes"]


def test_every_result_has_a_benchmark_that_says_what_it_measures(figures):
    for name in RESULTS:
        title, command = figures._title_and_command(name)
        assert " " in title, name
        assert f"python benchmarks/{name}.py" in command


def test_another_value_is_another_row(figures, copied):
    before = figures.table()
    folder = copied("startup", value=0.4, met=False, goal="none | at all")
    changed = [now for then, now in zip(rows(before), rows(figures.table(folder)), strict=True) if then != now]
    assert [(row[1][:9], row[2]) for row in changed] == [("**0.4** s", "**not met**: none \\| at all")]
    detail = RESULTS["demo_build"]["detail"] | {"int8_bytes": 12345}
    assert "12,345 bytes" in figures.table(copied("demo_build", detail=detail))


def test_quick_results_are_left_out_and_new_ones_come_last(figures, copied):
    folder = copied("startup")
    shutil.copy(folder / "startup.json", folder / "startup.quick.json")
    shutil.copy(folder / "startup.json", folder / ".startup.json")
    assert figures.table(folder) == figures.table()
    shutil.copy(folder / "startup.json", folder / "another.json")
    assert rows(figures.table(folder))[-1][0] == "another"


def test_a_benchmark_that_ends_renews_the_page_unless_it_was_quick(figures, tmp_path, monkeypatch, capsys):
    import record

    monkeypatch.setattr(record, "RESULTS", tmp_path)
    monkeypatch.setattr(figures, "write", lambda: print("renewed"))
    for quick in (True, False):
        record.record("startup", 0.4, "s", "each < 0.5 s", True, {}, [], quick)
        assert ("renewed" in capsys.readouterr().out) is not quick
    assert sorted(path.name for path in tmp_path.iterdir()) == ["startup.json", "startup.quick.json"]


def test_the_readme_is_short_and_its_figures_are_those_of_the_demo():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 170
    detail = RESULTS["demo_build"]["detail"]
    words = " ".join(text.split())
    assert f"{RESULTS['demo_build']['value']:.0f} s, and an int8 file of {detail['int8_bytes']:,} bytes" in words
    accuracies = (
        f"{detail['int8_accuracy']:.2%} accuracy on 2,000 test images (float: {detail['float32_accuracy']:.2%})"
    )
    assert accuracies.replace("%", " %") in words


def test_the_readme_s_python_is_of_this_program():
    """All of it runs but the build, whose arguments must be those of the real function."""
    code = ast.parse(re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1])
    start, load, build, _ = code.body
    names: dict[str, object] = {}
    exec(compile(ast.Module([start, load], []), "README.md", "exec"), names)  # noqa: S102 - our own page
    assert (names["recipe"].data.spec, names["recipe"].data.image_size) == ("photos/", (96, 96))
    call = build.value
    assert ast.unparse(call.func) == "edgekit.build"
    inspect.signature(edgekit.build).bind(*call.args, **{word.arg: word.value for word in call.keywords})
