"""Study files: what is read, what is refused, and with which hint."""

import pytest

from edgekit.errors import RecipeError, UsageError
from edgekit.study.definition import continued, load, merged_values


def written(tmp_path, text):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return path


def test_a_count_of_seeds_and_the_defaults(tmp_path):
    study = load(written(tmp_path, "arms: {iqr: {curation.method: iqr}}\nseeds: 3"))
    assert study.seeds == (1, 2, 3)
    assert (study.match, study.controls, study.metrics) == ("steps", True, ("accuracy", "augrc"))
    assert study.artifact == ("shipped", "model_float32.tflite")


def test_a_written_study_is_read_back_equal(tmp_path):
    study = load(written(tmp_path, "arms: {iqr: {curation: {method: iqr}}}\nseeds: [4, 9]\nleave_out: all"))
    assert load(written(tmp_path, study.to_yaml())) == study


def test_options_override_the_file(tmp_path):
    path = written(tmp_path, "arms: {iqr: {curation.method: iqr}}\nseeds: 2\nmatch: epochs")
    study = load(path, {"match": "flops", "max_hours": None, "leave_out": ["a", "b"]})
    assert (study.match, study.max_hours, study.leave_out) == ("flops", None, ("a", "b"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("arms: {a: {}}\nseed: 3", "Unknown study key 'seed'. Did you mean 'seeds'?"),
        ("arms: {a: {}}\nseeds: 0", "at least 1 RNG seed"),
        ("arms: {a: {}}\nseeds: [3, 3]", "seeds has a duplicate"),
        ("arms: {full: {}}\nseeds: 2", "the name of a control"),
        ("arms: {a: {seed: 3}}\nseeds: 2", "arm 'a' sets seed"),
        ("arms: {random-of-a: {}}\nseeds: 2", "the name of a control"),
        ("arms: {../a: {}}\nseeds: 2", "pattern"),
        ("arms: {a: {}}\nseeds: 2\nmetrics: [acuracy]", "did you mean 'accuracy'"),
        ("arms: {a: {}}\nseeds: 2\nmatch: time", "match"),
        ("arms: {a: {}}\nseeds: 2\ncompare: [[a, b]]", "compare names 'b'"),
        ("arms: {a: {}}\nseeds: 2\ncontrols: false", "nothing to compare with"),
        ("arms: {a: {}}\nseeds: ten", "expected the number of RNG seeds or a list of them"),
        ("arms: {a: {}}\nseeds: 2\nartifact: []", "artifact is empty"),
        ("arms: {a: {}, b: {}}\nseeds: 2\ncompare: [[a, a]]", "'a' against itself"),
        ("arms: {a: {}, b: {}}\nseeds: 2\ncompare: [[a, b], [a, b]]", "'a' and 'b' twice"),
        ("arms: {a: {}, b: {}}\nseeds: 2\ncompare: [[a, b], [b, a]]", "'b' and 'a' twice"),
        ("arms: {a: {}}\nseeds: 2\nmax_hours: 0", "max_hours"),
        ("arms: [a]\nseeds: 2", "arms"),
        ("- a", "must hold keys"),
        ("arms: {a", "not valid YAML"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_hint(tmp_path, text, message):
    with pytest.raises(RecipeError, match=message.replace("?", r"\?").replace("[", r"\[")):
        load(written(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="Cannot read the study"):
        load(tmp_path / "none.yaml")


def test_paths_are_relative_to_the_file_and_the_base_may_be_a_recipe_file(tmp_path):
    (tmp_path / "data.npz").write_bytes(b"")
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "base.yaml").write_text("data: {spec: ../data.npz}\nseed: 5\n")
    study = load(written(tmp_path, "base: recipes/base.yaml\narms: {hand: {curation: {apply: edits.jsonl}}}\nseeds: 2"))
    assert study.base == {"data": {"spec": str(tmp_path / "data.npz")}, "seed": 5}
    assert study.arms["hand"] == {"curation": {"apply": str(tmp_path / "edits.jsonl")}}


def test_a_study_goes_on_with_the_options_that_it_was_begun_with():
    begun = {"match": "flops", "same_total_flops": True, "leave_out": ["a"], "max_hours": 1.0}
    given = {"match": None, "same_total_flops": None, "leave_out": "all", "max_hours": None}
    found = continued(given, begun)
    # The hours are of one session.
    assert found == {"match": "flops", "same_total_flops": True, "leave_out": "all", "max_hours": None}


def test_changes_are_merged_section_by_section():
    base = {"training": {"epochs": 3, "batch_size": 32}, "seed": 1}
    assert merged_values(base, {"training.epochs": 5, "student": {"name": "conv8"}}) == {
        "training": {"epochs": 5, "batch_size": 32},
        "seed": 1,
        "student": {"name": "conv8"},
    }
    assert base["training"]["epochs"] == 3
