"""Time stamps of a source to seconds since its first frame, strictly increasing, and where video is missing."""

from __future__ import annotations

import math

from stc.runtime.video.frame import Gap

GAP = 1.0  # seconds between two frames of one connection, or …
GAP_FRAMES = 5  # … as many frame periods where frames are rare, from which on video is missing
JUMP = 60.0  # seconds by which a stamp may be ahead of the clock on the wall
DRIFT = 1e-3  # by which a camera's clock may be slower than ours
LEAST = 1e-3  # seconds between two frames where no stamp tells


class Clock:
    """Times of a file: strictly increasing.

    A missing stamp, or one not after its predecessor, becomes the previous time + `step` (1/fps).
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._start: float | None = None
        self._last = -step

    def __call__(self, stamp: float | None) -> float:
        time = self._last + self._step
        if stamp is not None:
            if self._start is None:
                self._start = stamp - time
            if stamp - self._start > self._last:
                time = stamp - self._start
        self._last = time
        return time


class Timeline:
    """Times of a live source, across its connections: a monotonic clock bridges what stamps cannot.

    Between two connections passes the time that passed on the wall. Within one, stamps count; where they go back or
    leap (a camera that restarted its clock, a counter that overflowed) or are missing, the wall does.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self._base: float | None = None  # what turns this connection's stamps into times
        self._last: float | None = None
        # Arrival minus time of the frames that came without delay: buffers and a slow consumer only ever add to it.
        self._lag = math.inf
        self._arrival = 0.0
        self._broken: str | None = None

    def broken(self, reason: str) -> None:
        """The connection was lost; stamps that come now belong to another one."""
        self._base, self._broken = None, self._broken or reason

    def place(self, stamp: float | None, arrival: float) -> tuple[float, Gap | None]:
        """The time of a frame with `stamp` (seconds, of any origin) that came at `arrival` (seconds, monotonic), and
        the gap before it."""
        last = self._last
        time = 0.0 if last is None else self._time(stamp, arrival, last)
        if stamp is not None and self._base is None:
            self._base = time - stamp
        gap = None if last is None else self._gap(last, time)
        self._lag = min(self._lag + DRIFT * (arrival - self._arrival), arrival - time)
        self._last, self._arrival, self._broken = time, arrival, None
        return time, gap

    def _time(self, stamp: float | None, arrival: float, last: float) -> float:
        on_the_wall = max(arrival - self._lag, last + LEAST)
        if stamp is None or self._broken is not None:
            return on_the_wall
        if self._base is None:  # FFmpeg often has no stamp for the first frame of a connection
            return last + 1 / self.fps
        time = self._base + stamp
        if last < time <= on_the_wall + JUMP:
            return time
        if last - GAP < time <= last:  # doubled or out of order: not worth a new origin
            return last + LEAST
        self._base = None
        return on_the_wall

    def _gap(self, last: float, time: float) -> Gap | None:
        if self._broken is not None:
            return Gap(last, time, self._broken)
        if time - last > max(GAP, GAP_FRAMES / self.fps):
            return Gap(last, time, "nothing was sent")
        return None
