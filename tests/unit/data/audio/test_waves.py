"""Waveforms read again for samples of a data set."""

import numpy as np
import pytest
from tests.unit.data.audio import sounds

from edgekit import data
from edgekit.data.audio import frontend
from edgekit.data.audio.waves import waves
from edgekit.errors import DataError
from edgekit.recipe import AudioSection


@pytest.mark.parametrize("long", ["crop", "segment"])
def test_their_features_are_the_samples(long, tmp_path):
    root = sounds.classes(tmp_path / "tones", seconds=0.5)
    dataset = data.load(str(root), val_fraction=0.3, audio=AudioSection(clip_s=0.2, long=long, sample_rate=8000))
    made = dataset.input.front_end
    found = waves(dataset.val, dataset.root, made)
    assert found.shape == (len(dataset.val), 1600)
    assert np.abs(frontend.features(found, made) - dataset.val.x[:]).max() < 1e-6


def test_a_file_that_is_not_what_it_was(tmp_path):
    root = sounds.classes(tmp_path / "tones")
    dataset = data.load(str(root), val_fraction=0.3, audio=AudioSection(clip_s=0.2))
    first = root / str(dataset.val.ids[0])
    first.write_bytes(sounds.encoded(sounds.tone(999)))
    with pytest.raises(DataError, match="changed since it was read"):
        waves(dataset.val, dataset.root, dataset.input.front_end)
    first.unlink()
    with pytest.raises(DataError, match="can no longer be read"):
        waves(dataset.val, dataset.root, dataset.input.front_end)
