"""A smaller training part and labels made wrong on purpose."""

import dataclasses

import numpy as np
import pytest

from edgekit import data, recipe
from edgekit.curation.manifest import injected
from edgekit.data.noise import limited, with_wrong_labels
from edgekit.data.splits import split_of
from edgekit.errors import DataError, RecipeError
from edgekit.recipe import NoiseSection
from edgekit.types import Edit, Selection

NAMES = ("shirt", "coat", "boot", "bag")


def labeled(*labels):
    y = np.array(labels)
    return split_of("train", np.arange(len(y), dtype=np.uint32).astype(np.uint8).reshape(-1, 1, 1, 1), y)


def noise(**values):
    return NoiseSection.model_validate(values)


def test_symmetric_noise_takes_every_other_class_alike_and_tells_which_labels_are_wrong():
    clean = labeled(*([0, 1, 2, 3] * 5000))
    wrong, ids = with_wrong_labels(clean, NAMES, noise(kind="symmetric", rate=0.1), 1)
    changed = wrong.y != clean.y
    assert wrong.ids[changed].tolist() == ids.tolist()
    assert changed.mean() == pytest.approx(0.1, abs=0.01)
    table = np.zeros((4, 4))
    np.add.at(table, (clean.y[changed], wrong.y[changed]), 1)
    assert np.diag(table).tolist() == [0, 0, 0, 0]
    off = table[~np.eye(4, dtype=bool)] / changed.sum()
    assert off.tolist() == pytest.approx([1 / 12] * 12, abs=0.02)


def test_pair_noise_stays_within_the_pairs_and_without_them_goes_to_the_next_class():
    clean = labeled(*([0, 1, 2, 3] * 1000))
    wrong, ids = with_wrong_labels(clean, NAMES, noise(kind="pair", rate=0.25, pairs=[["shirt", "coat"]]), 1)
    assert set(zip(clean.y.tolist(), wrong.y.tolist(), strict=True)) == {(0, 0), (0, 1), (1, 1), (1, 0), (2, 2), (3, 3)}
    assert len(ids) == pytest.approx(0.25 * 2000, abs=60)
    wrong, _ = with_wrong_labels(clean, NAMES, noise(kind="pair", rate=0.5), 1)
    assert set(((wrong.y - clean.y) % 4).tolist()) == {0, 1}


def test_the_draw_depends_on_the_seed_alone():
    clean = labeled(*([0, 1] * 200))
    asked = noise(kind="symmetric", rate=0.2)

    def ids(section, seed):
        return with_wrong_labels(clean, ("a", "b"), section, seed)[1].tolist()

    assert ids(asked, 1) == ids(asked, 1) != ids(asked, 2)
    assert ids(noise(kind="symmetric", rate=0.2, seed=1), 2) == ids(asked, 1)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [([["shirt", "hat"]], "names the class 'hat'"), ([["shirt", "coat"], ["coat", "bag"]], "'coat' twice"),
     ([["bag", "bag"]], "'bag' twice")],
)  # fmt: skip
def test_pairs_that_make_no_sense_are_an_error(pairs, message):
    with pytest.raises(DataError, match=message):
        with_wrong_labels(labeled(0, 1, 2, 3), NAMES, noise(kind="pair", rate=0.5, pairs=pairs), 1)


def test_a_limit_keeps_the_shares_of_the_classes():
    few = limited(labeled(*([0] * 60 + [1] * 30 + [2] * 10)), 50, 1)
    assert np.bincount(few.y).tolist() == [30, 15, 5]
    assert limited(few, 50, 1) is few
    with pytest.raises(DataError, match=r"Raise data\.limit"):
        limited(few, 2, 1)


def test_only_training_labels_are_changed_and_the_notes_say_so():
    clean = data.load("fashion-mnist-mini")
    section = recipe.from_mapping(
        {"data": {"limit": 1000, "noise": {"kind": "symmetric", "rate": 0.1}}}
    ).data  # fmt: skip
    noisy = data.load_section(section, 42)
    assert len(noisy.train) == 1000 and len(noisy.flipped) == pytest.approx(100, abs=35)
    for part in ("val", "cal", "test"):
        assert np.array_equal(getattr(noisy, part).y, getattr(clean, part).y)
    assert noisy.fingerprint != clean.fingerprint and clean.flipped is None
    assert "1,000 of" in noisy.notes[-2] and "wrong on purpose" in noisy.notes[-1]


def test_what_a_curation_found_of_them_by_hand():
    edits = {name: Edit(action="drop", reason="", old=0, new=None, score=0.0) for name in ("a", "b", "c", "d")}
    selection = Selection(
        method="x", params={}, seed=1, kept=np.array(["e"]), labels=np.array([0]), weights=None, edits=edits,
        per_class=((5, 1),), facts={}, sha256="", warnings=(),
    )  # fmt: skip
    assert injected(selection, ["b", "d", "e"]) == {"count": 3, "edited": 2, "recall": 2 / 3, "precision": 0.5}


@pytest.mark.parametrize(
    "values",
    [{"kind": "symmetric", "rate": 0}, {"kind": "symmetric", "rate": 0.1, "pairs": [["a", "b"]]}, {"kind": "odd", "rate": 0.1}],
)  # fmt: skip
def test_a_noise_section_that_is_not_usable_is_refused(values):
    with pytest.raises(RecipeError, match=r"data\.noise"):
        recipe.from_mapping({"data": {"noise": values}})


def test_all_segments_of_a_clip_stay_together_and_get_one_label():
    y = np.repeat([0, 1, 2, 3] * 25, 3)
    whole = labeled(*y)
    cut = dataclasses.replace(whole, clip=np.repeat([f"clip{i}" for i in range(100)], 3))
    wrong, ids = with_wrong_labels(cut, NAMES, noise(kind="symmetric", rate=0.3), 1)
    assert 0 < len(ids) < len(y)
    assert len(ids) % 3 == 0
    assert (wrong.y.reshape(-1, 3) == wrong.y.reshape(-1, 3)[:, :1]).all()
    few = limited(cut, 120, 1)
    assert np.unique(few.clip, return_counts=True)[1].tolist() == [3] * 40
    assert np.bincount(few.y).tolist() == [30] * 4
    assert limited(cut, 299, 1) is cut
