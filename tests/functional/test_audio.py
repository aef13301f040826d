"""A build from audio files, and labels for new ones: clips cut into segments, judged as clips."""

import json

import numpy as np
import pytest
from tests.unit.data.audio import sounds

from edgekit import pipeline, recipe
from edgekit.bench import clips, litert, predicting
from edgekit.bench.evaluate import load_predictions
from edgekit.data.audio import frontend, segments
from edgekit.errors import DataError, IntegrityError
from edgekit.types import Silent

pytestmark = pytest.mark.tf


class Warnings(Silent):
    def __init__(self):
        self.told = []

    def warn(self, text):
        self.told.append(text)


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Tones of 0.5 s in two classes, half of them test."""
    root = tmp_path_factory.mktemp("data") / "tones"
    for part in ("train", "test"):
        sounds.classes(root / part, each=40 if part == "train" else 10, seconds=0.5)
    return root


@pytest.fixture(scope="module")
def built(tones, tmp_path_factory):
    asked = recipe.load(
        values={
            "data.spec": str(tones),
            "data.val_fraction": 0.3,
            "data.audio": {"clip_s": 0.2, "long": "segment", "segment_hop_s": 0.15, "n_mels": 16, "f_min": 100.0},
            "student.name": "ds_cnn",
            "training.epochs": 2,
            "training.batch_size": 16,
            "bench.targets": [],
        }
    )
    folder = tmp_path_factory.mktemp("runs") / "tones"
    return pipeline.build(asked, folder, reporter=Silent()), folder


def test_clips_are_judged_and_not_their_segments(built, tones):
    _, folder = built
    report = json.loads((folder / "report.json").read_text())
    assert report["dataset"]["input_shape"] == [18, 16, 1]
    assert report["dataset"]["sizes"]["test"] == 20 * 3
    assert {row["n"] for row in report["evaluations"] if row["split"] == "test"} == {20}
    ids, labels, p = load_predictions(folder / "evaluation" / "model_int8.tflite.predictions.npz")
    assert sorted(ids.tolist()) == sorted(f"test/{name}/{i:03}.wav" for name in ("high", "low") for i in range(10))
    assert [name.split("/")[1] == "low" for name in ids.tolist()] == labels.tolist()
    assert np.allclose(p.sum(axis=1), 1, atol=0.02)


def test_the_contract_beside_the_file_is_enough_to_label_a_clip(built, tones):
    _, folder = built
    preprocessing = json.loads((folder / "artifacts" / "metadata.json").read_text())["preprocessing"]
    assert preprocessing["kind"] == "audio"
    made = frontend.from_described(preprocessing)
    wave = sounds.reading_of(tones / "test" / "low" / "003.wav", made.sample_rate)
    x = frontend.features(segments.cut(wave, made), made)
    expected = litert.probabilities(folder / "artifacts" / "model_int8.tflite", x).mean(axis=0)
    (found,) = predicting.run(predicting.load(folder), [tones / "test" / "low" / "003.wav"], 2, Silent())
    assert dict(found.top) == pytest.approx({"high": float(expected[0]), "low": float(expected[1])}, abs=1e-6)


def test_a_folder_is_labeled_as_the_evaluation_says(built, tones):
    _, folder = built
    found = list(predicting.run(predicting.load(folder), [tones / "test"], 2, Silent()))
    ids, _, p = load_predictions(folder / "evaluation" / "model_int8.tflite.predictions.npz")
    expected = dict(zip(ids.tolist(), p.tolist(), strict=True))
    assert len(found) == 20
    for each in found:
        name = "/".join(each.input.split("/")[-3:])
        assert [dict(each.top)[label] for label in ("high", "low")] == pytest.approx(expected[name], abs=1e-6)


def test_inputs_that_are_no_clips(built, tones, tmp_path):
    _, folder = built
    classifier = predicting.load(folder)
    (tmp_path / "text.wav").write_text("once upon a time")
    (tmp_path / "good.wav").write_bytes((tones / "test" / "low" / "001.wav").read_bytes())
    with pytest.raises(DataError, match=r"1 of 2 clips cannot be read: .*text\.wav \(not a WAV, FLAC or OGG file\)"):
        list(predicting.run(classifier, [tmp_path], 1, Silent()))
    told = Warnings()
    found = list(predicting.run(classifier, [tmp_path / "text.wav", tmp_path / "good.wav"], 1, told, skip_bad=True))
    assert [each.input for each in found] == [str(tmp_path / "good.wav")]
    assert "1 files cannot be read" in told.told[0]
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 18, 16), np.uint8))
    with pytest.raises(DataError, match=r"x\.npz is no clip, but the file takes clips"):
        list(predicting.run(classifier, [tmp_path / "x.npz"], 1, Silent()))
    (tmp_path / "list.csv").write_text("path\ngood.wav\ngood.wav\n")
    assert len(list(predicting.run(classifier, [tmp_path / "list.csv"], 1, Silent()))) == 2
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="has no WAV, FLAC or OGG file"):
        list(clips.read([tmp_path / "none"], classifier.front_end))


def test_a_contract_that_was_changed_is_refused(built, tmp_path):
    _, folder = built
    for name in ("model_int8.tflite", "metadata.json"):
        (tmp_path / name).write_bytes((folder / "artifacts" / name).read_bytes())
    metadata = json.loads((tmp_path / "metadata.json").read_text())
    metadata["preprocessing"]["front_end"]["f_max"] = 3999.0
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    with pytest.raises(IntegrityError, match="SHA-256"):
        predicting.load(tmp_path / "model_int8.tflite")
