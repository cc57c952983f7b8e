"""The points of a run: streams wait for them, the host does, and the GPU's own clock tells the time between them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from stc.runtime.backends.tensorrt.cuda import Cuda
from stc.runtime.stages import DOWNLOAD, UPLOAD

POINTS = BEGIN, UPLOADED, COMPUTED, FETCHED = "begin", "uploaded", "computed", "fetched"


class GpuClock:
    """One event per point, made once. A point that is marked again is another: who waits, waits for the last mark."""

    def __init__(self, cuda: Cuda, release: ExitStack) -> None:
        self._cuda = cuda
        self._events = {}
        for point in POINTS:
            self._events[point] = cuda.create_event()
            release.callback(cuda.destroy_event, self._events[point])

    def mark(self, point: str, stream: Any) -> None:
        """The point is where all is done that is on `stream` by now."""
        self._cuda.record(self._events[point], stream)

    def hold(self, stream: Any, point: str) -> None:
        """What is put on `stream` from now on is done after the point."""
        self._cuda.wait_event(self._events[point], stream)

    def wait(self, point: str) -> None:
        """Until the GPU has passed the point."""
        self._cuda.synchronize_event(self._events[point])

    def read(self) -> dict[str, float]:
        """Seconds of "upload" and "download"; the wait for the number of detections is part of the download. For when
        the GPU has passed the last point.
        """
        return {
            UPLOAD: self._cuda.elapsed(self._events[BEGIN], self._events[UPLOADED]),
            DOWNLOAD: self._cuda.elapsed(self._events[COMPUTED], self._events[FETCHED]),
        }
