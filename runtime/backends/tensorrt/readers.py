"""On which streams others read a session's outputs, so that the next run does not write into what they still read."""

from __future__ import annotations

LEGACY, PER_THREAD, UNSYNCHRONISED = 1, 2, -1  # as DLPack and the CUDA array interface number streams


class Readers:
    """A set of streams; `add` may be called from any thread."""

    def __init__(self) -> None:
        self._streams: set[int] = set()

    def add(self, stream: int) -> None:
        """A thread's default stream has the same number in every thread, so the legacy one stands for it: it waits for
        all of them. 0, which CUDA reads as either, is one too many to be told apart. Who does not want to be
        synchronised with is left alone.
        """
        if stream != UNSYNCHRONISED:
            self._streams.add(LEGACY if stream in {0, PER_THREAD} else int(stream))

    def take(self) -> set[int]:
        """All of them, and forget them."""
        taken: set[int] = set()
        while self._streams:
            taken.add(self._streams.pop())
        return taken
