"""What the process that reads a live source is told, what it sends over its pipe, and how that is read in time."""

from __future__ import annotations

import json
import math
import os
import select
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import TypeAlias

import numpy as np

from stc.runtime.video.frame import Concealed, Damaged, Image

HEADER = struct.Struct("<BI")  # kind, and the bytes that follow it
PICTURE = struct.Struct("<dII")  # stamp (nan: none), height, width
OPENED, SHOWN, SKIPPED, DAMAGED, CONCEALED, LOST, ENDED = range(1, 8)
STUCK = 5.0  # seconds for the rest of a message that has begun


@dataclass(frozen=True)
class Task:
    """What to open and how: FFmpeg's name of the format (None: guessed) and options, and time limits in seconds.

    Frame i of this connection is sent where (i + offset) % every is 0, of the others only their time. ends: the end of
    the stream is an end, and not a loss. hwaccel: the device that decodes (`hardware.py`).
    """

    target: str = field(repr=False)  # with its password
    format: str | None
    options: dict[str, str]
    timeouts: tuple[float, float]
    ends: bool
    every: int
    offset: int = 0
    hwaccel: str | None = None

    def to_json(self) -> bytes:
        """One line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> Task:
        values = json.loads(line)
        return cls(**{**values, "timeouts": tuple(values["timeouts"])})


@dataclass(frozen=True)
class Opened:
    """Video was found; `stated`: the server states its length, so it is a recording and not live. software: why the
    device that was asked for does not decode it.
    """

    fps: float
    size: tuple[int, int] | None
    stated: bool
    software: str = ""


@dataclass(frozen=True)
class Picture:
    """stamp: seconds of any origin, or None. image: None where the frame was not asked for."""

    stamp: float | None
    image: Image | None


@dataclass(frozen=True)
class Lost:
    """The connection failed or broke; `reason` holds no address."""

    reason: str


@dataclass(frozen=True)
class Ended:
    """The server ended the stream as agreed."""


Message: TypeAlias = Opened | Picture | Damaged | Concealed | Lost | Ended


class Silent(Exception):  # noqa: N818 - nothing has gone wrong
    """No message came in time."""


def pack(message: Message) -> Iterator[bytes | memoryview]:
    """The parts to write, one after the other."""
    match message:
        case Opened(fps, size, stated, software):
            yield from _framed(OPENED, json.dumps([fps, size, stated, software]).encode())
        case Picture(stamp, image):
            number = math.nan if stamp is None else stamp
            if image is None:
                yield from _framed(SKIPPED, PICTURE.pack(number, 0, 0))
                return
            yield HEADER.pack(SHOWN, PICTURE.size + image.nbytes) + PICTURE.pack(number, *image.shape[:2])
            yield image.data.cast("B")
        case Damaged():
            yield from _framed(DAMAGED)
        case Concealed():
            yield from _framed(CONCEALED)
        case Lost(reason):
            yield from _framed(LOST, reason.encode())
        case Ended():
            yield from _framed(ENDED)


def _framed(kind: int, body: bytes = b"") -> Iterator[bytes]:
    yield HEADER.pack(kind, len(body)) + body


class Receiver:
    """Messages from the pipe whose reading end is the descriptor `pipe`."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._poll = select.poll()
        self._poll.register(pipe, select.POLLIN)

    def receive(self, until: float) -> Message:
        """The next message. Raises Silent when none begins by `until` (monotonic seconds), and EOFError when the pipe
        ends or a message does not go on."""
        self._wait(until)
        kind, length = HEADER.unpack(self._read(HEADER.size))
        if kind in (SHOWN, SKIPPED):
            stamp, height, width = PICTURE.unpack(self._read(PICTURE.size))
            image = None
            if kind == SHOWN:
                image = np.empty((height, width, 3), np.uint8)
                self._fill(image.data.cast("B"))
            return Picture(None if math.isnan(stamp) else stamp, image)
        body = self._read(length)
        if kind == OPENED:
            fps, size, stated, software = json.loads(body)
            return Opened(fps, None if size is None else (size[0], size[1]), stated, software)
        if kind == LOST:
            return Lost(body.decode())
        bare: dict[int, Message] = {DAMAGED: Damaged(), CONCEALED: Concealed(), ENDED: Ended()}
        return bare[kind]

    def _read(self, count: int) -> bytearray:
        data = bytearray(count)
        self._fill(memoryview(data))
        return data

    def _fill(self, view: memoryview) -> None:
        until = monotonic() + STUCK
        while view:
            try:
                self._wait(until)
            except Silent:
                raise EOFError from None
            count = os.readv(self._pipe, [view])
            if count == 0:
                raise EOFError
            view = view[count:]

    def _wait(self, until: float) -> None:
        if not self._poll.poll(max(0, math.ceil((until - monotonic()) * 1000))):
            raise Silent
