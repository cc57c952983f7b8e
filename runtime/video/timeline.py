"""Time stamps of a source to seconds since its first frame, strictly increasing, and where video is missing."""

from __future__ import annotations

import math
from typing import Generic, TypeVar

from stc.runtime.video.frame import Gap

GAP = 1.0  # seconds between two frames of one connection, or …
GAP_FRAMES = 5  # … as many frame periods where frames are rare, from which on video is missing
JUMP = 60.0  # seconds by which a stamp may be ahead of the clock on the wall, or a recording's second of its first
LEAP = 1.0  # seconds from the expected stamp of a recording, beyond which the next …
WITNESSES = 4  # … frames must bear it out
DRIFT = 1e-3  # by which a camera's clock may be slower than ours
LEAST = 1e-3  # seconds between two frames where no stamp tells

T = TypeVar("T")


class Clock(Generic[T]):
    """Times of a recording: strictly increasing. Frames go in with their stamps and come out with their times.

    A missing stamp, or one not after its predecessor, becomes the previous time + `step` (1/fps). A stamp that leaps is
    believed once the frames after it bear it out; until then they wait here, at most 5 of them. When one of them takes
    the leap back, those before it were outliers, and are spread over the time between. A leap back that stays goes on
    from the previous time, and so does one far ahead of a lone first frame.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._last = -step
        self._origin: float | None = None  # the stamp of time 0
        self._stamp: float | None = None  # the last one that was believed
        self._first = True  # only one stamp was believed so far
        self._waiting: list[tuple[float | None, T]] = []

    def place(self, stamp: float | None, frame: T) -> list[tuple[float, T]]:
        """The frames whose times are known by now: mostly just this one."""
        if not self._waiting and not self._leaps(stamp):
            return [(self._time(stamp), frame)]
        if self._waiting and self._takes_back(stamp):
            return [*self._outliers(stamp), (self._time(stamp), frame)]
        self._waiting.append((stamp, frame))
        return self.rest() if len(self._waiting) > WITNESSES else []

    def rest(self) -> list[tuple[float, T]]:
        """The frames that wait, at the end: their leap is real."""
        stamps = [stamp for stamp, _ in self._waiting if stamp is not None]
        if stamps and self._stamp is not None:
            leap = stamps[0] - self._stamp
            strayed = self._first and leap > JUMP > stamps[-1] - stamps[0] and len(stamps) > 1
            if leap < 0 or strayed:
                self._origin = stamps[0] - (self._last + self._step)
        waiting, self._waiting = self._waiting, []
        return [(self._time(stamp), frame) for stamp, frame in waiting]

    def _leaps(self, stamp: float | None) -> bool:
        if stamp is None or self._stamp is None:
            return False
        return not -LEAP < stamp - self._stamp <= LEAP + self._step

    def _takes_back(self, stamp: float | None) -> bool:
        leap = self._waiting[0][0]
        if stamp is None or leap is None or self._stamp is None:
            return False
        return stamp > self._stamp and (stamp < leap or leap < self._stamp)

    def _outliers(self, stamp: float | None) -> list[tuple[float, T]]:
        """Those that wait, before `stamp`, which took their leap back."""
        waiting, self._waiting = self._waiting, []
        span = 0.0 if stamp is None or self._origin is None else stamp - self._origin - self._last
        step = span / (len(waiting) + 1) if span > 0 else self._step
        times = [self._last + step * (i + 1) for i in range(len(waiting))]
        self._last = times[-1]
        return [(time, frame) for time, (_, frame) in zip(times, waiting, strict=True)]

    def _time(self, stamp: float | None) -> float:
        time = self._last + self._step
        if stamp is not None:
            self._first = self._origin is None
            if self._origin is None:
                self._origin = stamp - time
            if stamp - self._origin > self._last:
                time = stamp - self._origin
            self._stamp = stamp
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
