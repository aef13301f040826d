"""The review over HTTP, for one person on this machine: 127.0.0.1 only, protected by a token in the address.

Every request must name this server in Host (so that no other name can be pointed here), carry the token, and, if it writes,
come from our own page (Origin). Only the routes below are served: no file is ever located by a path in a request.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import math
import secrets
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from edgekit.errors import EdgekitError, UsageError
from edgekit.review import page
from edgekit.review.pictures import SOUND
from edgekit.review.session import Refused, ReviewSession

MOST_BODY_BYTES = 4096
_TIMEOUT_S, _POLL_S = 30, 0.1
_MOST_DRAINED_BYTES, _DRAIN_S = 2**20, 2
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Server(ThreadingHTTPServer):
    """Serves a review until it is shut down. url: its address, with the token."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, session: ReviewSession, port: int) -> None:
        self.session, self.token = session, secrets.token_urlsafe(24)
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"Port {port} is not available ({error}); choose another --port, or omit the option."
            ) from None
        self.hosts = tuple(f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost"))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that disconnects is not an error."""
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError)):
            print(f"Internal error: {type(error).__name__}: {error}; please report it.", file=sys.stderr)


@contextlib.contextmanager
def serving(session: ReviewSession, port: int = 0) -> Iterator[Server]:
    """A server in a separate thread; port 0 = any free port.

    Raises:
        UsageError: the port is not available.
    """
    with Server(session, port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,), name="review", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "edgekit", ""
    timeout = _TIMEOUT_S

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *values: Any) -> None:
        """Nothing: the lines would contain the token."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Errors that the base class detects in a request, in our format."""
        self._send(code, "text/plain; charset=utf-8", f"{message or 'refused'}\n".encode(), close=True)

    def _answer(self, respond: Callable[[str, Mapping[str, str]], None]) -> None:
        try:
            respond(*self._admitted())
        except Refused as refused:
            self._send(refused.status, "text/plain; charset=utf-8", f"{refused}\n".encode(), close=True)
            self._drain()
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except (EdgekitError, OSError) as error:
            self._send(500, "text/plain; charset=utf-8", f"{error}\n".encode("utf-8", "replace"), close=True)

    def _admitted(self) -> tuple[str, Mapping[str, str]]:
        """The route and the query of a request that may be answered."""
        hosts = self.server.hosts
        if self.headers.get("Host", "") not in hosts or len(self.headers.get_all("Host", [])) != 1:
            raise Refused(403, "this server only answers to 127.0.0.1")
        origin = self.headers.get("Origin")
        allowed = [f"http://{host}" for host in hosts]
        if (origin is not None or self.command == "POST") and origin not in allowed:
            raise Refused(403, "requests from other pages are refused")
        try:
            parts = urlsplit(self.path)
        except ValueError:
            raise Refused(400, "the address cannot be read") from None
        _, _, rest = parts.path.partition("/")
        token, slash, route = rest.partition("/")
        if not hmac.compare_digest(token.encode("utf-8", "surrogateescape"), self.server.token.encode()):
            raise Refused(403, "wrong token: use the address that `edgekit review` printed")
        if not slash:
            raise Refused(404, "no such page")
        try:
            query = parse_qs(parts.query, keep_blank_values=True, max_num_fields=10, errors="strict")
        except ValueError:
            raise Refused(400, "the query cannot be read") from None
        return route, {key: values[-1] for key, values in query.items()}

    def _get(self, route: str, query: Mapping[str, str]) -> None:
        session = self.server.session
        if route in page.FILES:
            kind, content = page.FILES[route], page.read(route)
            self._send(200, kind, content)
        elif route == "":
            self._send(200, "text/html; charset=utf-8", page.render(session).encode())
        elif route == "samples":
            self._json(session.samples_of(query))
        elif route == "picture":
            self._send(200, "image/png", session.pictures.png(session.row_of(query.get("id"))))
        elif route == "sound":
            self._sound(session.row_of(query.get("id")))
        else:
            raise Refused(404, "no such page")

    def _post(self, route: str, query: Mapping[str, str]) -> None:
        if route not in ("decide", "undo"):
            raise Refused(404, "no such page")
        body = self._body()
        session = self.server.session
        self._json(session.decide(body) if route == "decide" else session.undo())

    def _body(self) -> Mapping[str, Any]:
        if self.headers.get_content_type() != "application/json":
            raise Refused(415, "expected application/json")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            raise Refused(411, "expected a Content-Length")
        if len(length) > 9 or int(length) > MOST_BODY_BYTES:
            raise Refused(413, f"a decision takes at most {MOST_BODY_BYTES} bytes")
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise Refused(400, "the body is not JSON") from None
        if not isinstance(body, dict):
            raise Refused(400, "the body is not a JSON object")
        return body

    def _sound(self, row: int) -> None:
        path = self.server.session.pictures.sound(row)
        if path is None:
            raise Refused(404, "there is no audio file of this sample")
        with open(path, "rb") as file:
            size = path.stat().st_size
            self._head(200, SOUND[path.suffix.lower()], size)
            shutil.copyfileobj(file, self.wfile)

    def _json(self, value: Any) -> None:
        self._send(200, "application/json", json.dumps(_plain(value), allow_nan=False).encode())

    def _send(self, status: int, kind: str, content: bytes, *, close: bool = False) -> None:
        # Unread data of a refused request would be read as the next one.
        self.close_connection = self.close_connection or close
        self._head(status, kind, len(content))
        self.wfile.write(content)

    def _drain(self) -> None:
        """Read a little more: a connection closed with unread data is reset, and our answer is lost."""
        left = _MOST_DRAINED_BYTES
        with contextlib.suppress(OSError):
            self.connection.settimeout(_DRAIN_S)
            self.connection.shutdown(socket.SHUT_WR)
            while left > 0 and (found := self.rfile.read1(2**16)):
                left -= len(found)

    def _head(self, status: int, kind: str, length: int) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()


def _plain(value: Any) -> Any:
    """`value` with None for numbers that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value
