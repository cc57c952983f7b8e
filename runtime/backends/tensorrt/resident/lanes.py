"""The streams of whole frames: what goes up, what is computed and what comes back may belong to different frames."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from stc.runtime.backends.tensorrt.cuda import Cuda


class Lanes:
    """A stream for each way, with nothing between them but the points of `GpuClock` that one lets another wait for."""

    def __init__(self, cuda: Cuda, compute: Any, release: ExitStack) -> None:
        """compute: the engine's own stream."""
        self._cuda = cuda
        self.compute = compute
        self.upload = self._another(release)
        self.download = self._another(release)

    def synchronize(self) -> None:
        """Wait until nothing is on its way."""
        for stream in (self.upload, self.compute, self.download):
            self._cuda.synchronize(stream)

    def _another(self, release: ExitStack) -> Any:
        stream = self._cuda.create_stream()
        release.callback(self._cuda.destroy_stream, stream)
        return stream
