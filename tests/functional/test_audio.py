"""A build from audio files, and labels for new ones: clips cut into segments, judged as clips."""

import json

import numpy as np
import pytest
from tests.conftest import RecordingReporter
from tests.unit.data.audio import sounds
from tests.unit.students import formulas

from edgekit import data, recipe
from edgekit.data.audio import frontend, segments
from edgekit.errors import DataError, ExportError, IntegrityError, RecipeError
from edgekit.export import waveform
from edgekit.export.operators import histogram
from edgekit.export.stitch import stitched
from edgekit.inference import clips, litert, standalone
from edgekit.inference import predict as predicting
from edgekit.inference.evaluate import load_predictions
from edgekit.pipeline.build import build
from edgekit.types import AudioOptions, Silent

pytestmark = pytest.mark.tf


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
            "quantization.waveform": True,
            "bench.targets": [],
        }
    )
    folder = tmp_path_factory.mktemp("runs") / "tones"
    return build(asked, folder, reporter=Silent()), folder


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
    reporter = RecordingReporter()
    found = list(predicting.run(classifier, [tmp_path / "text.wav", tmp_path / "good.wav"], 1, reporter, skip_bad=True))
    assert [each.input for each in found] == [str(tmp_path / "good.wav")]
    assert "1 files cannot be read" in reporter.warnings[0]
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 18, 16), np.uint8))
    with pytest.raises(DataError, match=r"x\.npz is not a clip, but the file expects clips"):
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


def test_the_file_with_the_front_end_inside_gives_what_the_plain_one_gives(built, tones):
    _, folder = built
    heard, plain = (folder / "artifacts" / f"model_int8{part}.tflite" for part in ("_waveform", ""))
    facts = json.loads((folder / "report.json").read_text())["compression"]["waveform"]
    assert (facts["name"], facts["of"]) == (heard.name, plain.name)
    assert facts["size_bytes"] == heard.stat().st_size
    assert 0 < facts["max_feature_difference"] < 1e-4
    (given,), (result,) = litert.describe(heard)
    assert (given.shape, given.dtype, result.dtype) == ((-1, 1600), "float32", "float32")
    assert "RFFT2D" in histogram(heard.read_bytes())
    wave = sounds.reading_of(tones / "test" / "low" / "003.wav", 8000)
    made = predicting.load(folder).front_end
    pieces = segments.cut(wave, made)
    found = litert.outputs(heard, pieces)
    assert np.abs(found - litert.outputs(plain, frontend.features(pieces, made))).max() <= 1 / 128
    (labeled,) = predicting.run(predicting.load(heard), [tones / "test" / "low" / "003.wav"], 2, Silent())
    expected = found.mean(axis=0)
    assert dict(labeled.top) == pytest.approx({"high": float(expected[0]), "low": float(expected[1])}, abs=1e-6)


def test_the_front_end_goes_before_a_float_file_too(built, tones, tmp_path):
    _, folder = built
    made = predicting.load(folder).front_end
    waves = np.concatenate(
        [segments.cut(sounds.reading_of(path, 8000), made) for path in (tones / "test").rglob("*.wav")]
    )
    path, facts = waveform.write(folder / "artifacts" / "model_float32.tflite", made, waves, tmp_path)
    assert path.name == "model_float32_waveform.tflite"
    assert (facts["samples"], facts["agreement"]) == (60, 1.0)
    assert facts["max_difference"] < 1e-4
    assert "DEQUANTIZE" not in histogram(path.read_bytes())


def test_files_that_nothing_describes_are_not_fed_clips(built, tones, tmp_path):
    _, folder = built
    alone = tmp_path / "alone.tflite"
    alone.write_bytes((folder / "artifacts" / "model_int8.tflite").read_bytes())
    dataset = standalone.images(str(tones), None, 42, [folder / "artifacts" / "model_int8.tflite"])
    with pytest.raises(DataError, match=r"No metadata\.json next to .*alone\.tflite describes its front end"):
        standalone.evaluate_file(alone, dataset, "test")
    with pytest.raises(DataError, match="expects clips; name them with --data"):
        standalone.images(None, None, 42, [folder / "artifacts" / "model_int8.tflite"])


def test_files_for_clips_are_evaluated_on_clips(built, tones):
    _, folder = built
    heard, plain = (folder / "artifacts" / f"model_int8{part}.tflite" for part in ("_waveform", ""))
    dataset = standalone.images(str(tones), None, 42, [heard])
    assert dataset.input.front_end == predicting.load(folder).front_end
    rows = [standalone.evaluate_file(path, dataset, "test") for path in (heard, plain)]
    assert [row.n for row in rows] == [20, 20]
    report = json.loads((folder / "report.json").read_text())
    (stored,) = (e for e in report["evaluations"] if e["artifact"] == plain.name and e["split"] == "test")
    assert rows[1].nll == pytest.approx(stored["nll"], abs=1e-9)
    assert rows[0].nll == pytest.approx(stored["nll"], abs=0.02)


@pytest.mark.parametrize("kind", ["logmel", "mfcc"])
@pytest.mark.parametrize("level", ["kept", "loudest"])
def test_the_front_end_inside_a_file_is_that_of_the_library(kind, level, tmp_path):
    """Silence, a click, full scale, noise of five levels and sweeps: what the floor and the clips of both ends meet."""
    options = AudioOptions(
        front_end=kind, n_mels=20, n_mfcc=8 if kind == "mfcc" else 13, level=level, window_ms=30, f_min=60.0
    )
    made = frontend.front_end(options, sample_rate=8000, clip_s=0.4)
    rng, time = np.random.default_rng(3), np.arange(made.clip_samples) / 8000
    click = np.zeros_like(time)
    click[100] = 1
    waves = np.stack(
        [np.zeros_like(time), click, np.sign(np.sin(time * 3000)), np.sin(2 * np.pi * 4000 * time**2)]
        + [rng.uniform(-1, 1, len(time)) * 10.0**-level for level in range(5)]
    ).astype(np.float32)
    (tmp_path / "front.tflite").write_bytes(waveform.front_end_file(made))
    inside = litert.run(tmp_path / "front.tflite", waves)
    assert inside.shape == (9, *made.shape)
    assert np.abs(inside - frontend.features(waves, made)).max() < waveform.TOLERANCE / 10


def test_front_ends_that_no_file_can_have(tones):
    made = frontend.front_end(AudioOptions(n_mels=8, fft_length=300), sample_rate=8000, clip_s=0.4)
    with pytest.raises(ExportError, match=r"fft_length 300 is not a power of two"):
        waveform.front_end_file(made)
    images = data.load("fashion-mnist-mini")
    asked = recipe.load(values={"quantization.waveform": True})
    with pytest.raises(RecipeError, match=r"--waveform.* works only with clips, and fashion-mnist-mini has images"):
        waveform.check(asked, images)


def test_files_that_do_not_fit_are_not_stitched(built):
    _, folder = built
    whole = (folder / "artifacts" / "model_int8.tflite").read_bytes()
    other = frontend.front_end(AudioOptions(n_mels=8), sample_rate=8000, clip_s=0.4)
    with pytest.raises(ExportError, match=r"outputs \[.*38, 8, 1\], the second expects \[.*18, 16, 1\]"):
        stitched(waveform.front_end_file(other), whole, given="a", result="b")
    with pytest.raises(ExportError, match=r"not a \.tflite"):
        stitched(b"RIFF and more than eight bytes", whole, given="a", result="b")


def test_a_public_checkpoint_is_frozen_curated_and_ships_as_int8(tones, tmp_path):
    """A small file of AST's layout; the stability report repeats the curation with other heads on the same embeddings."""
    size = formulas.Size(d=64, heads=1, depth=1, classes=2, patch=8, stride=10, rows=13, times=4)
    values = {
        "data.spec": str(tones),
        "data.val_fraction": 0.3,
        "data.audio": {"sample_rate": 16_000, "clip_s": 0.415, "n_mels": 128},
        "accept_chance": True,
        "student.name": "ast_or_passt",
        "student.backbone": str(formulas.saved(tmp_path, formulas.ast(size))),
        "student.frozen": True,
        "curation.method": "influence",
        "curation.budget": 2,
        "curation.repeats": 1,
        "training.epochs": 1,
        "training.batch_size": 16,
        "training.patchout": "none",
        "quantization.precision": "int8",
        "bench.targets": [],
    }
    document = build(recipe.load(values=values), tmp_path / "run", reporter=RecordingReporter()).document
    assert document["curation"]["n_dropped"] == 2
    stable = document["curation"]["stability"]
    assert stable["runs"] == 2 and stable["varied"].endswith("the frozen backbone is the same")
    assert "embeddings" in document["timings"] and "embeddings" not in document["reused_stages"]
    assert {row["precision"] for row in document["artifacts"] if row["format"] == "tflite"} == {"float32", "int8"}
