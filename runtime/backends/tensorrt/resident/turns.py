"""Sets of buffers that runs have in turn: while one frame is computed, the next is uploaded and the last comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

S = TypeVar("S")


class Turn(Generic[S]):
    """A set of buffers, which is nobody else's until `release`, or until this is forgotten."""

    def __init__(self, buffers: S, free: SimpleQueue[S]) -> None:
        self.buffers = buffers
        self._free: SimpleQueue[S] | None = free

    def release(self) -> None:
        """Releasing twice is harmless."""
        free, self._free = self._free, None
        if free is not None:
            free.put(self.buffers)

    def __del__(self) -> None:
        self.release()


class Turns(Generic[S]):
    """One set, and a second from when two runs first meet; any thread may `take`.

    Who takes a turn ends it without taking another: so whoever waits for one gets it.
    """

    def __init__(self, first: S) -> None:
        self._free: SimpleQueue[S] = SimpleQueue()
        self._free.put(first)
        self._growing = threading.Lock()
        self._grown = False

    def take(self, another: Callable[[], S | None]) -> Turn[S]:
        """The next set that is free. another: makes the second, or gives None where it cannot be had; asked once."""
        try:
            found = self._free.get_nowait()
        except Empty:
            found = self._second(another) or self._free.get()
        return Turn(found, self._free)

    def _second(self, another: Callable[[], S | None]) -> S | None:
        with self._growing:
            if self._grown:
                return None
            self._grown = True
            return another()


class Begun:
    """Pictures on their way through an engine, in a set of buffers that is theirs until `outputs` or until they are
    forgotten.
    """

    def __init__(self, turn: Turn[Any], outputs: Callable[[dict[str, float] | None], list[dict[str, Any]]]) -> None:
        self._turn, self._outputs = turn, outputs

    def outputs(self, timings: dict[str, float] | None = None) -> list[dict[str, Any]]:
        """Wait for them, once; see `TakesFrames.begin`."""
        try:
            return self._outputs(timings)
        finally:
            self._turn.release()  # here, since an error keeps this object with its traceback
