"""An RTSP server on the loopback that misbehaves on command: H.264 over RTP, interleaved in TCP (RFC 2326, 6184).

It is a camera with a clock of its own: a picture every 1/FPS seconds, whether somebody watches or not. The number of a
picture is drawn into it as blocks that survive the codec, so a test sees exactly which pictures arrived.
"""

from __future__ import annotations

import base64
import random
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from functools import cache

import av
import numpy as np

from stc.runtime.video import Image

FPS = 50
CLOCK = 90_000  # of RTP time stamps, Hz
PERIOD = 50  # pictures that repeat; the first is a key picture, and every GOP-th
GOP = 5
BITS = 12
BLOCK = 16  # pixels of one bit
SIZES = {"small": (96, 192), "large": (160, 256)}  # height, width
MTU = 200  # bytes of a packet: small, so that pictures need fragments
SECRET = "hunter2"


def numbered(number: int, size: tuple[int, int]) -> Image:
    """A gray picture with `number` in binary in its first row of blocks, and a white square that stands still."""
    picture = np.full((*size, 3), 60, np.uint8)
    for bit in range(BITS):
        picture[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 130 if number >> bit & 1 else 20
    picture[48:80, 48:80] = 250
    return picture


def number_of(picture: Image) -> int:
    blocks = picture[4 : BLOCK - 4, : BITS * BLOCK].mean(axis=(0, 2)).reshape(BITS, BLOCK)[:, 4:-4].mean(axis=1)
    return sum(int(level > 75) << bit for bit, level in enumerate(blocks))


@cache
def encoded(name: str) -> list[list[bytes]]:
    """NAL units of each of `PERIOD` pictures; key pictures begin with their parameter sets."""
    height, width = SIZES[name]
    codec = av.CodecContext.create("libx264", "w")
    codec.height, codec.width, codec.pix_fmt = height, width, "yuv420p"
    codec.framerate, codec.time_base = FPS, Fraction(1, FPS)
    codec.options = {
        "preset": "ultrafast", "tune": "zerolatency", "crf": "16",
        "x264-params": f"keyint={GOP}:min-keyint={GOP}:scenecut=0:repeat-headers=1:sliced-threads=0:threads=1",
    }  # fmt: skip
    pictures = []
    for number in range(PERIOD):
        frame = av.VideoFrame.from_ndarray(numbered(number, (height, width)), format="bgr24")
        frame.pts = number
        pictures.append(_nal_units(b"".join(bytes(packet) for packet in codec.encode(frame))))
    assert all(pictures)
    return pictures


def _nal_units(stream: bytes) -> list[bytes]:
    parts = stream.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    return [part.rstrip(b"\0") for part in parts if part]


class Server:
    """Serves one client at a time at `url`; a test turns its knobs while it runs. Everything ends with the block.

    size: of the pictures, a key of `SIZES`. stalled: connections stay open, nothing is sent. damaged: what is sent is
    noise. deaf: requests are not answered. down: connections are closed and refused. sent: numbers of the whole and
    sound pictures that went out, in order. requests: the lines of all requests.
    """

    def __init__(self) -> None:
        self.size = "small"
        self.stalled = self.damaged = self.deaf = self.down = False
        self.sent: list[int] = []
        self.requests: list[str] = []
        self.connections = 0
        self._packets = 0
        self._commands: deque[str] = deque()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]
        self._stop = threading.Event()
        self._start = time.monotonic()
        self._random = random.Random(0)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"rtsp://admin:{SECRET}@127.0.0.1:{self._port}/live?token={SECRET}"

    def hang_up(self) -> None:
        """Close the connection after a whole picture."""
        self._commands.append("hang up")

    def cut_off(self) -> None:
        """Close the connection in the middle of a picture."""
        self._commands.append("cut off")

    def send_garbage(self) -> None:
        """Between two pictures, bytes that are no interleaved packet."""
        self._commands.append("garbage")

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            if self.down:
                self._listener.close()
                self._wait_while(lambda: self.down)
                self._listener = socket.create_server(("127.0.0.1", self._port))
            self._listener.settimeout(0.05)
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            with client, suppress(OSError):
                client.settimeout(5)
                if self._talk(client):
                    self._play(client)

    def _wait_while(self, condition: Callable[[], bool]) -> None:
        while condition() and not self._stop.wait(0.005):
            pass

    def _talk(self, client: socket.socket) -> bool:
        """Answer requests until PLAY; False when the client leaves."""
        with client.makefile("rb") as lines:
            while True:
                head = list(iter(lambda: lines.readline().decode().strip(), ""))
                if not head:
                    return False
                self.requests += head
                self._wait_while(lambda: self.deaf)
                method = head[0].split(" ", 1)[0]
                sequence = next(line for line in head if line.lower().startswith("cseq"))
                extra, body = self.answer(method)
                answer = f"RTSP/1.0 200 OK\r\n{sequence}\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}"
                client.sendall(answer.encode())
                if method == "PLAY":
                    return True

    def answer(self, method: str) -> tuple[str, str]:
        if method == "OPTIONS":
            return "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", ""
        if method == "DESCRIBE":
            sets = ",".join(base64.b64encode(nal).decode() for nal in encoded(self.size)[0][:2])
            lines = [
                "v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=test", "t=0 0", "m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000",
                f"a=framerate:{FPS}", f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}", "a=control:video",
            ]  # fmt: skip
            body = "".join(f"{line}\r\n" for line in lines)
            return "Content-Type: application/sdp\r\n", body
        if method == "SETUP":
            return "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n", ""
        return "Session: 1\r\n", ""

    def _play(self, client: socket.socket) -> None:
        number, size = self._next_key(), self.size
        while not (self._stop.is_set() or self.down):
            command = self._commands.popleft() if self._commands else None
            if command == "hang up":
                return
            if command == "cut off":
                self._send(client, self._next_key(), size, whole=False)
                return
            if command == "garbage":
                client.sendall(self._random.randbytes(3000))
            if self.stalled:
                self._wait_while(lambda: self.stalled and not self._commands and not self.down)
                number = self._next_key()
            elif self._now() < number:
                time.sleep(0.002)
            else:
                size = self.size if number % GOP == 0 else size  # a camera changes it with a key picture
                self._send(client, number, size)
                number += 1

    def _now(self) -> int:
        """The number of the picture that the camera takes now."""
        return int((time.monotonic() - self._start) * FPS)

    def _next_key(self) -> int:
        return -(-self._now() // GOP) * GOP

    def _send(self, client: socket.socket, number: int, size: str, whole: bool = True) -> None:
        payloads = [p for nal in encoded(size)[number % PERIOD] for p in _payloads(nal)]
        damaged = self.damaged
        for i, payload in enumerate(payloads if whole else payloads[:-1]):
            body = payload[:2] + self._random.randbytes(len(payload) - 2) if damaged else payload
            marker = 0x80 if i == len(payloads) - 1 else 0
            header = struct.pack("!BBHII", 0x80, 96 | marker, self._packets & 0xFFFF, number * CLOCK // FPS, 7)
            client.sendall(struct.pack("!cBH", b"$", 0, len(header) + len(body)) + header + body)
            self._packets += 1
        if whole and not damaged:
            self.sent.append(number % PERIOD)


def _payloads(nal: bytes) -> Iterator[bytes]:
    """RTP payloads of a NAL unit: itself, or its fragments (FU-A)."""
    if len(nal) <= MTU:
        yield nal
        return
    head, body = nal[0], nal[1:]
    for start in range(0, len(body), MTU):
        first, last = start == 0, start + MTU >= len(body)
        yield bytes([head & 0xE0 | 28, first << 7 | last << 6 | head & 0x1F]) + body[start : start + MTU]
