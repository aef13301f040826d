"""A stage's key follows every file that the stage reaches, and no other."""

import shutil

import pytest

from edgekit import registry
from edgekit.runs import code
from edgekit.runs.code import code_digest

TRAINING = ("edgekit.training.stage", registry.module("students", "microresnet"))


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A copy of the package, whose lines may change."""
    package = tmp_path_factory.mktemp("toolkit") / "edgekit"
    shutil.copytree(code.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    return package


@pytest.fixture
def package(original):
    before = {path: path.read_bytes() for path in original.rglob("*") if path.is_file()}
    yield original
    for path, content in before.items():
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)


def digest(package, *modules):
    code._digest.cache_clear()
    code._sources.cache_clear()
    return code_digest(*modules, package=package)


def changed(package, file, *modules):
    """Whether one more line in `file` changes the digest."""
    before = digest(package, *modules)
    with (package / file).open("ab") as text:
        text.write(b"\n")
    return digest(package, *modules) != before


@pytest.mark.parametrize(
    "file",
    [
        "students/architectures/microresnet.py",  # by the registry
        "training/stage.py",  # the stage's own module
        "students/blocks.py",  # imported by the architecture
        "training/fit.py",
        "training/soft_labels.py",
        "training/__main__.py",  # named as text, for a process of its own
        "frameworks/backend.py",
        "peft/lora.py",  # imported inside a function
        "data/pixels.py",
        "errors.py",
    ],
)
def test_what_a_training_reaches_changes_its_key(package, file):
    assert changed(package, file, *TRAINING)


@pytest.mark.parametrize(
    "file",
    [
        "students/architectures/resnet8.py",  # another student
        "curation/methods/iqr.py",
        "bench/stage.py",
        "export/tflite.py",
        "report/html.py",
        "report/templates/base.html.j2",
        "pipeline/build.py",
        "cli/build.py",
    ],
)
def test_what_a_training_does_not_reach_changes_nothing(package, file):
    assert not changed(package, file, *TRAINING)


def test_a_curation_method_is_reached_by_its_name(package):
    stage = "edgekit.curation.select"
    assert changed(package, "curation/methods/iqr.py", stage, registry.module("curations", "iqr"))
    assert not changed(package, "curation/methods/aum.py", stage, registry.module("curations", "iqr"))


@pytest.mark.parametrize(
    ("module", "file"),
    [
        ("edgekit.students.facts", "students/facts.json"),
        ("edgekit.bench.facts", "device/facts.sh"),
        ("edgekit.bench.runners.python", "device/runner.py"),
        ("edgekit.report.page", "report/templates/tables.js"),
        ("edgekit.bundle.layout", "bundle/templates/mcu/edgekit_classifier.c"),
    ],
)
def test_files_that_a_module_reads_are_reached(package, module, file):
    assert changed(package, file, module)


def test_an_import_for_type_checkers_alone_is_not_reached(package):
    (package / "one.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from edgekit import quiet\n"
    )
    assert not changed(package, "quiet.py", "edgekit.one")
    (package / "one.py").write_text("def f():\n    from edgekit import quiet\n")
    assert changed(package, "quiet.py", "edgekit.one")


@pytest.mark.parametrize("held", ["{}", "[]", "null", "not json", '{"listing": 1, "names": {"a": ["b"]}}'])
def test_an_index_of_another_form_is_read_anew(package, own_cache, held):
    expected = digest(package, *TRAINING)
    (own_cache / "edgekit").mkdir(parents=True, exist_ok=True)
    (own_cache / "edgekit" / "code.json").write_text(held)
    assert digest(package, *TRAINING) == expected
    assert digest(package, *TRAINING) == expected, "from the index that was written now"


def test_a_module_that_does_not_exist_is_an_error(package):
    with pytest.raises(LookupError, match=r"edgekit\.nothing"):
        digest(package, "edgekit.nothing")


def test_every_entry_of_the_registry_can_be_reached():
    for table, (_, entries) in registry.TABLES.items():
        for name, entry in entries.items():
            assert not entry.path or code_digest(registry.module(table, name))
