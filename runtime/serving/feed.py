"""The newest frame of an input with its result: viewers take of it what they can, and hold nobody back."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from stc.runtime.drawing.style import Style
from stc.runtime.drawing.trails import Point, Trails
from stc.runtime.letterbox import resize_frame

if TYPE_CHECKING:
    from stc.runtime.result import Result
    from stc.runtime.video.frame import Frame, Image, Stats

PACED = 30  # frames whose times give the rate
FASTEST = 25.0  # frames per second that are drawn for a viewer: more would take the model's time
LONGEST = 1280  # pixels of the longer side of a picture that is sent
JPEG_QUALITY = 80


class Watched(Protocol):
    """What an input tells of itself: a `Source`, or one that has none yet. state: a `State`, or "waiting"."""

    @property
    def state(self) -> str: ...

    @property
    def stats(self) -> Stats: ...


@dataclass(frozen=True)
class Newest:
    """number: of the frames that came, from 1. at: when it came, seconds of `monotonic`. paths: of the tracks in it."""

    number: int
    frame: Frame
    result: Result
    at: float
    style: Style
    paths: Mapping[int, Sequence[Point]]

    def drawn(self, longest: int) -> Image:
        """The frame with what was found, uint8 (H, W, 3) BGR, its longer side at most `longest` pixels."""
        from stc.runtime.drawing.draw import annotate

        picture = annotate(self.frame.image, self.result, self.style, self.paths)
        height, width = picture.shape[:2]
        share = longest / max(height, width)
        if share >= 1:
            return picture
        return resize_frame(picture, (max(1, round(height * share)), max(1, round(width * share))), "pil-bilinear")


class Feed:
    """A sink that keeps the last frame, which its caller must not write to any more; it never waits.

    Nothing is drawn or encoded but for those who watch, in their threads, and a frame once for all of them. Attributes
    may be read in any thread. name: of the input, without credentials. watched: what tells of its health, if anything.
    style: of what is drawn. tracks: that were confirmed so far.
    """

    def __init__(self, name: str, watched: Watched | None = None, style: Style | None = None) -> None:
        self.name, self.watched, self.style = name, watched, style or Style()
        self._trails = Trails(self.style.trails)
        self.tracks = 0
        self.now: Newest | None = None
        self._times: deque[float] = deque(maxlen=PACED)
        self._change = threading.Condition()
        self._over = False
        self._encoding = threading.Lock()
        self._encoded = (0, b"")  # the number of a frame, and its JPEG

    def __call__(self, frame: Frame, result: Result) -> None:
        at = monotonic()
        self.tracks += sum(event.kind == "born" for event in result.events)
        paths = self._trails.update(result)
        with self._change:
            self._times.append(at)
            number = 1 if self.now is None else self.now.number + 1
            self.now = Newest(number, frame, result, at, self.style, paths)
            self._change.notify_all()

    @property
    def fps(self) -> float:
        """Frames per second, of the last ones; 0 where there were fewer than two."""
        with self._change:
            times = tuple(self._times)
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0

    def after(self, number: int, seconds: float) -> Newest | None:
        """The newest frame once it comes after frame `number`; at the end, and after `seconds`, the one that is there.

        None: no frame has come yet.
        """

        def come() -> bool:
            return self._over or (self.now is not None and self.now.number > number)

        with self._change:
            self._change.wait_for(come, seconds)
            return self.now

    def end(self) -> None:
        """Nobody waits for a frame any more."""
        with self._change:
            self._over = True
            self._change.notify_all()

    def jpeg(self, newest: Newest) -> tuple[int, bytes]:
        """A JPEG of `newest`, or of a later frame where somebody has made one, and its number."""
        from stc.runtime.drawing.encode import encoded

        with self._encoding:
            if self._encoded[0] < newest.number:
                content = encoded(newest.drawn(LONGEST), Path("frame.jpg"), quality=JPEG_QUALITY)
                self._encoded = newest.number, content
            return self._encoded
