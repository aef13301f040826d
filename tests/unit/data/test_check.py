"""`data.check` on sets whose faults are planted, so that every expected finding is known."""

import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image

from edgekit.data.check import check, label_problems
from edgekit.data.duplicates import near_pairs
from edgekit.data.findings import document
from edgekit.data.sketches import sketch
from edgekit.errors import UsageError
from edgekit.types import Dataset, InputSpec, Skipped, Split


def jpeg(image, quality=90):
    """The picture after a JPEG file."""
    buffer = io.BytesIO()
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    picture.save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer)).reshape(image.shape)


def brighter(image, gain=1.15, offset=8):
    return np.clip(image * gain + offset, 0, 255).astype(np.uint8)


def split(part, x, y):
    return Split(x=x, y=np.asarray(y), ids=np.array([f"{part}/{i}" for i in range(len(y))]))


@pytest.fixture(scope="module")
def clean(shipped):
    """Real pictures without copies: 600 train, 100 val, 100 cal, 200 test."""
    found = check(shipped)
    bad = {sample.id for group in found.duplicates for sample in group.samples} | {
        leak.sample.id for leak in found.leaks
    }

    def some(part, count):
        given = getattr(shipped, part)
        rows = np.flatnonzero(~np.isin(given.ids, list(bad)))[:count]
        return split(part, given.x[rows].copy(), given.y[rows].copy())

    return dataclasses.replace(
        shipped, train=some("train", 600), val=some("val", 100), cal=some("cal", 100), test=some("test", 200)
    )


def planted(dataset, **changes):
    """The set with samples set anew: part=[(row, image, label or None to keep it)]."""
    for part, rows in changes.items():
        given = getattr(dataset, part)
        x, y = given.x.copy(), given.y.copy()
        for row, image, label in rows:
            x[row], y[row] = image, y[row] if label is None else label
        dataset = dataclasses.replace(dataset, **{part: dataclasses.replace(given, x=x, y=y)})
    return dataset


def ids(group):
    return [sample.id for sample in group.samples]


def test_nothing_is_found_in_a_clean_set(clean):
    found = check(clean)
    assert (found.duplicates, found.leaks, found.blank, found.cut, found.labels, found.problems) == (
        (),
        (),
        (),
        (),
        (),
        0,
    )
    assert sum(found.counts["train"]) == 600
    assert 0.8 <= found.near <= 0.97
    assert found.complete


def test_exact_copies_with_one_label_and_with_two(clean):
    x, y = clean.train.x, clean.train.y
    other = (int(y[20]) + 1) % 10
    found = check(planted(clean, train=[(500, x[10], y[10]), (501, x[10], y[10]), (502, x[20], other)]))
    same, conflict = sorted(found.duplicates, key=lambda group: group.conflicting)
    assert ids(same) == ["train/10", "train/500", "train/501"]
    assert ids(conflict) == ["train/20", "train/502"]
    assert (same.exact, same.similarity, same.part, conflict.exact) == (True, 1.0, "train", True)
    assert not found.leaks
    keep_first = {sample.id for group in found.duplicates for sample in group.samples[1:]}
    assert keep_first == {"train/500", "train/501", "train/502"}


@pytest.mark.parametrize(
    "change", [jpeg, brighter, lambda image: jpeg(brighter(image))], ids=["jpeg", "brighter", "both"]
)
def test_near_copies_of_twenty_pictures(clean, change):
    rows = range(20)
    found = check(planted(clean, train=[(500 + i, change(clean.train.x[i]), clean.train.y[i]) for i in rows]))
    groups = {tuple(ids(group)) for group in found.duplicates}
    assert groups == {(f"train/{i}", f"train/{500 + i}") for i in rows}
    assert all(not group.exact and found.near <= group.similarity <= 1 for group in found.duplicates)


def test_copies_of_copies_are_one_group(clean):
    x, y = clean.train.x, clean.train.y
    rows = [(500, x[10], y[10]), (501, jpeg(x[10]), y[10]), (502, brighter(x[10]), y[10])]
    found = check(planted(clean, train=rows))
    assert [(ids(group), group.exact) for group in found.duplicates] == [
        (["train/10", "train/500"], True),
        (["train/10", "train/500", "train/501", "train/502"], False),
    ]


def test_leaks_into_test_and_validation_exact_and_near(clean):
    x = clean.train.x
    found = check(
        planted(
            clean,
            test=[(3, x[30], None), (4, jpeg(x[31]), None)],
            val=[(5, x[32], None)],
            cal=[(6, brighter(x[33]), None)],
        )
    )
    assert [(leak.sample.id, leak.partner.id, leak.exact) for leak in found.leaks[:2]] == [
        ("val/5", "train/32", True),
        ("test/3", "train/30", True),
    ]
    assert {(leak.sample.id, leak.partner.id) for leak in found.leaks[2:]} == {
        ("test/4", "train/31"),
        ("cal/6", "train/33"),
    }
    assert not found.duplicates
    assert {leak.conflicting for leak in found.leaks} <= {True, False}


def test_an_exact_partner_is_named_before_a_near_one(clean):
    x = clean.train.x
    found = check(planted(clean, train=[(0, jpeg(x[30]), None)], val=[(0, x[30], None)], test=[(0, x[30], None)]))
    partners = {leak.sample.id: leak.partner.id for leak in found.leaks}
    assert partners == {"val/0": "train/30", "test/0": "train/30"}


def test_near_1_looks_for_exact_copies_only(clean):
    x, y = clean.train.x, clean.train.y
    found = check(planted(clean, train=[(500, x[10], y[10]), (501, jpeg(x[11]), y[11])]), near=1)
    assert [ids(group) for group in found.duplicates] == [["train/10", "train/500"]]
    assert found.near is None


@pytest.mark.parametrize("near", [0.49, 1.01, -1])
def test_near_out_of_range(clean, near):
    with pytest.raises(UsageError, match=r"0\.5 to 1"):
        check(clean, near=near)


def test_blank_pictures_are_one_finding_not_three(clean):
    """Constant and nearly constant ones; equal blanks are neither copies nor leaks."""
    black, noisy = np.zeros((28, 28, 1), np.uint8), np.random.default_rng(0).integers(9, 12, (28, 28, 1), np.uint8)
    found = check(planted(clean, train=[(7, black, None), (8, black, None), (9, noisy, None)], test=[(1, black, None)]))
    assert [sample.id for sample in found.blank] == ["train/7", "train/8", "train/9", "test/1"]
    assert not found.duplicates and not found.leaks
    dot = black.copy()
    dot[3:5, 3:5] = 255
    assert not check(planted(clean, train=[(7, dot, None)])).blank


def test_a_picture_whose_lower_part_is_the_gray_of_a_cut_file(clean):
    image = clean.train.x[40].copy()
    image[14:] = 128
    all_gray_ground = np.full((28, 28, 1), 128, np.uint8)
    all_gray_ground[10:18, 10:18] = clean.train.x[40][10:18, 10:18]
    found = check(planted(clean, train=[(40, image, None), (41, all_gray_ground, None)]))
    assert [sample.id for sample in found.cut] == ["train/40"]


def test_class_balance(clean):
    y = clean.train.y
    few = [(row, clean.train.x[row], 0) for row in np.flatnonzero(y == 9)[1:]]
    found = check(planted(clean, train=few))
    counts = found.counts["train"]
    assert counts[9] == 1
    assert found.ratio == counts[0]
    assert found.rare == (9,)
    assert found.too_few == (("train", 9, 1),)
    none_in_test = [(row, clean.test.x[row], 0) for row in np.flatnonzero(clean.test.y == 9)]
    assert check(planted(clean, test=none_in_test)).too_few == (("test", 9, 0),)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["cat", "dog"], []),
        (["cat ", "dog"], [(0, "starts or ends with a space")]),
        (["cat", ""], [(1, "is empty")]),
        (["Cat", "cat", "dog"], [(k, "differs from another name only in case or spaces") for k in (0, 1)]),
        (["c\u200bat", "dog"], [(0, "contains invisible characters")]),
        (["x" * 61, "dog"], [(0, "is 61 characters long")]),
        (["Katze", "Hund", "Ärger"], []),
    ],
)
def test_class_names(names, expected):
    assert list(label_problems(names)) == expected


def test_colors_decide_where_grays_agree():
    """A red and a blue print of the same gray are different pictures; a brighter red one is not."""
    rng = np.random.default_rng(1)
    shapes = rng.integers(0, 2, (200, 4, 4)).repeat(8, 1).repeat(8, 2) * 150
    noise = rng.integers(0, 60, shapes.shape)
    red = np.stack([shapes + noise, noise, noise], axis=3).astype(np.uint8)
    blue, bright = red[0][..., ::-1], np.clip(red[1] * 1.1 + 5, 0, 255).astype(np.uint8)
    made = sketch(np.concatenate([red, blue[None], bright[None]]))
    found = near_pairs(made.gray, made.color)
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == [(1, 201)]


def test_the_search_misses_no_pair_that_brute_force_finds(shipped):
    """Against all N x N correlations of details, by the formulas of the module."""
    gray = sketch(shipped.train.x[:1500]).gray
    found = near_pairs(gray, np.zeros((1500, 0), np.uint8), near=0.75)
    unit = gray - gray.mean(axis=1, keepdims=True, dtype=np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(unit.T @ unit)
    detail = unit - unit @ vectors[:, -30:] @ vectors[:, -30:].T
    detail /= np.linalg.norm(detail, axis=1, keepdims=True)
    expected = np.triu((detail @ detail.T >= 0.75) & (unit @ unit.T >= 0.875), 1)
    assert len(found.first) > 3
    assert {*zip(found.first.tolist(), found.second.tolist(), strict=True)} == {
        *zip(*map(list, np.nonzero(expected)), strict=True)
    }
    cosines = (detail @ detail.T)[found.first, found.second]
    np.testing.assert_allclose(found.similarity, cosines, atol=1e-3)


def test_a_set_where_all_pictures_are_alike_is_finished_and_says_so():
    """A fixed camera: 3,000 pictures that differ by noise."""
    rng = np.random.default_rng(0)
    ground = rng.integers(20, 230, (1, 16 * 16))
    gray = np.clip(ground + rng.normal(0, 2, (3000, 256)), 0, 255).astype(np.uint8)
    found = near_pairs(gray, np.zeros((3000, 0), np.uint8), near=0.5)
    assert not found.complete or len(found.first) < 3000 * 64
    assert len(found.first) < 3000 * 100


@pytest.mark.parametrize("side", [(5, 7), (28, 28), (40, 33), (96, 64)])
def test_sketches_of_any_size_hold_means_and_one_digest_a_picture(side):
    x = np.random.default_rng(0).integers(0, 256, (3, *side, 3), np.uint8)
    made = sketch(x)
    assert made.gray.shape == (3, min(32, side[0]) * min(32, side[1]))
    np.testing.assert_allclose(made.gray.mean(axis=1), x.mean(axis=(1, 2, 3)), atol=1)
    np.testing.assert_allclose(made.color.mean(axis=1), x.mean(axis=(1, 2, 3)), atol=1)
    assert len(set(made.digests.tolist())) == 3
    as_floats = sketch((x / np.float32(255)).astype(np.float32))
    np.testing.assert_array_equal(as_floats.gray, made.gray)
    np.testing.assert_array_equal(as_floats.blank, made.blank)


def test_the_same_pictures_in_another_order_give_the_same_pairs(shipped):
    gray = sketch(shipped.train.x[:800]).gray
    color = np.zeros((800, 0), np.uint8)
    order = np.random.default_rng(3).permutation(800)
    first, second = near_pairs(gray, color, 0.7), near_pairs(gray[order], color, 0.7)
    names = {frozenset(pair) for pair in zip(order[second.first].tolist(), order[second.second].tolist(), strict=True)}
    assert names == {frozenset(pair) for pair in zip(first.first.tolist(), first.second.tolist(), strict=True)}


def test_the_document_is_plain_json_with_the_documented_keys(clean):
    x = clean.train.x
    dataset = planted(
        clean, train=[(500, x[10], None), (7, np.zeros((28, 28, 1), np.uint8), None)], test=[(0, x[11], None)]
    )
    dataset = dataclasses.replace(dataset, skipped=(Skipped(path="a.png", reason="empty file"),), notes=("A note.",))
    found = check(dataset)
    plain = json.loads(json.dumps(document(found), allow_nan=False))
    assert plain["schema"] == 1
    assert set(plain) == {
        "schema", "name", "source", "fingerprint", "classes", "notes", "counts", "unreadable", "imbalance", "labels",
        "near", "complete", "duplicates", "leaks", "blank", "cut", "problems",
    }  # fmt: skip
    assert plain["unreadable"] == [{"path": "a.png", "reason": "empty file"}]
    assert [sample["id"] for sample in plain["duplicates"][0]["samples"]] == ["train/10", "train/500"]
    assert plain["leaks"][0]["sample"]["id"] == "test/0" and plain["leaks"][0]["partner"]["part"] == "train"
    assert plain["blank"][0]["class"] == clean.classes[clean.train.y[7]]
    assert plain["problems"] == 4 == found.problems


def test_a_set_of_eight_pictures():
    """Too small for principal components."""
    x = np.random.default_rng(0).integers(0, 256, (8, 12, 12, 1), np.uint8)
    y = np.arange(8) % 2
    x[5] = x[1]
    data = Dataset(
        name="tiny", source="a test", classes=("a", "b"), input=InputSpec(shape=(12, 12, 1)), fingerprint="0" * 64,
        train=split("train", x[:6], y[:6]), val=split("val", x[6:7], y[6:7]), cal=split("cal", x[7:], y[7:]),
        test=split("test", x[:1], y[:1]),
    )  # fmt: skip
    found = check(data)
    assert [ids(group) for group in found.duplicates] == [["train/1", "train/5"]]
    assert [(leak.sample.id, leak.partner.id) for leak in found.leaks] == [("test/0", "train/0")]
