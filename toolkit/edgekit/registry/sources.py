"""Where labeled samples come from."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.registry.entry import Entry

SOURCES: Mapping[str, Entry] = {
    "fashion-mnist-mini": Entry(
        "edgekit.data.sources.fashion_mnist_mini:read",
        "10,000 + 2,000 real images shipped with edgekit (the default)",
    ),
    "fashion-mnist": Entry("edgekit.data.sources.fashion_mnist:read", "60,000 + 10,000 images, downloaded if missing"),
    "mnist": Entry("edgekit.data.sources.mnist:read", "60,000 + 10,000 handwritten digits, downloaded if missing"),
    "cifar10-jpeg": Entry(
        "edgekit.data.sources.cifar10_jpeg:read",
        "50,000 + 10,000 color images re-encoded as JPEG, from cifar10-jpg.tar in $EDGEKIT_DATA",
    ),
    "fsdd": Entry(
        "edgekit.data.sources.fsdd:read",
        "3,000 spoken digits of 6 speakers, from fsdd/recordings in $EDGEKIT_DATA",
        "audio",
    ),
    "idx": Entry("edgekit.data.sources.idx:read", "a folder with MNIST-style IDX files, gzip or not"),
    "npz": Entry("edgekit.data.sources.npz:read", "a .npz file with x_train, y_train, x_test, y_test"),
    "folder": Entry(
        "edgekit.data.sources.folder:read", "a folder of images or clips by class, with train/ and test/ or without"
    ),
    "csv": Entry("edgekit.data.sources.csv:read", "a CSV with label,pixel0,pixel1,... or path,label[,group][,split]"),
    "hf": Entry("edgekit.data.sources.hf:read", "hf:NAME from the Hugging Face Hub, or hf:/local/folder", "hf"),
    "tfds": Entry(
        "edgekit.data.sources.tfds:read", "tfds:NAME from TensorFlow Datasets, or tfds:/prepared/folder", "tfds"
    ),
}
