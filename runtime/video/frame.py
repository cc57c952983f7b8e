"""One picture of a video with its place in time, and the source it comes from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from stc.errors import InputError

if TYPE_CHECKING:
    from stc.runtime.result import Result

Image: TypeAlias = npt.NDArray[np.uint8]
MAX_PIXELS = 100_000_000  # of a frame or picture: three times 8K; decoding one takes about 1 GB
State: TypeAlias = Literal["opening", "live", "stalled", "reconnecting", "ended", "failed"]

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv")

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Gap:
    """Video that is missing: from the last frame before it at `start` to the first one after it at `end`, seconds."""

    start: float
    end: float
    reason: str


@dataclass(frozen=True)
class Frame:
    """`image` uint8 (H, W, 3) BGR, as a viewer shows it: upright, mirrored where the file asks for it, and with square
    pixels. `time` seconds since the first frame of the source; `index` in the source, from 0.

    Times grow strictly. With `every=N` the frames N apart keep the time and index they have in the source. `gaps`: what
    is missing between the frame that was given before and this one; of a live source only, and each gap once.
    """

    image: Image
    time: float
    index: int
    source: str
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True)
class Damaged:
    """A packet or frame that gave no picture."""


@dataclass(frozen=True)
class Concealed:
    """A frame whose data was damaged in part: its decoder made up the rest, and it is given beside this."""


@dataclass(frozen=True)
class CutShort:
    """A recording that ends before the length that its header states."""


Loss: TypeAlias = "Damaged | Concealed | CutShort"


@dataclass(frozen=True)
class Stats:
    """What a source counted so far.

    received: frames that were decoded for the consumer (those left out by `every` are not). dropped: of these, replaced
    by newer ones before anybody took them. decode_errors: packets and damaged frames that gave no picture. reconnects:
    connections after the first that gave frames. gaps: times that video is missing. cut_short: a file ended before the
    length that its header states. concealed: frames of a recording that were given although their decoder made up a
    part of them; of a live source these are decode_errors, and not given.
    """

    received: int = 0
    dropped: int = 0
    decode_errors: int = 0
    reconnects: int = 0
    gaps: int = 0
    cut_short: bool = False
    concealed: int = 0

    @property
    def damage(self) -> str:
        """What a recording has lost, for a summary: "2 damaged packets skipped, cut short"; empty when nothing."""
        skipped = f"{self.decode_errors} damaged packet{'s' * (self.decode_errors > 1)} skipped"
        concealed = f"{self.concealed} damaged frame{'s' * (self.concealed > 1)} concealed"
        told = ((skipped, self.decode_errors), (concealed, self.concealed), ("cut short", self.cut_short))
        return ", ".join(words for words, count in told if count)

    def and_lost(self, found: Loss) -> Stats:
        match found:
            case Damaged():
                return replace(self, decode_errors=self.decode_errors + 1)
            case Concealed():
                return replace(self, concealed=self.concealed + 1)
            case CutShort():
                return replace(self, cut_short=True)


class Source(ABC):
    """Frames to iterate over, and what is known of them beforehand; a context manager that closes at its end.

    Attributes:
        name: fit for messages: a file's name, or a URL without credentials.
        fps: nominal frames per second that iteration gives (those left out by `every` are not in it).
        size: (W, H) of the first frame, upright and with square pixels; None where only reading can tell. Later frames
            may have another.
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

    @property
    def loss(self) -> str:
        """What damage took from a recording so far, for a summary. Empty for a live source, which always loses some."""
        return "" if self.live else self.stats.damage

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
        read: Callable[[], Iterator[Frame | Loss]],
    ) -> None:
        """`read` gives the frames from the first one on, and what is damaged; it is called once per iteration."""
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
            for found in self._read():
                if self._closed:
                    break
                if isinstance(found, Frame):
                    self._state, self._stats = "live", replace(self._stats, received=self._stats.received + 1)
                    yield found
                else:
                    self._stats = self._stats.and_lost(found)
            self._state = "ended"
        except Exception:
            self._state = "failed"
            raise

    def close(self) -> None:
        self._closed = True


def numbered(source: Source, numbers: Sequence[int]) -> Iterator[Frame]:
    """The frames with these indices, which increase.

    Raises InputError when `source` ends before one, and where packets were damaged before it: which frame of those that
    are left an index means is not certain then.
    """
    waiting = iter(numbers)
    wanted = next(waiting, None)
    for frame in source:
        if frame.index == wanted:
            if source.stats.decode_errors:
                raise InputError(
                    f"{source.name}: {source.stats.damage} before frame {wanted}, so its number is not certain; give "
                    "an undamaged copy, or leave the clip out"
                )
            yield frame
            if (wanted := next(waiting, None)) is None:
                return
    if wanted is not None:
        raise InputError(f"{source.name}: ends before frame {wanted} (from 0), which is annotated")


Sink: TypeAlias = Callable[[Frame, "Result"], None]
Writer: TypeAlias = Callable[[Image, Frame], None]  # the annotated picture, and the frame it was made from
