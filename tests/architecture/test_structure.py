"""What docs/architecture.md says of the shape of the code and import-linter does not check."""

import ast
import subprocess
import sys

import pytest
from tests.conftest import REPOSITORY

import edgekit
from edgekit import errors, registry

PACKAGE = REPOSITORY / "toolkit" / "edgekit"


def test_the_public_api_is_what_it_says():
    assert set(edgekit.__all__) <= set(dir(edgekit))
    for name in edgekit.__all__:
        assert getattr(edgekit, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = edgekit.nonsense


def test_importing_edgekit_imports_nothing_heavy():
    code = "import sys, edgekit; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "tensorflow", "keras", "pydantic", "typer"} & set(loaded)


def test_every_error_is_in_the_tree_with_its_exit_code():
    tree = errors.__doc__
    for name, error in vars(errors).items():
        if isinstance(error, type) and issubclass(error, errors.EdgekitError):
            line = next(row for row in tree.splitlines() if row.strip("│├└─ ").startswith(f"{name} "))
            assert str(error.exit_code) in line.split()


@pytest.mark.parametrize(
    ("table", "folder"),
    [
        ("curations", "curation/methods"),
        ("pools", "curation/pool"),
        ("sources", "data/sources"),
        ("targets", "bench/targets"),
    ],
)
def test_every_module_of_a_family_is_in_its_table(table, folder):
    paths = {entry.path.split(":")[0] for entry in registry.TABLES[table][1].values()}
    modules = {f"edgekit.{folder.replace('/', '.')}.{p.stem}" for p in (PACKAGE / folder).glob("[!_]*.py")}
    assert modules == paths


def test_every_architecture_is_a_student_or_a_teacher():
    paths = {e.path.split(":")[0] for t in (registry.STUDENTS, registry.TEACHERS) for e in t.values()}
    modules = {
        f"edgekit.students.architectures.{p.stem}" for p in (PACKAGE / "students/architectures").glob("[!_]*.py")
    }
    assert modules == paths


def test_files_stay_small():
    lines = {path.relative_to(PACKAGE).as_posix(): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    # It is copied to devices as one file, so it cannot be split.
    assert lines.pop("device/runner.py") <= 380
    assert not {name for name, count in lines.items() if count > 300}, "split by meaning (CONTRIBUTING.md)"


def functions():
    """(its place and name, its node) of every function, methods and inner functions too."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(PACKAGE).as_posix()}:{node.lineno} {node.name}", node


def test_functions_stay_short():
    lines = {name: node.end_lineno - node.lineno + 1 for name, node in functions()}
    assert not {name: count for name, count in lines.items() if count > 60}, "split by meaning (CONTRIBUTING.md)"


def test_functions_take_few_parameters():
    """Those that travel together are one frozen value."""
    found = {}
    for name, node in functions():
        args = node.args
        parameters = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
        found[name] = sum(each is not None and each.arg not in ("self", "cls") for each in parameters)
    assert not {name: count for name, count in found.items() if count > 10}


def test_few_modules_lie_directly_in_the_package():
    assert len(list(PACKAGE.glob("*.py"))) <= 8


def test_no_unsafe_calls():
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        for unsafe in ("shell=True", "allow_pickle=True", "import pickle", "eval(", "exec("):
            assert unsafe not in text, f"{path}: {unsafe}"
