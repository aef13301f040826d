import numpy as np
import pytest
from tests.unit.data.audio import sounds

from edgekit import data
from edgekit.data.audio import frontend
from edgekit.errors import DataError
from edgekit.recipe import AudioSection


@pytest.mark.parametrize("audio", [{}, {"front_end": "mfcc", "n_mfcc": 5}, {"long": "segment", "clip_s": 0.2}])
def test_a_pool_is_read_as_its_data_set(tmp_path, audio):
    dataset = data.load(str(sounds.classes(tmp_path / "tones")), val_fraction=0.3, audio=AudioSection(**audio))
    made = dataset.input.front_end
    assert frontend.front_end(frontend.options_of(made), sample_rate=1, clip_s=1) == made
    # Longer, and of another rate: by itself it would be another front end.
    new = sounds.classes(tmp_path / "new", each=3, seconds=0.45, rate=16_000)
    (new / "bad.wav").write_text("x")
    with pytest.raises(DataError, match=r"1 of 7 audio files cannot be read: bad\.wav"):
        data.load_pool(str(new), shape=dataset.input.shape, front_end=made)
    pool, skipped = data.load_pool(str(new), shape=dataset.input.shape, front_end=made, skip_bad=True)
    assert [each.path for each in skipped] == ["bad.wav"]
    assert pool.x.shape[1:] == dataset.input.shape
    assert len(np.unique(pool.ids)) == len(pool) == (18 if "long" in audio else 6)
    assert (pool.y == -1).all()
    assert (pool.clip is None) == ("long" not in audio)
    if pool.clip is not None:
        assert len(set(pool.clip.tolist())) == 6
    with pytest.raises(DataError, match="not a pool of clips"):
        data.load_pool(str(tmp_path / "x.npz"), shape=dataset.input.shape, front_end=made)
