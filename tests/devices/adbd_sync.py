"""Files of the tests' phone by sync v1 (AOSP's SYNC.TXT): STAT, LIST, RECV and SEND, with the faults of adbd.py."""

from __future__ import annotations

import argparse
import os
import stat
import struct
import time
from pathlib import Path
from typing import Protocol

CHUNK = 64 * 1024


class Stream(Protocol):
    """A stream of adbd.py: exactly so many bytes (EOFError: the other side is gone), and bytes back."""

    def read(self, size: int) -> bytes: ...
    def write(self, data: bytes) -> None: ...


def sync(stream: Stream, name: str, rest: str, phone: argparse.Namespace) -> None:
    """Files, by sync v1: STAT, LIST, RECV, SEND."""
    while True:
        request, size = struct.unpack("<4sI", stream.read(8))
        if request == b"QUIT":
            return
        argument = os.fsdecode(stream.read(size))
        try:
            if request == b"STAT":
                _stat(stream, _inside(phone, argument))
            elif request == b"LIST":
                _list(stream, _inside(phone, argument))
            elif request == b"RECV":
                _receive(stream, _inside(phone, argument))
            elif request == b"SEND":
                path, _, mode = argument.rpartition(",")
                _store(stream, path, int(mode), phone)
        except OSError as error:
            message = (error.strerror or str(error)).encode()
            stream.write(b"FAIL" + struct.pack("<I", len(message)) + message)


def _inside(phone: argparse.Namespace, path: str) -> Path:
    """A path of the phone in its root; nothing outside of it is reached, whatever links there say."""
    found = Path(os.path.realpath(f"{phone.root}/{path}"))
    if not found.is_relative_to(os.path.realpath(phone.root)):
        raise PermissionError(13, "Permission denied")
    return found


def _stat(stream: Stream, path: Path) -> None:
    try:
        found = path.lstat()
        answer = found.st_mode, found.st_size & 0xFFFFFFFF, int(found.st_mtime)
    except OSError:
        answer = 0, 0, 0
    stream.write(b"STAT" + struct.pack("<3I", *answer))


def _list(stream: Stream, path: Path) -> None:
    for entry in sorted(path.iterdir()) if path.is_dir() else ():
        found, name = entry.lstat(), os.fsencode(entry.name)
        stream.write(b"DENT" + struct.pack("<4I", found.st_mode, found.st_size, int(found.st_mtime), len(name)) + name)
    stream.write(b"DONE" + bytes(16))


def _receive(stream: Stream, path: Path) -> None:
    with open(path, "rb") as file:
        while data := file.read(CHUNK):
            stream.write(b"DATA" + struct.pack("<I", len(data)) + data)
    stream.write(b"DONE" + bytes(4))


def _store(stream: Stream, path: str, mode: int, phone: argparse.Namespace) -> None:
    """Store a file, or take all of it and then say why not: adb does not listen while it sends."""
    failure: OSError | None = None
    file = None
    try:
        if phone.refuse:
            raise OSError(1, phone.refuse)
        target = _inside(phone, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        file = open(target, "wb")  # noqa: SIM115
    except OSError as error:
        failure = OSError(error.errno, f"couldn't create file: {error.strerror}")
    while True:
        kind, size = struct.unpack("<4sI", stream.read(8))
        if kind == b"DONE":  # the size is the time of the last change
            break
        data = stream.read(size)
        if phone.slow:
            time.sleep(0.1)
        if phone.corrupt:
            data = bytes([data[0] ^ 1]) + data[1:]
        try:
            if file is not None and failure is None:
                file.write(data)
        except OSError as error:
            failure = OSError(error.errno, f"write failed: {error.strerror}")
    if file is not None:
        try:
            file.close()
        except OSError as error:
            failure = failure or OSError(error.errno, f"write failed: {error.strerror}")
        bits = stat.S_IMODE(mode) & 0o777
        target.chmod(bits | (bits >> 3 & 0o070) | (bits >> 3 & 0o007))
        if failure is not None:
            target.unlink()
    if failure is not None:
        raise failure
    stream.write(b"OKAY" + bytes(4))
