"""Training on images that are decoded on demand: the same result, and nothing left behind."""

import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from tests.unit.data import pictures

from edgekit import data, recipe, students
from edgekit.compression.prune import prune
from edgekit.data import images
from edgekit.data.images import LazyImages
from edgekit.errors import DataError
from edgekit.frameworks import backend
from edgekit.training.augment import Augmentation
from edgekit.training.batches import Samples
from edgekit.training.fit import fit
from edgekit.types import Silent

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def keras():
    return backend.load("tensorflow")


@pytest.fixture
def root(tmp_path):
    return pictures.classes(tmp_path / "pets", each=60, size=(12, 12))


def trained(keras, dataset, **values):
    backend.seed(keras, 0, deterministic=True)
    model = students.build("students", "conv8", keras, dataset.input.shape, 2)
    section = recipe.from_mapping({"training": {"epochs": 2, "batch_size": 16} | values}).training
    history = fit(
        keras, model, Samples(train=dataset.train, val=dataset.val, full=len(dataset.train)), section,
        augmentation=Augmentation(name="shift-flip"), seed=0, reporter=Silent(),
    )  # fmt: skip
    return model, history


def decoding():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("decode", "ThreadPool"))]


@pytest.mark.parametrize("values", [{}, {"label_smoothing": 0.1}])
def test_streaming_trains_exactly_as_memory_does(keras, root, monkeypatch, values):
    small, expected = trained(keras, data.load(str(root), val_fraction=0.3), **values)
    monkeypatch.setattr(images, "IN_MEMORY_BYTES", 0)
    dataset = data.load(str(root), val_fraction=0.3)
    assert isinstance(dataset.train.x, LazyImages)
    large, found = trained(keras, dataset, **values)
    for one, other in zip(small.get_weights(), large.get_weights(), strict=True):
        assert np.array_equal(one, other)
    for name in ("loss", "val_loss", "val_accuracy"):
        assert found[name] == expected[name]
    assert decoding() == []


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_file_lost_while_training_is_one_clear_error_and_no_thread_stays(keras, root, monkeypatch, part):
    monkeypatch.setattr(images, "IN_MEMORY_BYTES", 0)
    dataset = data.load(str(root), val_fraction=0.3)
    (root / getattr(dataset, part).ids[7]).write_bytes(b"")
    with pytest.raises(DataError, match="changed while it was in use: empty file"):
        trained(keras, dataset)
    assert decoding() == []


def test_pruning_streams_too(keras, root, monkeypatch):
    def pruned():
        dataset = data.load(str(root), val_fraction=0.3)
        model, _ = trained(keras, dataset, epochs=1)
        section = recipe.from_mapping({"pruning": {"sparsity": 0.5, "epochs": 3}}).pruning
        losses = prune(model, dataset.train, section, batch_size=16, seed=0, reporter=Silent())
        return losses, model.get_weights()

    losses, weights = pruned()
    monkeypatch.setattr(images, "IN_MEMORY_BYTES", 0)
    found, others = pruned()
    assert found == losses
    assert all(np.array_equal(one, other) for one, other in zip(weights, others, strict=True))
    assert decoding() == []


_ON_JAX = """
import json, sys
from edgekit import data, recipe, students
from edgekit.frameworks import backend
from edgekit.data import images
from edgekit.training.augment import Augmentation
from edgekit.training.batches import Samples
from edgekit.training.fit import fit
from edgekit.types import Silent

keras = backend.load("jax")
found = []
for images.IN_MEMORY_BYTES in (images.IN_MEMORY_BYTES, 0):
    dataset = data.load(sys.argv[1], val_fraction=0.3)
    backend.seed(keras, 0, deterministic=True)
    model = students.build("students", "conv8", keras, dataset.input.shape, 2)
    section = recipe.from_mapping({"training": {"epochs": 2, "batch_size": 16}}).training
    samples = Samples(train=dataset.train, val=dataset.val, full=len(dataset.train))
    history = fit(keras, model, samples, section, augmentation=Augmentation(name="none"), seed=0, reporter=Silent())
    found.append([type(dataset.val.x).__name__, history["loss"], history["val_loss"]])
print(json.dumps(found))
"""


@pytest.mark.jax
def test_streaming_on_jax_too(root):
    pytest.importorskip("jax")
    ran = subprocess.run([sys.executable, "-c", _ON_JAX, str(root)], capture_output=True, text=True, check=True)
    memory, lazy = json.loads(ran.stdout.splitlines()[-1])
    assert (memory[0], lazy[0]) == ("ndarray", "LazyImages")
    assert lazy[1:] == memory[1:]
