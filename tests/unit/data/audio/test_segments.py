import numpy as np
import pytest

from edgekit.data.audio import frontend
from edgekit.data.audio.segments import cut, segments_of
from edgekit.types import AudioOptions


def made(**options):
    return frontend.front_end(AudioOptions(n_mels=4, window_ms=4, hop_ms=2, **options), sample_rate=1000, clip_s=0.01)


def test_shorter_clips_get_silence_on_both_sides():
    assert cut(np.ones(5, np.float32), made()).tolist() == [[0, 0, 1, 1, 1, 1, 1, 0, 0, 0]]


def test_longer_clips_lose_both_ends():
    assert cut(np.arange(15, dtype=np.float32), made()).tolist() == [list(range(2, 12))]


@pytest.mark.parametrize(
    ("length", "hop_s", "starts"),
    [(10, None, [0]), (11, None, [0, 1]), (20, None, [0, 10]), (21, None, [0, 10, 11]), (16, 0.003, [0, 3, 6]),
     (17, 0.003, [0, 3, 6, 7]), (3, 0.003, [None])],
)  # fmt: skip
def test_segments_cover_the_whole_clip(length, hop_s, starts):
    m = made(long="segment", segment_hop_s=hop_s)
    wave = np.arange(1, length + 1, dtype=np.float32)
    found = cut(wave, m)
    assert len(found) == segments_of(length, m) == len(starts)
    if starts != [None]:
        assert [row[0] - 1 for row in found.tolist()] == starts
        assert set(found.ravel().tolist()) == set(wave.tolist())
