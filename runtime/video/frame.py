"""One picture of a video with its place in time, and the source it comes from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[np.uint8]
State: TypeAlias = Literal["opening", "live", "stalled", "reconnecting", "ended", "failed"]


@dataclass(frozen=True)
class Gap:
    """Video that is missing: from the last frame before it at `start` to the first one after it at `end`, seconds."""

    start: float
    end: float
    reason: str


@dataclass(frozen=True)
class Frame:
    """`image` uint8 (H, W, 3) BGR; `time` seconds since the first frame of the source; `index` in the source, from 0.

    Times grow strictly. With `every=N` the frames N apart keep the time and index they have in the source. `gaps`: what
    is missing between the frame that was given before and this one; of a live source only, and each gap once.
    """

    image: Image
    time: float
    index: int
    source: str
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True)
class Stats:
    """What a source counted so far.

    received: frames that were decoded for the consumer (those left out by `every` are not). dropped: of these, replaced
    by newer ones before anybody took them. decode_errors: packets and damaged frames that gave no picture. reconnects:
    connections after the first that gave frames. gaps: times that video is missing.
    """

    received: int = 0
    dropped: int = 0
    decode_errors: int = 0
    reconnects: int = 0
    gaps: int = 0


class Source(ABC):
    """Frames to iterate over, and what is known of them beforehand; a context manager that closes at its end.

    Attributes:
        name: fit for messages: a file's name, or a URL without credentials.
        fps: nominal frames per second that iteration gives (those left out by `every` are not in it).
        size: (W, H) of the first frame; None where only reading can tell. Later frames may have another.
        length: frames that iteration gives, as a file or folder states it; None where only reading can tell.
        live: has no stated end and cannot be read again.

    Iterating raises InputError when nothing (or, live, nothing more) can be read.
    """

    name: str
    fps: float
    size: tuple[int, int] | None
    length: int | None
    live: bool

    @property
    @abstractmethod
    def state(self) -> State: ...

    @property
    @abstractmethod
    def stats(self) -> Stats: ...

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]: ...

    @abstractmethod
    def close(self) -> None:
        """Stop reading: an iteration ends, in any thread. Returns within two seconds. Closing twice is harmless."""

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FileSource(Source):
    """A file or a folder: never drops, never reconnects, and starts again with each iteration."""

    live = False

    def __init__(
        self,
        name: str,
        fps: float,
        size: tuple[int, int] | None,
        length: int | None,
        read: Callable[[], Iterator[Frame]],
    ) -> None:
        """`read` gives the frames from the first one on; it is called once per iteration."""
        self.name, self.fps, self.size, self.length = name, fps, size, length
        self._read = read
        self._state: State = "opening"
        self._stats = Stats()
        self._closed = False

    @property
    def state(self) -> State:
        return self._state

    @property
    def stats(self) -> Stats:
        return self._stats

    def __iter__(self) -> Iterator[Frame]:
        self._state, self._stats = "opening", Stats()
        try:
            for frame in self._read():
                if self._closed:
                    break
                self._state, self._stats = "live", replace(self._stats, received=self._stats.received + 1)
                yield frame
            self._state = "ended"
        except Exception:
            self._state = "failed"
            raise

    def close(self) -> None:
        self._closed = True
