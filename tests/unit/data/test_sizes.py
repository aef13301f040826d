"""How large parts are, and that a run's recipe.yaml cuts them again."""

import numpy as np
import pytest

from edgekit import data, recipe
from edgekit.data.sizes import LARGE, apportion, bounds_of_test, bounds_of_val_and_cal, sizes
from edgekit.errors import DataError, RecipeError

CASES = [
    [30, 30],
    [5] * 60,
    [3] * 60,
    [30, 2],
    [30, 1],
    [100, 10, 100, 50],
    [359, 22],
    [40] * 10,
    [75] * 14,
    [2000, 200, 20],
    [9_999, 600, 3],
]


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize("classes", [1, 2, 6, 10, 60, 133, 500])
def test_sizes_never_fall_nor_jump_and_stay_below_a_third(classes, test):
    before = (0, 0)
    for n in range(1, LARGE + 100):
        own, held = found = sizes(n, classes, test=test)
        assert all(0 <= now - last <= 1 for now, last in zip(found, before, strict=True)), n
        assert own + held <= max(1, 3 * n // 10)
        if 3 * n // 10 >= 3 * max(40, 3 * classes) and classes < 133:
            assert min(own if test else held, held // 2) >= max(40, 3 * classes)
        before = found
    assert sizes(LARGE, classes, test=test) == ((2000, 800) if test else (0, 1000))


def test_sizes_by_hand():
    assert sizes(60, 2, test=True) == (9, 9), "30 % are 18, test gets half of them"
    assert sizes(300, 60, test=True) == (60, 30), "one of each class in test"
    assert sizes(800, 2, test=True) == (160, 80), "a fifth, and 40 each"
    assert sizes(2400, 60, test=True) == (360, 360), "3 of each of 60 classes in val and in cal"
    assert sizes(200, 2, test=False) == (0, 60)


def test_the_least_of_each_class_comes_first_then_the_shares():
    counts = np.array([359, 22])
    assert apportion(40, counts, bounds_of_test(counts), 0).tolist() == [37, 3]
    assert apportion(5, counts, bounds_of_test(counts), 0).tolist() == [3, 2]
    assert apportion(400, counts, bounds_of_test(counts), 0).tolist() == [119, 7], "training keeps two thirds"
    few = np.array([4] * 6)
    given = [apportion(3, few, bounds_of_val_and_cal(few, 2), seed) for seed in range(9)]
    assert all(sorted(each.tolist()) == [0, 0, 0, 1, 1, 1] for each in given)
    assert len({tuple(each) for each in given}) > 1, "classes of one size take turns"


def saved(tmp_path, counts, **more):
    rng = np.random.default_rng(len(counts))
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    x = rng.integers(0, 256, (len(y), 2, 2), dtype=np.uint8)
    np.savez(tmp_path / "s.npz", x_train=x, y_train=y, **more)
    return str(tmp_path / "s.npz")


def counted(dataset, part):
    return np.bincount(getattr(dataset, part).y, minlength=len(dataset.classes))


@pytest.mark.parametrize("own", [(), ("test",), ("val",), ("test", "cal")])
@pytest.mark.parametrize("counts", CASES, ids=lambda counts: f"{sum(counts)} of {len(counts)}")
def test_the_numbers_that_auto_came_to_cut_the_same_parts(tmp_path, counts, own):
    classes = len(counts)
    given = {f"{axis}_{part}": np.zeros((classes, 2, 2), np.uint8) if axis == "x" else np.arange(classes) for part in own
             for axis in "xy"}  # fmt: skip
    asked = recipe.from_mapping({"data": {"spec": saved(tmp_path, counts, **given)}})
    dataset = data.load_section(asked.data, 5)
    resolved = asked.model_copy(update={"data": data.resolved(asked.data, dataset)})
    again = data.load_section(recipe.from_yaml(resolved.to_yaml()).data, 5)
    assert again.fingerprint == dataset.fingerprint
    assert ("auto" in (resolved.data.val_fraction, resolved.data.test_fraction)) == ("test" in own)
    train = counted(dataset, "train")
    assert (train >= np.minimum(counts, 2)).all()
    if "test" not in own:
        assert (counted(dataset, "test")[np.array(counts) >= 3] >= 1).all() or counts == [3] * 60


def test_sixty_classes_of_five_and_what_cannot_be_judged(tmp_path):
    dataset = data.load(saved(tmp_path, [5] * 60))
    assert counted(dataset, "test").tolist() == [1] * 60
    assert counted(dataset, "train").min() == 3
    assert len(dataset.val) == len(dataset.cal) == 15
    assert dataset.notes[1].startswith("val has no sample of 45 of 60 classes ('")


def test_rare_classes_are_in_every_part(tmp_path):
    dataset = data.load(saved(tmp_path, [359, 22]))
    assert [counted(dataset, part)[1] for part in ("train", "val", "cal", "test")] == [13, 3, 3, 3]


def test_large_sets_and_numbers_keep_the_shares(tmp_path):
    spec = saved(tmp_path, [5000, 5000])
    dataset = data.load(spec)
    assert dataset.portions == {"test_fraction": 0.2, "val_fraction": 0.1}
    assert dataset.fingerprint == data.load(spec, test_fraction=0.2, val_fraction=0.1).fingerprint
    assert [len(getattr(dataset, part)) for part in ("train", "val", "cal", "test")] == [7200, 400, 400, 2000]
    assert data.load(spec, test_fraction=0.2, val_fraction=0.1).portions == {}


def test_a_count_is_met_or_refused(tmp_path):
    spec = saved(tmp_path, [30, 30])
    dataset = data.load(spec, test_fraction=10, val_fraction=12)
    assert [len(getattr(dataset, part)) for part in ("val", "cal", "test")] == [6, 6, 10]
    with pytest.raises(DataError, match=r"Cannot hold out 30 of 60 samples \(data.test_fraction\): at most 20"):
        data.load(spec, test_fraction=30)


def test_a_set_of_four_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(DataError, match="4 samples of 2 classes are too few to hold out some"):
        data.load(saved(tmp_path, [2, 2]))


@pytest.mark.parametrize("value", [0, 0.95, 1.5, "half", True, -3])
def test_other_portions_are_refused_in_one_sentence(value):
    with pytest.raises(
        RecipeError, match=r"^Recipe data\.val_fraction: expected auto, a share below 0\.9, or a number"
    ):
        recipe.from_mapping({"data": {"val_fraction": value}})
