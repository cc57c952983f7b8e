"""Clients of the page with live video: of one answer, of a stream of pictures, of a stream of reports."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import cv2
import numpy as np

from stc.runtime.video import Image

PATIENCE = 20.0  # seconds: a hang, not slowness


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers in small letters, and content."""
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()


def status(url: str) -> dict[str, Any]:
    code, headers, content = ask(f"{url}status.json")
    assert code == 200 and headers["content-type"] == "application/json"
    told: dict[str, Any] = json.loads(content)
    return told


def decoded(content: bytes) -> Image:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture, np.uint8)


@contextmanager
def connected(url: str, path: str, room: int | None = None) -> Iterator[BinaryIO]:
    """The answer behind its head. room: bytes of the socket's buffer, for who does not read."""
    place = urlsplit(url)
    assert place.hostname is not None and place.port is not None
    with socket.socket() as client:
        client.settimeout(PATIENCE)
        if room is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        client.connect((place.hostname, place.port))
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
        with client.makefile("rb") as answer:
            head = b"".join(iter(answer.readline, b"\r\n"))
            assert head.startswith(b"HTTP/1.0 200"), head
            yield answer


def pictures(stream: BinaryIO) -> Iterator[bytes]:
    """The parts of a multipart answer; RFC 2046 says where each ends, and each says how long it is."""
    while (line := stream.readline()).startswith(b"--"):
        head = {}
        while (line := stream.readline()).strip():
            name, _, value = line.decode().strip().partition(": ")
            head[name.lower()] = value
        if not head:
            return
        assert head["content-type"] == "image/jpeg"
        yield stream.read(int(head["content-length"]))
        assert stream.readline() == b"\r\n"
    assert line == b""


def reports(events: BinaryIO) -> Iterator[dict[str, Any]]:
    """The messages of a stream of events."""
    assert events.readline().startswith(b"retry: ")
    for line in events:
        if line.strip():
            assert line.startswith(b"data: ")
            yield json.loads(line.removeprefix(b"data: "))


def until(condition: Any) -> None:
    end = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < end
        sleep(0.01)
