import importlib
from pathlib import Path

import pytest
from tests.conftest import REPOSITORY

from edgekit import recipe, registry
from edgekit.errors import RecipeError, UnknownName


def test_yaml_round_trip(tmp_path):
    one = recipe.load(values={"curation.method": "iqr", "training.epochs": 3, "gates": ["accuracy>=0.9"]})
    (tmp_path / "recipe.yaml").write_text(one.to_yaml())
    assert recipe.load(tmp_path / "recipe.yaml") == one


def test_options_win_over_settings_and_settings_over_the_file(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("training: {epochs: 1, batch_size: 16}\nseed: 1\n")
    merged = recipe.load(path, ["training.epochs=2", "seed=2"], {"seed": 3, "student.name": None})
    assert (merged.training.epochs, merged.training.batch_size, merged.seed) == (2, 16, 3)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("trainig.epochs=3", "Did you mean 'training'"),
        ("training.epoch=3", "Did you mean 'training.epochs'"),
        ("training.epochs=0", "auto, or a whole number from 1"),
        ("training.epochs=many", "found 'many'"),
        ("training", "section.key=value"),
        ("curation.method=random", "needs budget"),
        ("curation.budget=5", "takes no budget"),
        ("control=true", "compares a curation"),
        ("seed.x=1", "Input should be"),
        ("bench.threads=[-5]", "greater than or equal to 0"),
        ("training.learning_rate=.inf", "finite"),
        ("operating={coverage: 0.8, risk: 0.02}", "give one of the two"),
        ("operating.coverage=1.5", "less than or equal to 1"),
        ("operating.risk=1", "less than 1"),
        ("quantization={precision: float16, io: uint8}", "is for int8 files"),
    ],
)
def test_bad_values_are_one_clear_error(setting, message):
    with pytest.raises(RecipeError, match=message):
        recipe.load(settings=[setting])


@pytest.mark.parametrize(
    ("key", "name", "hint"),
    [
        ("curation.method", "iqrr", "'iqr'"),
        ("student.name", "conv9", "'conv8'"),
        ("quantization.precision", "int9", "'int8'"),
        ("backend", "tensorflw", "'tensorflow'"),
        ("teacher.name", "zzz", "Known: cnn32-64"),
    ],
)
def test_unknown_names_get_the_closest_one(key, name, hint):
    with pytest.raises(UnknownName, match=hint):
        recipe.load(values={key: name})


@pytest.mark.parametrize("content", ["- a\n- b\n", "a: [1\n"])
def test_a_file_that_is_no_recipe(tmp_path, content):
    path = tmp_path / "r.yaml"
    path.write_text(content)
    with pytest.raises(RecipeError):
        recipe.load(path)


def test_a_missing_file():
    with pytest.raises(RecipeError, match="Cannot read"):
        recipe.load(Path("nowhere.yaml"))


def test_differences_are_named():
    assert recipe.differences(recipe.load(), recipe.load(settings=["seed=1", "training.epochs=2"])) == [
        "seed",
        "training.epochs",
    ]


def test_every_registered_name_loads():
    for table, (_, entries) in registry.TABLES.items():
        for name, entry in entries.items():
            assert entry.summary
            if table in ("precisions", "formats", "backends"):
                assert not entry.path, "nothing loads it"
                continue
            # Not registry.load: every module must import where its extra is not installed.
            module, _, function = entry.path.partition(":")
            assert callable(getattr(importlib.import_module(module), function)), (table, name)


def test_words_that_yaml_reads_as_something_else_mean_what_they_say():
    loaded = recipe.load(settings=["training.xla=off", "pruning.pattern=2:4", "pruning.sparsity=0.5"])
    assert loaded.training.xla == "off"
    assert loaded.pruning.pattern == "2:4"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.gamma=0.5", "gamma is only used with schedule step"),
        ("training.momentum=0.8", "momentum is only used with optimizer sgd"),
        ("distillation.views=4", "only used with an alpha above 0"),
        ("pruning.residual=true", "only used with channels"),
        ("pruning.pattern=1x4", "only used with a sparsity"),
        ("quantization.qat_epochs=2", "only used by int8-qat and auto"),
        ("training.swa_learning_rate=0.1", "only used with swa"),
        ("student.width=xxl", "has no width 'xxl'"),
        ("student.max_size=40XB", "expected bytes, KB or MB"),
    ],
)
def test_what_nothing_would_read_is_refused(setting, message):
    with pytest.raises(RecipeError, match=message):
        recipe.load(settings=[setting])


def test_a_threshold_is_chosen_for_a_coverage_unless_a_risk_is_given():
    assert recipe.load().operating.wanted == {"coverage": 0.9}
    assert recipe.load(settings=["operating.coverage=0.5"]).operating.wanted == {"coverage": 0.5}
    assert recipe.load(settings=["operating.risk=0"]).operating.wanted == {"risk": 0.0}


def test_sizes_are_read_with_their_units():
    assert recipe.load(settings=["student.max_size=40KB"]).student.max_size == 40_960
    assert recipe.load(settings=["student.max_size=1.5 MB"]).student.max_size == 1_572_864


FROZEN = {"frozen": True, "backbone": "x.keras"}


def test_a_frozen_backbone_reads_little_of_the_teacher():
    curated = {"student": FROZEN, "curation": {"method": "tracin", "budget": 0.01}}
    asked = recipe.from_mapping(curated | {"teacher": {"epochs": 3, "seed": 1}})
    assert recipe.from_yaml(asked.to_yaml()) == asked
    with pytest.raises(RecipeError, match=r"teacher\.learning_rate, teacher\.width: not used with student\.frozen"):
        recipe.from_mapping(curated | {"teacher": {"learning_rate": 0.1, "width": "s"}})
    with pytest.raises(RecipeError, match=r"teacher\.name: not used with"):
        recipe.from_mapping({"student": FROZEN, "curation": {"method": "iqr"}, "teacher": {"name": "microresnet"}})
    distilled = recipe.from_mapping(curated | {"teacher": {"learning_rate": 0.1}, "distillation": {"alpha": 0.5}})
    assert distilled.teacher.learning_rate == 0.1, "the teacher is trained"
    # A control arm keeps the teacher that the method chose, and reads none.
    recipe.from_mapping(
        {"student": FROZEN, "curation": {"method": "random", "budget": 9}, "teacher": {"name": "microresnet"}}
    )


def test_no_teacher_has_patches():
    with pytest.raises(RecipeError, match="no teacher is one; leave it out"):
        recipe.from_mapping({"teacher": {"patchout": "structured"}})


def test_complete_recipes_of_earlier_versions_are_read():
    """The products' recipes say what was the default of keys that their method or precision does not read."""
    found = sorted((REPOSITORY / "models").glob("*/recipe.yaml"))
    assert found and all(recipe.load(path) for path in found)
    with pytest.raises(RecipeError, match="folds is not used by 'none'"):
        recipe.load(settings=["curation.folds=7"])
