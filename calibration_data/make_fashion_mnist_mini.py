"""Make calibration_data/fashion-mnist-mini from the full Fashion-MNIST: the same bytes from the same input, every time.

    python calibration_data/make_fashion_mnist_mini.py FASHION_MNIST_FOLDER

FASHION_MNIST_FOLDER holds the four IDX files (gzip or not). Takes 1,000 train and 200 test images per class, chosen by a
seeded draw and kept in their official order, so a sample can be found again in the full set (see `indices.json`).
Needs only numpy.
"""

import gzip
import hashlib
import json
import pathlib
import sys

import numpy as np

SEED = 20_260_101
PER_CLASS = {"train": 1_000, "t10k": 200}
OUT = pathlib.Path(__file__).parent / "fashion-mnist-mini"


def read(folder: pathlib.Path, name: str) -> bytes:
    """The decompressed bytes of the IDX file `name` in `folder`."""
    packed = folder / f"{name}.gz"
    return gzip.decompress(packed.read_bytes()) if packed.exists() else (folder / name).read_bytes()


def write(name: str, header: bytes, body: bytes) -> None:
    """Write one gzip IDX file; mtime 0 and no name inside, so the bytes repeat."""
    with open(OUT / f"{name}.gz", "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(header + body)


def main(folder: pathlib.Path) -> None:
    OUT.mkdir(exist_ok=True)
    rng = np.random.default_rng(SEED)
    indices = {}
    for split, per_class in PER_CLASS.items():
        images = np.frombuffer(read(folder, f"{split}-images-idx3-ubyte"), "u1", offset=16).reshape(-1, 28, 28)
        labels = np.frombuffer(read(folder, f"{split}-labels-idx1-ubyte"), "u1", offset=8)
        chosen = np.sort(
            np.concatenate([rng.choice(np.flatnonzero(labels == k), per_class, replace=False) for k in range(10)])
        )
        count = np.array([len(chosen)], ">i4").tobytes()
        header = b"\x00\x00\x08\x03" + count + np.array([28, 28], ">i4").tobytes()
        write(f"{split}-images-idx3-ubyte", header, images[chosen].tobytes())
        write(f"{split}-labels-idx1-ubyte", b"\x00\x00\x08\x01" + count, labels[chosen].tobytes())
        indices[split] = chosen.tolist()
    (OUT / "indices.json").write_text(json.dumps({"seed": SEED, **indices}, separators=(",", ":")) + "\n")
    names = sorted(p.name for p in OUT.iterdir() if p.name.endswith(("ubyte.gz", "indices.json")))
    lines = [f"{hashlib.sha256((OUT / name).read_bytes()).hexdigest()}  {name}" for name in names]
    (OUT / "SHA256SUMS").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
