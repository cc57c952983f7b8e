"""Results of a recording whose frames are read ahead: decoded and submitted by a thread, used by the caller."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from stc.runtime.letterbox import AnyFrame
    from stc.runtime.overlap import Handle
    from stc.runtime.result import Result
    from stc.runtime.video.frame import Frame, Source

AHEAD = 2  # frames that wait for the caller, beside those in flight
CLOSING = 2.0  # seconds for the reading thread to end; one that hangs in a file system is left behind


class Video(Protocol):
    """What is asked of a `Stream`."""

    @property
    def in_flight(self) -> int: ...

    def __call__(self, frame: AnyFrame, time: float | None = None) -> Result: ...

    def submit(self, frame: AnyFrame, time: float | None = None) -> Handle[Result]: ...

    def settle(self) -> None: ...


@contextmanager
def results(source: Source, stream: Video, *, overlap: bool = True) -> Iterator[Iterator[tuple[Frame, Result]]]:
    """The frames of `source`, each with its result, in order; what reading or `stream` raises comes in its place.

    Where `stream` overlaps frames, and `overlap` is wanted, a thread reads ahead, by a bounded number of them, while
    the caller draws and encodes earlier ones. Not of a live source: it has a reader of its own, and frames that waited
    here would be old. At the end of the block the thread is gone, and `source` closed if it had not come to its end.
    """
    if not overlap or source.live or source.length == 1 or stream.in_flight == 1:
        yield ((frame, stream(frame.image, frame.time)) for frame in source)
        return
    ahead = _Ahead(source, stream)
    try:
        yield ahead.results()
    finally:
        ahead.close()


class _Ahead:
    def __init__(self, source: Source, stream: Video) -> None:
        self._source, self._stream = source, stream
        self._queue: SimpleQueue[tuple[Frame, Handle[Result]] | BaseException | None] = SimpleQueue()
        self._room = threading.Semaphore(AHEAD + stream.in_flight)
        self._closed = False
        self._ended = False  # the caller has seen the end
        self._over = threading.Event()  # the thread; one is not joined where Ctrl-C may come (a bug before Python 3.13)
        threading.Thread(target=self._read, name="stc reading ahead", daemon=True).start()

    def results(self) -> Iterator[tuple[Frame, Result]]:
        while (found := self._queue.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            frame, handle = found
            result = handle.result()
            self._room.release()
            yield frame, result
        self._ended = True

    def close(self) -> None:
        self._closed = True
        self._room.release()
        if not self._ended:
            self._source.close()
        self._over.wait(CLOSING)
        self._stream.settle()

    def _read(self) -> None:
        try:
            for frame in self._source:
                self._room.acquire()
                if self._closed:
                    break
                self._queue.put((frame, self._stream.submit(frame.image, frame.time)))
        except BaseException as error:  # raised to the caller, after the frames before it
            self._queue.put(error)
        else:
            self._queue.put(None)
        finally:
            self._over.set()
