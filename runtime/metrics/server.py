"""A page that is made anew for whoever asks, over HTTP."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stc.errors import InputError
from stc.runtime.metrics.exposition import CONTENT_TYPE

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
PATH = "/metrics"
SILENCE = 5.0  # seconds until somebody who connected and asks for nothing is hung up on
GLANCE = 0.05  # seconds between two looks whether to end


def parse(address: str) -> tuple[str, int]:
    """`9100`, `0.0.0.0:9100`, `[::1]:9100`: host (without one, the loopback) and port. Raises InputError."""
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdecimal() and int(port) < 65_536):
        raise InputError(f"--metrics {address}: not a port from 0 to 65535, or HOST:PORT; give one such as: 9100")
    return host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port)


@contextmanager
def serving(address: str, page: Callable[[], str]) -> Iterator[str]:
    """Give what `page` returns at `/metrics` of `address` (port 0: a free one) until the block ends; yields the URL.

    `page` is called in threads of its own. Raises InputError where the address is none, or taken.
    """
    host, port = parse(address)

    class Handler(_Handler):
        def page(self) -> str:
            return page()

    try:
        server = _server(host, port)((host, port), Handler)
    except OSError as error:
        raise InputError(
            f"--metrics {address}: cannot be listened at ({error.strerror}); give another port, or see who has it: "
            "ss -ltnp"
        ) from error
    thread = threading.Thread(target=server.serve_forever, args=(GLANCE,), name="stc metrics", daemon=True)
    thread.start()
    shown = f"[{host}]" if ":" in host else host
    try:
        yield f"http://{shown}:{server.server_address[1]}{PATH}"
    finally:
        server.shutdown()
        server.server_close()


def _server(host: str, port: int) -> type[ThreadingHTTPServer]:
    """For the family of addresses that `host` is of. Raises OSError for a name that is unknown."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]

    class Server(ThreadingHTTPServer):
        address_family = family
        daemon_threads = True
        block_on_close = False  # a client that hangs must not keep the command

        def server_bind(self) -> None:
            """Without the name of the host, which HTTPServer looks up: that takes seconds where no resolver answers."""
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind(self.server_address)
            self.server_address = self.socket.getsockname()
            self.server_name, self.server_port = host, self.server_address[1]

        def handle_error(self, *_: object) -> None:
            log.debug("a reader of the metrics was lost", exc_info=True)

    return Server


class _Handler(BaseHTTPRequestHandler):
    timeout = SILENCE

    def page(self) -> str:
        raise NotImplementedError

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != PATH:
            self.send_error(404, f"see {PATH}")
            return
        content = self.page().encode()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Silent: a scraper asks every few seconds."""
