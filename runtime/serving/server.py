"""A small HTTP server beside the work of a command: it answers GET and HEAD, each request in a thread of its own."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from stc.errors import InputError

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
SILENCE = 5.0  # seconds until somebody who asks for nothing, or does not take the answer, is hung up on
GLANCE = 0.05  # seconds between two looks whether to end
CONNECTIONS = 64  # at once; whoever comes beyond is hung up on
# What a browser may do with an answer: nothing that reaches for another machine, nor in a page of somebody else.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; connect-src 'self'; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def parse(option: str, address: str) -> tuple[str, int]:
    """`9100`, `0.0.0.0:9100`, `[::1]:9100`: host (without one, the loopback) and port. Raises InputError."""
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) < 65_536):
        raise InputError(f"{option} {address}: not a port from 0 to 65535, or HOST:PORT; give one such as: 9100")
    return host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port)


class Handler(BaseHTTPRequestHandler):
    """One request. A subclass says what is answered."""

    timeout = SILENCE
    server: Server
    server_version, sys_version = "stc", ""

    def answer(self, path: str) -> None:
        """Answer a GET or HEAD of `path`, which is without its query, by `send`, `begin` or `send_error`."""
        raise NotImplementedError

    def do_GET(self) -> None:
        if not self.server.is_called(self.headers.get("Host", "")):
            self.send_error(403, "not the name of this machine", f"open {self.server.url}")
            return
        self.answer(self.path.partition("?")[0])

    do_HEAD = do_GET  # noqa: N815

    @property
    def wants_body(self) -> bool:
        return self.command != "HEAD"

    def send(self, content: bytes, kind: str) -> None:
        """An answer of one piece. kind: its media type."""
        self.begin(kind, len(content))
        if self.wants_body:
            self.wfile.write(content)

    def begin(self, kind: str, length: int | None = None) -> None:
        """The head of an answer; length: bytes that follow; None: nobody knows."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Silent: some ask every second."""


@contextmanager
def serving(option: str, address: str, handler: type[Handler]) -> Iterator[Server]:
    """Let `handler` answer at `address` (port 0: a free one) until the block ends.

    Who is still being answered then keeps nobody. Raises InputError, which names `option`, where the address is none,
    or taken.
    """
    host, port = parse(option, address)
    try:
        server = Server(host, port, handler)
    except OSError as error:
        raise InputError(
            f"{option} {address}: cannot be listened at ({error.strerror}); give another port, or see who has it: "
            "ss -ltnp"
        ) from error
    name = f"stc {option.removeprefix('--')}"
    threading.Thread(target=server.serve_forever, args=(GLANCE,), name=name, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class Server(ThreadingHTTPServer):
    """url: as a browser of this machine writes it, without a path. local: only this machine reaches it."""

    daemon_threads = True
    block_on_close = False  # a client that hangs must not keep the command

    def __init__(self, host: str, port: int, handler: type[Handler]) -> None:
        """Raises OSError for a name that is unknown, and for an address that is taken or another machine's."""
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        self._host = host
        self._answering, self._lock = 0, threading.Lock()
        super().__init__((host, port), handler)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.server_port}"
        self.local = _is_loopback(str(self.server_address[0]))

    def is_called(self, host: str) -> bool:
        """Whether `host`, a request's Host, may stand for this server.

        A page of a stranger, whose name its server lets mean 127.0.0.1 a moment later, may otherwise read what is only
        for this machine (DNS rebinding). What every machine reaches has names that nobody here knows.
        """
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return not self.local or name in ("", "localhost", self._host) or _is_loopback(name)

    def server_bind(self) -> None:
        """Without the name of the host, which HTTPServer looks up: that takes seconds where no resolver answers."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self._host, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            welcome = self._answering < CONNECTIONS
            self._answering += welcome
        if not welcome:
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no more threads
            self._answered()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._answered()

    def _answered(self) -> None:
        with self._lock:
            self._answering -= 1

    def handle_error(self, *_: object) -> None:
        if isinstance(sys.exc_info()[1], OSError):
            log.debug("somebody hung up", exc_info=True)
        else:
            log.warning("a request could not be answered", exc_info=True)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
