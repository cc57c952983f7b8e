"""HTTP with a server that may drip, lie or never end: every exchange is bounded in time and size, as a whole."""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Mapping
from time import monotonic
from typing import Any

_PIECE = 1 << 20


class TooLarge(http.client.HTTPException):
    """The server sends more than was allowed."""


class Connection:
    """One connection to `host`, kept open between exchanges; one thread at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = _Connection(host, port)

    def exchange(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str], seconds: float, limit: int
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and content of the answer.

        Connecting, sending and the whole answer take `seconds` at most, and the answer, with its headers, `limit`
        bytes. Raises OSError (TimeoutError when the time is over) or http.client.HTTPException (TooLarge).
        """
        budget = self._connection.budget = _Budget(monotonic() + seconds, limit)
        kept = self._connection.sock is not None
        try:
            try:
                return self._exchange(method, target, body, headers)
            except ConnectionError:
                if not kept or budget.received:
                    raise
                self.close()  # the server had closed what was kept open, before it knew of this request
                return self._exchange(method, target, body, headers)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._connection.close()

    def _exchange(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        self._connection.request(method, target, body, dict(headers))
        answer = self._connection.getresponse()
        pieces = []
        # Piece by piece: memory is taken for what is there, not for what a header promises.
        while piece := answer.read(_PIECE):
            pieces.append(piece)
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
        return answer.status, answer.headers, b"".join(pieces)


class _Budget:
    """What is left of an exchange's time and bytes."""

    def __init__(self, end: float, bytes_: int) -> None:
        self._end = end
        self._limit = bytes_
        self.received = 0

    def seconds(self) -> float:
        left = self._end - monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def receive(self, count: int) -> None:
        self.received += count
        if self.received > self._limit:
            raise TooLarge(f"an answer of more than {self._limit:,} bytes")


class _Connection(http.client.HTTPConnection):
    budget: _Budget

    def connect(self) -> None:
        self.timeout = self.budget.seconds()
        super().connect()
        self.sock: Any = _Socket(self.sock, self)


class _Socket:
    """What http.client uses of a socket, on the connection's budget."""

    def __init__(self, sock: socket.socket, connection: _Connection) -> None:
        self._sock = sock
        self._connection = connection

    def sendall(self, data: Any) -> None:
        self._sock.settimeout(self._connection.budget.seconds())  # of the whole of it
        self._sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._connection.budget))

    def close(self) -> None:
        self._sock.close()


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, budget: _Budget) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)  # holds the socket until the answer is read
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._budget.seconds())
        count = self._raw.readinto(buffer)
        self._budget.receive(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
