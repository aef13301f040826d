"""A phone's adb daemon on 127.0.0.1, for the tests: transport protocol, shell v1 and v2, exec, and faults on request.

Standard library only; run as a program (see main). Protocol: AOSP's protocol.txt and shell_protocol.h. It hangs up on
programs as adbd does: SIGHUP to the shell alone, and its pipes are closed. SIGUSR1 pulls the cable, SIGUSR2 plugs it in again.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import shutil
import signal
import socket
import struct
import subprocess
import threading

from adbd_sync import CHUNK, sync  # it lies beside this program

_MAX_DATA = 256 * 1024
_STDIN, _STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = range(5)


class Stream:
    """One stream of a connection: bytes in and out, one write at a time under way, as the protocol has it."""

    def __init__(self, connection: Connection, own: int, theirs: int) -> None:
        self.connection, self.own, self.theirs = connection, own, theirs
        self.incoming: queue.Queue[bytes | None] = queue.Queue()
        self.may_write = threading.Semaphore(1)
        self.closed = False
        self._rest = b""
        self._write_lock = threading.Lock()

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes. Raises EOFError when the other side is gone."""
        while len(self._rest) < size:
            data = self.incoming.get()
            if data is None:
                raise EOFError
            self._rest += data
            self.connection.send(b"OKAY", self.own, self.theirs)
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def write(self, data: bytes) -> None:
        with self._write_lock:
            for start in range(0, len(data), self.connection.max_data):
                self.may_write.acquire()
                if self.closed:
                    raise EOFError
                self.connection.send(b"WRTE", self.own, self.theirs, data[start : start + self.connection.max_data])

    def end(self) -> None:
        """The other side is gone."""
        self.closed = True
        self.incoming.put(None)
        self.may_write.release()

    def packet(self) -> tuple[int, bytes]:
        kind, size = struct.unpack("<BI", self.read(5))
        return kind, self.read(size)

    def write_packet(self, kind: int, data: bytes) -> None:
        for start in range(0, len(data), CHUNK):
            part = data[start : start + CHUNK]
            self.write(struct.pack("<BI", kind, len(part)) + part)


class Connection:
    """One adb server that is connected."""

    def __init__(self, link: socket.socket, phone: argparse.Namespace) -> None:
        self.link, self.phone = link, phone
        self.max_data = _MAX_DATA
        self.streams: dict[int, Stream] = {}
        self._lock = threading.Lock()
        self._sent = self._received = 0

    def send(self, command: bytes, arg0: int, arg1: int, data: bytes = b"") -> None:
        number = struct.unpack("<I", command)[0]
        # From this version of the protocol on, nobody looks at the check sum.
        header = struct.pack("<6I", number, arg0, arg1, len(data), 0, number ^ 0xFFFFFFFF)
        if command == b"WRTE":
            self._sent += len(data)
            if 0 < self.phone.vanish_out < self._sent:
                os.kill(os.getpid(), signal.SIGUSR1)
                return
        with self._lock, contextlib.suppress(OSError):
            self.link.sendall(header + data)

    def serve(self) -> None:
        """Until the other side hangs up."""
        stream = self.link.makefile("rb")
        with contextlib.suppress(OSError, ValueError):
            while len(header := stream.read(24)) == 24:
                command, arg0, arg1, size = struct.unpack("<4s3I", header[:16])
                self._handle(command, arg0, arg1, stream.read(size))
        for each in list(self.streams.values()):
            each.end()
        self.link.close()

    def _handle(self, command: bytes, arg0: int, arg1: int, data: bytes) -> None:
        if command in (b"CNXN", b"AUTH") and self.phone.unauthorized:
            # A phone whose owner has confirmed nothing: each signature and each key is answered by another question.
            if command == b"CNXN" or arg0 == 2:
                self.send(b"AUTH", 1, 0, os.urandom(20))
        elif command == b"CNXN":
            self.max_data = min(arg1, _MAX_DATA)
            names = "ro.product.name=edgekit;ro.product.model=EdgeKit_Phone;ro.product.device=double"
            self.send(b"CNXN", 0x01000001, _MAX_DATA, f"device::{names};features={self.phone.features}".encode())
        elif command == b"OPEN":
            self._open(arg0, data.rstrip(b"\0").decode(errors="surrogateescape"))
        elif arg1 in self.streams:
            stream = self.streams[arg1]
            if command == b"WRTE":
                self._received += len(data)
                if 0 < self.phone.vanish_in < self._received:
                    os.kill(os.getpid(), signal.SIGUSR1)
                    return
                stream.incoming.put(data)
            elif command == b"OKAY":
                stream.may_write.release()
            elif command == b"CLSE":
                stream.end()

    def _open(self, theirs: int, service: str) -> None:
        name, _, rest = service.partition(":")
        serve = {"shell": shell, "exec": shell, "sync": sync}.get(name.partition(",")[0])
        if serve is None or ("v2" in name and "shell_v2" not in self.phone.features):
            self.send(b"CLSE", 0, theirs)
            return
        stream = Stream(self, len(self.streams) + 1, theirs)
        self.streams[stream.own] = stream
        self.send(b"OKAY", stream.own, theirs)

        def run() -> None:
            with contextlib.suppress(EOFError, OSError):
                serve(stream, name, rest, self.phone)
            self.send(b"CLSE", stream.own, theirs)

        threading.Thread(target=run, daemon=True).start()


def shell(stream: Stream, name: str, script: str, phone: argparse.Namespace) -> None:
    """A program in the phone's root. v2: three streams and a status; v1 and exec: what it writes, and no status."""
    framed = "v2" in name
    command = os.fsencode(script)
    chroot = shutil.which("chroot", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or "chroot"
    argv = [os.fsencode(chroot), os.fsencode(phone.root), b"/system/bin/sh", b"-c", command]
    variables = {"PATH": "/system/bin", "HOME": "/", "TMPDIR": "/data/local/tmp", "ANDROID_ROOT": "/system"}
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if framed else subprocess.STDOUT,
        env=variables,
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None

    def pump(kind: int, pipe: int) -> None:
        with contextlib.suppress(EOFError, OSError):
            while data := os.read(pipe, CHUNK):
                stream.write_packet(kind, data) if framed else stream.write(data)

    pipes = [(_STDOUT, process.stdout.fileno())]
    if process.stderr is not None:
        pipes.append((_STDERR, process.stderr.fileno()))
    pumps = [threading.Thread(target=pump, args=pipe, daemon=True) for pipe in pipes]
    for each in pumps:
        each.start()
    ended = threading.Event()

    def take_input() -> None:
        """stdin, until the other side hangs up on a program that still runs."""
        try:
            while True:
                kind, data = stream.packet() if framed else (_STDIN, stream.read(1))
                if kind == _STDIN:
                    with contextlib.suppress(OSError):
                        os.write(process.stdin.fileno(), data)  # type: ignore[union-attr]
                elif kind == _CLOSE_STDIN:
                    process.stdin.close()  # type: ignore[union-attr]
        except (EOFError, ValueError):
            if not ended.is_set():
                process.send_signal(signal.SIGHUP)
                with contextlib.suppress(OSError):
                    process.stdin.close()  # type: ignore[union-attr]

    threading.Thread(target=take_input, daemon=True).start()
    for each in pumps:
        each.join()
    status = process.wait()
    ended.set()
    if framed:
        stream.write_packet(_EXIT, bytes([status if status >= 0 else 128 - status]))


def main() -> None:
    """Serve until killed. The port is written to standard output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", help="the folder that is the phone's root")
    parser.add_argument("--features", default="shell_v2,fixed_push_mkdir")
    parser.add_argument("--unauthorized", action="store_true")
    parser.add_argument("--vanish-in", type=int, default=0, help="pull the cable after so many bytes to the phone")
    parser.add_argument("--vanish-out", type=int, default=0, help="the same for bytes from the phone")
    parser.add_argument("--corrupt", action="store_true", help="store other bytes than were sent")
    parser.add_argument("--slow", action="store_true", help="a tenth of a second for each 64 KB to the phone")
    parser.add_argument("--refuse", default="", help="store nothing, and say this")
    phone = parser.parse_args()
    plugged = threading.Event()
    plugged.set()
    connections: list[socket.socket] = []

    def unplug(*_: object) -> None:
        plugged.clear()
        for link in connections:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        connections.clear()

    signal.signal(signal.SIGUSR1, unplug)
    signal.signal(signal.SIGUSR2, lambda *_: plugged.set())
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        link, _ = listener.accept()
        if not plugged.is_set():
            link.close()
            continue
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections.append(link)
        threading.Thread(target=Connection(link, phone).serve, daemon=True).start()


if __name__ == "__main__":
    main()
