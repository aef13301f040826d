"""Every product in models/ is whole, and its file does what it should on images that shipped with edgekit."""

import json

import pytest
from tests.conftest import REPOSITORY

from edgekit import store
from edgekit.bench import litert

PRODUCTS = sorted(path.parent for path in (REPOSITORY / "models").glob("*/manifest.json"))


def test_there_is_a_product():
    assert PRODUCTS


@pytest.mark.parametrize("folder", PRODUCTS, ids=lambda path: path.name)
def test_digests_and_accuracy(folder, shipped):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {p.name for p in folder.iterdir()} == set(manifest["files"]) | {"manifest.json"}
    for name, digest in manifest["files"].items():
        assert store.sha256_file(folder / name) == digest, name
    path = folder / "model_int8.tflite"
    assert path.stat().st_size <= 40 * 1024
    accuracy = (litert.probabilities(path, shipped.test.x).argmax(axis=1) == shipped.test.y).mean()
    assert accuracy >= 0.9, "the shipped test images are a fifth of the official ones"
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["classes"] == (folder / "labels.txt").read_text().splitlines() == list(shipped.classes)
