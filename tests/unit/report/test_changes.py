"""What became of test samples between the float file and the shipped one, by hand-made answers."""

import dataclasses
import io

import numpy as np
import pytest
from tests.unit.report.made_run import FLOAT, INT8, store
from tests.unit.report.tables import rows_of

from edgekit.data.splits import take
from edgekit.report import changes

IDS = np.array(["a", "b", "c", "d", "e", "f"])
LABELS = np.array([0, 0, 1, 1, 2, 2])
#                lost          both wrong     wrong          won            right       lost, surer
BEFORE = [[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.9, 0.1, 0], [0.8, 0.2, 0], [0, 0, 1], [0, 0.1, 0.9]]
AFTER = [[0.4, 0.5, 0.1], [0.1, 0.2, 0.7], [0.8, 0.2, 0], [0.4, 0.6, 0], [0, 0, 1], [0.7, 0, 0.3]]
CLASSES = ["x", "y", "z"]


@pytest.fixture
def changed(tmp_path):
    for name, p in ((FLOAT, BEFORE), (INT8, AFTER)):
        store(tmp_path, name, IDS, LABELS, np.array(p, np.float32))
    return changes.load(tmp_path, INT8)


def test_every_sample_has_one_outcome(changed):
    words = ("lost", "changed, both wrong", "wrong", "won", "right")
    assert [changed.count(word) for word in words] == [2, 1, 1, 1, 1]
    # Lost first, the surer answer of the float file before the other.
    assert IDS[changed.changed].tolist() == ["f", "a", "b", "d"]


def test_classes_count_what_was_lost_and_won(changed):
    assert changes.per_class(changed, [*CLASSES, "empty"]) == [
        {"name": "x", "n": 2, "right": 0, "right_before": 1, "lost": 1, "won": 0},
        {"name": "y", "n": 2, "right": 1, "right_before": 0, "lost": 0, "won": 1},
        {"name": "z", "n": 2, "right": 1, "right_before": 2, "lost": 1, "won": 0},
        {"name": "empty", "n": 0, "right": 0, "right_before": 0, "lost": 0, "won": 0},
    ]


def test_samples_are_listed_what_matters_first(changed):
    found = rows_of(changes.samples(changed, CLASSES))
    assert [row[0] for row in found] == ["f", "a", "b", "c", "d", "e"]
    assert found[0] == ["f", "z", "x", 0.7, "z", 0.9, "lost"]


def test_the_float_file_alone_has_no_changes(tmp_path):
    store(tmp_path, FLOAT, IDS, LABELS, np.array(BEFORE, np.float32))
    changed = changes.load(tmp_path, FLOAT)
    assert not changed.quantized and len(changed.changed) == 0
    assert rows_of(changes.samples(changed, CLASSES))[0] == ["c", "y", "x", 0.9, "wrong"]


def test_a_page_of_a_hundred_thousand_samples_stays_small(tmp_path):
    n = 100_000
    p = np.full((n, 2), 0.5, np.float32)
    store(tmp_path, FLOAT, np.array([f"folder/with/a/long/name/{i:06}.png" for i in range(n)]), np.zeros(n, int), p)
    table = changes.samples(changes.load(tmp_path, FLOAT), ["x", "y"])
    assert len(table.json) < 2_000_000
    assert table.total == n > table.shown > 5_000


def pictures_of(content):
    with np.load(io.BytesIO(content)) as file:
        return file["ids"].tolist(), file["x"]


def test_pictures_are_those_of_the_samples_that_changed(changed, shipped):
    test = take(shipped.test, np.arange(6))
    ids, x = pictures_of(changes.collect(dataclasses.replace(shipped, test=test), changed))
    assert ids == ["f", "a", "b", "d"]
    assert np.array_equal(x, test.x[[5, 0, 1, 3]])


def test_of_clips_in_segments_the_first_one_is_shown_and_time_runs_to_the_right(changed, shipped):
    """Twelve segments of six clips; a feature at the second time step, in the highest of three bands."""
    from edgekit.types import FrontEnd

    x = np.zeros((12, 5, 3, 1), np.float32)
    x[10, 1, 2] = 1
    clip = np.repeat(IDS, 2)
    test = dataclasses.replace(
        take(shipped.test, np.arange(12)),
        x=x,
        y=np.repeat(LABELS, 2),
        ids=np.array([f"s{i}" for i in range(12)]),
        clip=clip,
    )
    front_end = FrontEnd(kind="logmel", sample_rate=8000, clip_s=1.0, fft_length=256, f_max=4000.0)
    spec = dataclasses.replace(shipped.input, front_end=front_end)
    ids, found = pictures_of(changes.collect(dataclasses.replace(shipped, test=test, input=spec), changed))
    assert ids[0] == "f" and found.shape[1:3] == (3, 5)
    assert found[0, 0, 1, 0] == 255 and found[0].sum() == 255


def test_a_run_without_pictures_shows_none(changed, tmp_path):
    assert changes.pictures(tmp_path, changed, CLASSES) == []


def test_a_picture_comes_with_both_answers(changed, tmp_path, shipped):
    test = take(shipped.test, np.arange(6))
    (tmp_path / changes.PICTURES).write_bytes(changes.collect(dataclasses.replace(shipped, test=test), changed))
    first = changes.pictures(tmp_path, changed, CLASSES)[0]
    assert first.pop("src").startswith("data:image/png;base64,")
    assert {key: round(v, 3) if isinstance(v, float) else v for key, v in first.items()} == {
        "id": "f", "label": "z", "before": "z", "confidence_before": 0.9, "answer": "x", "confidence": 0.7, "outcome": "lost",
    }  # fmt: skip
