"""MNIST (LeCun, Cortes, Burges; CC BY-SA 3.0): 60,000 train and 10,000 test images of handwritten digits, 28x28 gray."""

from __future__ import annotations

from edgekit.data import named
from edgekit.types import RawData, ReadOptions

_SET = named.Named(
    name="mnist",
    urls=("https://storage.googleapis.com/cvdf-datasets/mnist", "https://ossci-datasets.s3.amazonaws.com/mnist"),
    digests={
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    classes=tuple("0123456789"),
    mirrored=False,
)


def read(spec: str, options: ReadOptions) -> RawData:
    """Read the set from $EDGEKIT_DATA, the user cache or the network; `spec` is the set's name."""
    return named.read(_SET)
