"""An RTSP camera whose pictures arrive as they are: raw BGR over RTP (RFC 4175), which needs no decoder."""

from __future__ import annotations

import socket
import struct

from tests.runtime.gstreamer.streams import SIZE, walk
from tests.runtime.video.rtsp_server import CLOCK, FPS, Server

STEPS = 8  # of the walk, which then begins again


class RawCamera(Server):
    """Sends the walk of `streams`, a row of pixels in each packet."""

    def answer(self, method: str) -> tuple[str, str]:
        if method != "DESCRIBE":
            return super().answer(method)
        (height, width), sampling = SIZE, "sampling=BGR; depth=8; colorimetry=BT601-5"
        lines = [
            "v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=test", "t=0 0", "m=video 0 RTP/AVP 96", "a=rtpmap:96 raw/90000",
            f"a=framerate:{FPS}", f"a=fmtp:96 {sampling}; width={width}; height={height}", "a=control:video",
        ]  # fmt: skip
        return "Content-Type: application/sdp\r\n", "".join(f"{line}\r\n" for line in lines)

    def _send(self, client: socket.socket, number: int, size: str, whole: bool = True) -> None:
        rows = walk(number % STEPS)
        for y, row in enumerate(rows):
            payload = struct.pack("!HHHH", self._packets >> 16, row.nbytes, y, 0) + row.tobytes()
            marker = 0x80 if y == len(rows) - 1 else 0
            header = struct.pack("!BBHII", 0x80, 96 | marker, self._packets & 0xFFFF, number * CLOCK // FPS, 7)
            client.sendall(struct.pack("!cBH", b"$", 0, len(header) + len(payload)) + header + payload)
            self._packets += 1
