import json

import numpy as np
import pytest
from tests.unit.data.audio import sounds

from edgekit import data
from edgekit.data.audio import features, frontend
from edgekit.data.audio.features import LazyFeatures, read_clips
from edgekit.data.audio.segments import cut
from edgekit.data.images import join
from edgekit.errors import DataError
from edgekit.recipe import AudioSection
from edgekit.runs.cache import StageCache
from edgekit.types import AudioOptions

pytestmark = pytest.mark.usefixtures("own_cache")  # the cache is the subject

OPTIONS = AudioOptions(n_mels=8, f_min=200.0)


class Files:
    """Encoded clips in memory; counts how often each is read."""

    def __init__(self, *contents: bytes) -> None:
        self.contents, self.reads = contents, 0

    def read(self, i: int) -> bytes:
        self.reads += 1
        return self.contents[i]

    def clips(self, options=OPTIONS, *, skip_bad=False, training=None):
        count = len(self.contents)
        return read_clips(
            self.read, lambda i: f"{i}.wav", count, options, skip_bad=skip_bad,
            training=np.ones(count, bool) if training is None else training,
        )  # fmt: skip


def tones(count=100, seconds=0.2):
    return Files(*(sounds.encoded(sounds.tone(300 + 20 * i, seconds), subtype="FLOAT") for i in range(count)))


def test_features_are_in_the_order_of_the_files():
    clips = tones().clips()
    waves = np.stack([sounds.tone(300 + 20 * i, 0.2) for i in range(100)])
    assert np.allclose(clips.x, frontend.features(waves, clips.front_end), atol=1e-6)
    assert clips.file.tolist() == list(range(100))
    assert not clips.segment.any()
    assert len({row.tobytes() for row in clips.content}) == 100


def test_the_second_time_nothing_is_decoded():
    files = tones()
    first = files.clips()
    assert files.reads == 200  # once to hash them, once to decode them
    again = files.clips()
    assert files.reads == 300
    assert np.array_equal(first.x, again.x)
    other = files.clips(AudioOptions(n_mels=9, f_min=200.0))
    assert files.reads == 500
    assert other.x.shape[2] == 9


def test_rate_and_length_are_those_of_the_training_clips():
    files = Files(
        *(sounds.encoded(sounds.tone(440, 0.1 + 0.01 * i)) for i in range(20)),
        sounds.encoded(sounds.tone(440, 0.1, rate=16_000), rate=16_000),
        *(sounds.encoded(sounds.tone(440, 5.0, rate=48_000), rate=48_000) for _ in range(30)),
    )
    clips = files.clips(training=np.arange(51) < 21)
    assert clips.front_end.sample_rate == 8000
    assert clips.front_end.clip_s == 0.28  # 95 % of the 21 last at most 0.28 s
    assert any(
        "31 of 51 clips have a rate of 16,000, 48,000 Hz and were resampled to 8,000 Hz." in note
        for note in clips.notes
    )
    assert any("31 of 51 clips are longer than 0.28 s and lose both ends" in note for note in clips.notes)


def test_bad_files_are_listed_with_their_reasons_whenever_they_are_found():
    flac = sounds.encoded(np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32), format="FLAC")
    good = [sounds.encoded(sounds.tone(440 + i)) for i in range(3)]
    files = Files(good[0], b"", flac[: len(flac) // 2], good[1], b"text", good[2])
    with pytest.raises(DataError, match=r"3 of 6 audio files cannot be read: 1\.wav \(empty file\), 2\.wav \(.*4\.wav"):
        files.clips()
    clips = files.clips(skip_bad=True)
    assert clips.file.tolist() == [0, 3, 5]
    assert [each.path for each in clips.skipped] == ["1.wav", "2.wav", "4.wav"]
    assert len(clips.x) == 3
    # Only decoding finds this one, and so it must stay known when nothing is decoded.
    late = Files(good[0], flac[: len(flac) // 2], good[1])
    for _ in range(2):
        with pytest.raises(DataError, match=r"1 of 3 audio files cannot be read: 1\.wav"):
            late.clips()
        assert late.clips(skip_bad=True).file.tolist() == [0, 2]
    # The same files at other places: what cannot be decoded is known by its content.
    moved = Files(b"", good[0], flac[: len(flac) // 2], good[1])
    clips = moved.clips(skip_bad=True)
    assert clips.file.tolist() == [1, 3]
    assert [each.path for each in clips.skipped] == ["0.wav", "2.wav"]
    assert (clips.x.max(axis=(1, 2, 3)) > 0).all()
    with pytest.raises(DataError, match="None of the 2 audio files can be read"):
        Files(b"", b"text").clips(skip_bad=True)


def test_a_build_that_is_killed_leaves_nothing_that_a_later_one_takes():
    class Killed(Files):
        def read(self, i: int) -> bytes:
            if self.reads == 150:  # half of them are decoded
                raise KeyboardInterrupt
            return super().read(i)

    whole = tones(100)
    with pytest.raises(KeyboardInterrupt):
        Killed(*whole.contents).clips()
    assert not [path for path in (StageCache().root / features.STAGE).rglob("*") if path.is_file()]
    assert (whole.clips().x.max(axis=(1, 2, 3)) > 0).all()


def test_a_file_that_changes_meanwhile_is_noticed():
    class Changing(Files):
        def read(self, i: int) -> bytes:
            content = super().read(i)
            return sounds.encoded(sounds.tone(2000, 0.2)) if self.reads > 4 and i == 2 else content

    with pytest.raises(DataError, match=r"2\.wav changed while it was being read"):
        Changing(*tones(4).contents).clips()
    assert len(tones(4).clips().x) == 4


def test_the_cache_is_the_one_that_edgekit_cache_shows():
    clips = tones(4).clips()
    cache = StageCache()
    assert (cache.root / features.STAGE).is_dir()
    assert cache.size_bytes() > clips.x.nbytes
    cache.clear()
    assert not (cache.root / features.STAGE).exists()


def test_features_larger_than_memory_are_mapped(monkeypatch):
    files = tones(10)
    held = files.clips().x
    monkeypatch.setattr(features, "IN_MEMORY_BYTES", 1000)
    mapped = files.clips().x
    assert isinstance(mapped, LazyFeatures)
    assert isinstance(mapped.array, np.memmap)
    assert (mapped.shape, mapped.dtype, mapped.ndim, len(mapped)) == (held.shape, held.dtype, 4, 10)
    for index in (slice(2, 5), [7, 1], np.arange(10) > 6, [], slice(None)):
        assert np.array_equal(mapped[index], held[index if len(np.shape(index)) == 0 or len(index) else slice(0)])
        assert not isinstance(mapped[index], np.memmap)
    assert np.array_equal(mapped[3], held[3])
    taken = mapped.take([8, 2])
    assert np.array_equal(join([taken, mapped.take([0])])[:], held[[8, 2, 0]])
    assert np.array_equal(taken.read_rows(np.array([1])), held[[2]])


def test_a_mapped_data_set_is_the_same_data_set(tmp_path, monkeypatch):
    root = sounds.classes(tmp_path / "tones")
    held = data.load(str(root), val_fraction=0.3)
    monkeypatch.setattr(features, "IN_MEMORY_BYTES", 1000)
    mapped = data.load(str(root), val_fraction=0.3)
    assert mapped.fingerprint == held.fingerprint
    assert np.array_equal(mapped.val.x[:], held.val.x)


def test_the_fingerprint_follows_the_files_and_the_front_end(tmp_path):
    root = sounds.classes(tmp_path / "tones")

    def fingerprint(**audio):
        return data.load(str(root), val_fraction=0.3, audio=AudioSection(**audio)).fingerprint

    first = fingerprint(clip_s=0.3)
    assert fingerprint(clip_s=0.3) == first
    assert fingerprint(clip_s=0.3, n_mels=30) != first
    (root / "low" / "000.wav").write_bytes(sounds.encoded(sounds.tone(470)))
    assert fingerprint(clip_s=0.3) != first


def test_segments_of_files():
    files = Files(*(sounds.encoded(sounds.tone(300 + 100 * i, 0.2 * (i + 1)), subtype="FLOAT") for i in range(3)))
    clips = files.clips(AudioOptions(n_mels=8, f_min=200.0, clip_s=0.2, long="segment"))
    assert clips.file.tolist() == [0, 1, 1, 2, 2, 2]
    assert clips.segment.tolist() == [0, 0, 1, 0, 1, 2]
    waves = np.concatenate([cut(sounds.tone(300 + 100 * i, 0.2 * (i + 1)), clips.front_end) for i in range(3)])
    assert np.allclose(clips.x, frontend.features(waves, clips.front_end), atol=1e-6)
    assert json.loads(json.dumps(clips.notes))[0] == "3 clips were cut into 6 segments of 0.2 s."
