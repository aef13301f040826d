"""Damaged and hostile .npz files: every one a clear error, none a traceback."""

import struct
import zipfile

import numpy as np
import pytest

from edgekit.errors import IntegrityError, RecipeError
from edgekit.students.pretrained import tensors as tensor_files


def npy(shape, body=b""):
    """A .npy file with any shape in its header."""
    header = str({"descr": "<f4", "fortran_order": False, "shape": shape}).encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def zipped(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def changed(path, local=(), central=()):
    """`path` with bytes of its only member's two headers replaced: (offset, bytes)."""
    content = bytearray(path.read_bytes())
    for signature, changes in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        start = content.find(signature)
        for offset, new in changes:
            content[start + offset : start + offset + len(new)] = new
    path.write_bytes(content)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "c.npz"


def test_what_savez_writes_is_read_as_float32(path):
    np.savez(path, one=np.ones((2, 3), np.float64), two=np.zeros(4, np.float16))
    found = tensor_files.arrays(path)
    assert sorted(found) == ["one", "two"] and {a.dtype for a in found.values()} == {np.dtype(np.float32)}
    np.savez_compressed(path, one=np.ones((2, 3), np.float32))
    assert (tensor_files.arrays(path)["one"] == 1).all()


@pytest.mark.parametrize("shape", [(1, 1, 10**14), (10**6,)])
def test_a_shape_that_the_file_does_not_hold(path, shape):
    zipped(path, [("cls_token.npy", npy(shape, b"\0" * 16))])
    with pytest.raises(IntegrityError, match=r"c\.npz cannot be read as \.npz: ."):
        tensor_files.arrays(path)


def test_a_member_shorter_than_stated(path):
    zipped(path, [("cls_token.npy", npy((10**6,), b"\0" * 16))])
    changed(path, central=[(20, struct.pack("<II", 5 * 10**6, 5 * 10**6))])
    with pytest.raises(IntegrityError, match=r"c\.npz cannot be read as \.npz: ."):
        tensor_files.arrays(path)


def test_members_that_savez_does_not_write(path):
    good = ("cls_token.npy", npy((4,), b"\0" * 16))
    zipped(path, [good, ("README.txt", b"hello")])
    with pytest.raises(IntegrityError, match=r"its member 'README\.txt' is not an \.npy array"):
        tensor_files.arrays(path)
    changed(zipped(path, [good]), local=[(6, b"\x01")], central=[(8, b"\x01")])
    with pytest.raises(IntegrityError, match="is encrypted"):
        tensor_files.arrays(path)
    changed(zipped(path, [good]), local=[(8, b"\x63")], central=[(10, b"\x63")])
    with pytest.raises(IntegrityError, match="uses another compression"):
        tensor_files.arrays(path)
    with pytest.warns(UserWarning, match="Duplicate name"):
        zipped(path, [good, good])
    with pytest.raises(IntegrityError, match="occurs twice"):
        tensor_files.arrays(path)


def test_damaged_deflate(path):
    np.savez_compressed(path, a=np.random.default_rng(0).random(4000, np.float32))
    content = bytearray(path.read_bytes())
    for i in range(4000, 4400):
        content[i] ^= 0xA5
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"c\.npz cannot be read as \.npz: ."):
        tensor_files.arrays(path)


def test_a_small_file_that_unpacks_to_gigabytes(path):
    """The directory's own figures are enough to refuse it: nothing is unpacked."""
    zipped(path, [(f"t{i}.npy", npy((4,), b"\0" * 16)) for i in range(3)])
    content = path.read_bytes()
    large = struct.pack("<I", 2**30)
    at = [i for i in range(len(content)) if content.startswith(b"PK\x01\x02", i)]
    for i in at:
        content = content[: i + 24] + large + content[i + 28 :]
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"c\.npz unpacks to 3,221,225,472 bytes; expected at most 2,147,483,648"):
        tensor_files.arrays(path)


@pytest.mark.parametrize("value", [np.float32(1), np.zeros((1, 64, 1, 0), np.float32)])
def test_tensors_without_a_number(path, value):
    np.savez(path, cls_token=value)
    with pytest.raises(
        RecipeError, match=r"'cls_token' of c\.npz has the shape \(.*\); expected axes, and none of size 0"
    ):
        tensor_files.arrays(path)


def test_values_that_are_no_finite_floats(path):
    np.savez(path, a=np.array([1, np.nan], np.float32))
    with pytest.raises(IntegrityError, match=r"'a' of c\.npz contains values that are not finite"):
        tensor_files.arrays(path)
    np.savez(path, a=np.array([1e300]))
    with pytest.raises(IntegrityError, match="not finite as float32"):
        tensor_files.arrays(path)
    np.savez(path, a=np.zeros(3, np.int64))
    with pytest.raises(RecipeError, match="is int64; expected floating point"):
        tensor_files.arrays(path)
    np.savez(path, a=np.array([{}], dtype=object))
    with pytest.raises(IntegrityError, match=r"cannot be read as \.npz: Object arrays cannot be loaded"):
        tensor_files.arrays(path)


def test_files_that_are_none(path):
    with pytest.raises(RecipeError, match="may run code when it is read"):
        tensor_files.arrays(path.with_suffix(".pth"))
    with pytest.raises(RecipeError, match="does not exist"):
        tensor_files.arrays(path)
    path.write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(IntegrityError, match=r"c\.npz cannot be read"):
        tensor_files.arrays(path)
    with path.open("wb") as file:
        np.save(file, np.ones(3, np.float32))
    with pytest.raises(IntegrityError, match=r"c\.npz cannot be read as \.npz: File is not a zip file"):
        tensor_files.arrays(path)
