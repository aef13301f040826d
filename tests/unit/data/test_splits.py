import numpy as np
import pytest

from edgekit import data, recipe
from edgekit.data.splits import few_samples_message, hold_out_groups, split_of
from edgekit.errors import DataError, RecipeError


def split(groups, labels):
    x = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    return split_of("train", x, np.array(labels), None if groups is None else np.array(groups))


def spoken(speakers=6, each=10, classes=2):
    """`each` samples of every class from every speaker."""
    names = [f"s{i}" for i in range(speakers) for _ in range(each * classes)]
    return split(names, list(range(classes)) * (each * speakers))


def test_parts_with_fewer_samples_than_points_are_named():
    few, more, enough = (spoken(1, each, 1) for each in (24, 40, 100))
    assert few_samples_message(val=enough, cal=enough) == ""
    assert few_samples_message(val=enough, cal=more).startswith("40 samples of cal are few: one sample is 2.5 points")
    assert few_samples_message(val=few, cal=more).startswith(
        "24 samples of val and 40 samples of cal are few: one sample is 4.2"
    )


def test_groups_stay_whole_and_the_share_is_met_as_closely_as_they_allow():
    whole = spoken()
    for seed in range(5):
        rest, held = hold_out_groups(whole, 0.3, seed)
        assert not set(rest.group) & set(held.group)
        assert len(set(held.group)) == 2
        assert sorted([*rest.ids, *held.ids]) == sorted(whole.ids)
    assert hold_out_groups(whole, 0.3, 1)[1].ids.tolist() == hold_out_groups(whole, 0.3, 1)[1].ids.tolist()
    assert len({tuple(set(hold_out_groups(whole, 0.3, seed)[1].group)) for seed in range(10)}) > 1


def test_a_group_that_alone_has_a_class_stays_in_train():
    whole = split(["a", "b", "c", "d", "d"], [0, 0, 0, 0, 1])
    for seed in range(8):
        assert "d" in hold_out_groups(whole, 0.25, seed)[0].group


@pytest.mark.parametrize(
    ("groups", "labels", "message"),
    [
        (None, [0, 1], "has no groups"),
        (["a", "a"], [0, 1], "only 1 group is left"),
        (["a", "b"], [0, 1], "a class would have no"),
    ],
)
def test_too_few_groups_is_an_error(groups, labels, message):
    with pytest.raises(DataError, match=message):
        hold_out_groups(split(groups, labels), 0.5, 0)


def saved(tmp_path, speakers, **more):
    whole = spoken(speakers)
    x = np.random.default_rng(0).integers(0, 256, (len(whole), 4, 4), dtype=np.uint8)
    path = tmp_path / "s.npz"
    np.savez(path, x_train=x, y_train=whole.y, group_train=whole.group, x_test=x[:40], y_test=whole.y[:40], **more)
    return str(path)


def test_split_by_group_keeps_validation_and_calibration_on_their_own_groups(tmp_path):
    dataset = data.load(saved(tmp_path, 6), split_by="group")
    parts = [set(getattr(dataset, name).group) for name in ("train", "val", "cal")]
    assert [len(part) for part in parts] == [4, 1, 1]
    assert len(set.union(*parts)) == 6
    with pytest.raises(DataError, match="only 1 group is left"):
        data.load(saved(tmp_path, 2), split_by="group")


def test_leaving_a_group_out_moves_all_of_it_to_test(tmp_path):
    spec = saved(tmp_path, 6, group_test=np.array(["s0"] * 20 + ["new"] * 20))
    assert "1 groups are in both train and test" in data.load(spec).notes[0]
    dataset = data.load(spec, leave_out="s0")
    assert set(dataset.test.group) == {"s0"}
    assert len(dataset.test) == 40
    rest = [getattr(dataset, part) for part in ("train", "val", "cal")]
    assert "s0" not in {name for part in rest for name in part.group}
    assert sum(len(part) for part in rest) == 120
    with pytest.raises(DataError, match="only some parts have groups"):
        data.load(saved(tmp_path, 6), leave_out="s0")


def test_a_group_array_of_the_wrong_length_is_an_error(tmp_path):
    with pytest.raises(DataError, match="one group per sample"):
        data.load(saved(tmp_path, 6, group_test=np.array(["a"])))


def test_the_recipes_section_loads_the_same_data(tmp_path):
    spec = saved(tmp_path, 6)
    section = recipe.from_mapping(
        {"data": {"spec": spec, "split_by": "group", "val_fraction": 0.4, "image_size": "8x6"}}
    ).data
    dataset = data.load_section(section, 3)
    assert dataset.input.shape == (8, 6, 1)
    assert (
        dataset.fingerprint
        == data.load(spec, seed=3, split_by="group", val_fraction=0.4, image_size=(8, 6)).fingerprint
    )


@pytest.mark.parametrize(
    ("given", "size"), [(96, (96, 96)), ("96", (96, 96)), ("64x96", (64, 96)), ([8, 4], (8, 4)), (None, None)]
)
def test_image_size_is_a_side_or_height_by_width(given, size):
    loaded = recipe.from_mapping({"data": {"image_size": given}})
    assert loaded.data.image_size == size
    assert recipe.from_yaml(loaded.to_yaml()) == loaded


@pytest.mark.parametrize("given", ["big", "3x4x5", 0, "0x4", [1, 2, 3], True])
def test_other_image_sizes_are_refused(given):
    with pytest.raises(RecipeError, match=r"data\.image_size"):
        recipe.from_mapping({"data": {"image_size": given}})
