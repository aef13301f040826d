import importlib.util

import numpy as np
import pytest
from tests.unit.data import pictures
from tests.unit.data.audio import sounds

from edgekit import data
from edgekit.data import check, splits
from edgekit.errors import DataError, MissingExtra, RecipeError
from edgekit.recipe import AudioSection
from edgekit.recipe import load as recipe


@pytest.fixture
def tones(tmp_path):
    return sounds.classes(tmp_path / "tones")


def load(folder, **options):
    return data.load(str(folder), **{"val_fraction": 0.3} | options)


def test_class_folders_of_clips(tones):
    dataset = load(tones)
    assert dataset.classes == ("high", "low")
    assert dataset.source == f"audio folder {tones}"
    assert dataset.input.front_end is not None
    assert dataset.input.shape == dataset.input.front_end.shape == (28, 40, 1)
    assert dataset.input.noun == "clips"
    assert dataset.input.preprocessing.startswith("40 log-mel bands, 25 ms windows every 10 ms, of 0.3 s at 8,000 Hz")
    assert dataset.train.x.dtype == np.float32
    assert 0 <= dataset.train.x.min() <= dataset.train.x.max() <= 1
    for name, label in zip(dataset.train.ids, dataset.train.y, strict=True):
        assert name.startswith(dataset.classes[label])
    # Energy of the high tones lies higher.
    bands = dataset.train.x.mean(axis=1).argmax(axis=1)[:, 0]
    assert bands[dataset.train.y == 0].min() > bands[dataset.train.y == 1].max()


def test_a_missing_extra_is_named(tones, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for spec in (str(tones), "fsdd"):
        with pytest.raises(MissingExtra, match=r"edgekit\[audio\]"):
            data.load(spec)


@pytest.mark.parametrize("suffix", [".flac", ".ogg"])
def test_other_formats_and_rates(tmp_path, suffix):
    dataset = load(sounds.classes(tmp_path / "tones", rate=16_000, suffix=suffix), audio=AudioSection(sample_rate=8000))
    assert dataset.input.shape == (28, 40, 1)
    assert any(
        "40 of 40 clips have a rate of 16,000 Hz and were resampled to 8,000 Hz." in note for note in dataset.notes
    )


def test_pictures_among_clips_are_not_used(tones):
    pictures.save(tones / "low" / "cover.png")
    (tones / "low" / "notes.txt").write_text("x")
    assert any("2 files in" in note and "are not clips of a class" in note for note in load(tones).notes)
    pictures.classes(tones, names=("cat",), each=3)
    with pytest.raises(
        DataError, match=r"class folder .*cat has no clip, but others have; a data set must have one kind"
    ):
        load(tones)


def test_a_csv_of_clips_with_groups_and_splits(tones):
    rows = [
        f"{label}/{i:03}.wav,{label},speaker{i % 5},{'test' if i >= 15 else 'train'}"
        for label in ("high", "low")
        for i in range(20)
    ]
    path = tones / "list.csv"
    path.write_text("path,label,group,split\n" + "\n".join(rows))
    dataset = load(path)
    assert [len(part) for part in (dataset.train, dataset.val, dataset.cal, dataset.test)] == [21, 4, 5, 10]
    left = load(path, leave_out="speaker2")
    assert set(left.test.group) == {"speaker2"}
    assert "speaker2" not in set(left.train.group)
    pictures.save(tones / "x.png")
    path.write_text("path,label,group,split\n" + "\n".join([*rows, "x.png,low,speaker1,train"]))
    with pytest.raises(DataError, match="lists 40 clips among 1 other files"):
        load(path)


def test_bad_files_are_listed(tones):
    for name, content in {
        "empty": b"",
        "text": b"once upon a time",
        "cut": (tones / "low" / "000.wav").read_bytes()[:900],
        "zero": sounds.encoded(np.zeros(0, np.float32)),
    }.items():
        (tones / "high" / f"{name}.wav").write_bytes(content)
    stereo = np.stack([sounds.tone(440), sounds.tone(441)], axis=1)
    (tones / "low" / "stereo.wav").write_bytes(sounds.encoded(stereo, subtype="PCM_24"))
    (tones / "low" / "eight.wav").write_bytes(sounds.encoded(sounds.tone(450), subtype="PCM_U8"))
    with pytest.raises(DataError) as raised:
        load(tones)
    message = str(raised.value)
    assert message.startswith("4 of 46 audio files cannot be read: ")
    for reason in (
        "high/empty.wav (empty file)",
        "high/text.wav (not a WAV, FLAC or OGG file)",
        "high/zero.wav (no samples)",
    ):
        assert reason in message
    assert "high/cut.wav (truncated: 856 of 4,800 bytes of samples)" in message
    dataset = load(tones, skip_bad=True)
    assert len(dataset.skipped) == 4
    assert any("1 of 42 clips have several channels" in note for note in dataset.notes)


def test_segments_of_a_clip_stay_on_one_side(tmp_path):
    root = sounds.classes(tmp_path / "tones", seconds=0.5)
    dataset = load(root, audio=AudioSection(clip_s=0.2, long="segment", segment_hop_s=0.1))
    parts = (dataset.train, dataset.val, dataset.cal, dataset.test)
    assert sum(map(len, parts)) == 40 * 4
    clips = [set(part.clip.tolist()) for part in parts]
    assert sum(map(len, clips)) == len(set.union(*clips)) == 40
    assert dataset.test.ids[0] == f"{dataset.test.clip[0]}#0"
    assert np.bincount(dataset.test.y).tolist() == [12, 12]  # 3 clips of each class
    both = splits.joined(dataset.val, dataset.test)
    assert both.clip.tolist() == [*dataset.val.clip.tolist(), *dataset.test.clip.tolist()]


def test_options_that_are_not_about_these_data_are_refused(tones, tmp_path):
    with pytest.raises(DataError, match=r"contains clips, which data\.image_size cannot resize"):
        load(tones, image_size=(32, 32))
    with pytest.raises(DataError, match=r"contains images, but the recipe's data\.audio"):
        load(pictures.classes(tmp_path / "pets"), audio=AudioSection(n_mels=20))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.audio.segment_hop_s=1", "only used with long segment"),
        ("data.audio.n_mfcc=10", "only used with front_end mfcc"),
        ("data.audio={front_end: mfcc, n_mels: 8}", "n_mfcc is 13, but n_mels gives only 8"),
        ("data.audio.floor=1", "expected floor below top"),
        ("data.audio.fft_length=201", "even number"),
        ("data.audio.front_end=wavelet", "front_end"),
        ("data.audio.mels=40", "n_mels|Unknown"),
    ],
)
def test_the_section_refuses(setting, message):
    with pytest.raises(RecipeError, match=message):
        recipe(settings=[setting])


def test_the_check_finds_copies_and_silence_among_clips(tones):
    (tones / "low" / "copy.wav").write_bytes((tones / "high" / "003.wav").read_bytes())
    (tones / "low" / "silence.wav").write_bytes(sounds.encoded(np.zeros(2400, np.float32)))
    findings = check.check(data.load(str(tones), split=False))
    assert [{sample.id for sample in group.samples} for group in findings.duplicates if group.exact] == [
        {"high/003.wav", "low/copy.wav"}
    ]
    assert [sample.id for sample in findings.blank] == ["low/silence.wav"]


def test_fsdd_by_its_names(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="fsdd is not on this machine"):
        data.load("fsdd")
    root = tmp_path / "sets" / "fsdd" / "recordings"
    root.mkdir(parents=True)
    monkeypatch.setenv("EDGEKIT_DATA", str(tmp_path / "sets"))
    with pytest.raises(DataError, match=r"no file such as 7_theo_12\.wav"):
        data.load("fsdd")
    for digit in range(10):
        for speaker in ("ann", "bob"):
            for i in (0, 4, 5, 6, 7, 11):
                content = sounds.encoded(sounds.tone(300 + 100 * digit + i + 3 * (speaker == "bob"), 0.2))
                (root / f"{digit}_{speaker}_{i}.wav").write_bytes(content)
    (root / "readme.txt").write_text("x")
    dataset = data.load("fsdd", val_fraction=0.5)
    assert dataset.classes == tuple("0123456789")
    assert sorted(dataset.test.ids) == sorted(
        f"{d}_{s}_{i}.wav" for d in range(10) for s in ("ann", "bob") for i in (0, 4)
    )
    assert (dataset.test.y == [int(name[0]) for name in dataset.test.ids]).all()
    left = data.load("fsdd", val_fraction=0.5, leave_out="bob")
    assert len(left.test) == 60
    assert set(left.train.group) == {"ann"}
