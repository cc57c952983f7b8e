"""The parts of a run by the GPU's own clock."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from stc.runtime.backends.tensorrt.cuda import Cuda
from stc.runtime.stages import DOWNLOAD, UPLOAD

POINTS = ("begin", "uploaded", "computed", "fetched")


class GpuClock:
    """One event per point, made once; `read` is valid after the stream was synchronised."""

    def __init__(self, cuda: Cuda, stream: Any, release: ExitStack) -> None:
        self._cuda, self._stream = cuda, stream
        self._events = {}
        for point in POINTS:
            self._events[point] = cuda.create_event()
            release.callback(cuda.destroy_event, self._events[point])

    def mark(self, point: str) -> None:
        self._cuda.record(self._events[point], self._stream)

    def read(self) -> dict[str, float]:
        """Seconds of "upload" and "download"; the wait for the number of detections is part of the download."""
        return {
            UPLOAD: self._cuda.elapsed(self._events["begin"], self._events["uploaded"]),
            DOWNLOAD: self._cuda.elapsed(self._events["computed"], self._events["fetched"]),
        }
