"""The states of a live source, and when to wait, to connect again and to give up: decisions only, no clock, no I/O.

    opening -> live <-> stalled -> reconnecting -> live
       any of them -> ended (closed, or the server ended the stream), failed

Times are seconds of one monotonic clock, given by the caller.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from stc.errors import InputError
from stc.runtime.video.frame import State

GRACE = 2.0  # seconds that a reader gets to start, and to say why, at its own time limits, before it is killed


@dataclass(frozen=True)
class ReconnectPolicy:
    """How long a live source is waited for; all in seconds.

    open_timeout: to connect and find the video. read_timeout: without a frame; the connection is then given up.
    stall_after: without a frame; the state is then "stalled". first_delay: before the first attempt to reconnect;
    it doubles with each attempt that fails, up to max_delay, and each is shortened at random by up to half, so that
    many cameras behind one switch do not come back at once. give_up: without a frame, from the start or the last frame
    on, however long the other limits are; the source has then failed.
    retry_first: go on trying when the very first connection fails too, instead of raising an error: for a box that
    boots before its cameras.
    """

    open_timeout: float = 10.0
    read_timeout: float = 10.0
    stall_after: float = 2.0
    first_delay: float = 0.5
    max_delay: float = 30.0
    give_up: float = math.inf
    retry_first: bool = False

    def __post_init__(self) -> None:
        """Raises InputError unless all times are positive."""
        for name in ("open_timeout", "read_timeout", "stall_after", "first_delay", "max_delay", "give_up"):
            seconds = getattr(self, name)
            if not seconds > 0:
                raise InputError(f"{name}={seconds:g}: must be above 0 seconds")


class Lifecycle:
    """`state` and what follows from it. One thread changes it; any may read `state`, `reconnects` and `failure`."""

    def __init__(self, policy: ReconnectPolicy, now: float, jitter: Callable[[], float] = random.random) -> None:
        """jitter: gives numbers from 0 to 1."""
        self.state: State = "opening"
        self.reconnects = 0
        self.failure: str | None = None
        self._policy = policy
        self._jitter = jitter
        self._tries = policy.retry_first  # whether a connection that breaks is made again
        self._had_frame = False
        self._framed = now  # when any connection last gave a frame
        self._missed = now + GRACE  # since when none came although the consumer was ready; a reader must start first
        self._delay = 0.0  # before this connection
        self.connecting(now)

    @property
    def over(self) -> bool:
        return self.state in ("ended", "failed")

    @property
    def patience_ends(self) -> float:
        """When `quiet` has something to decide if nothing comes before."""
        patience = min(self._policy.stall_after, self._limit) if self.state == "live" else self._limit
        return min(self._heard + patience, self._last_call)

    @property
    def _given_up(self) -> float:
        return self._missed + self._policy.give_up

    @property
    def _last_call(self) -> float:
        """As `_given_up`, but a connection that was begun before gets the time to start."""
        return max(self._given_up, self._begun + GRACE) if self._first is None else self._given_up

    @property
    def _timeout(self) -> float:
        return self._policy.read_timeout if self._connected else self._policy.open_timeout

    @property
    def _limit(self) -> float:
        return self._timeout + GRACE

    def connecting(self, now: float) -> None:
        """A connection is being made."""
        self._begun = now
        self._heard = now  # when it last gave a sign of life
        self._connected = False
        self._first: float | None = None  # when it gave its first frame

    def opened(self, now: float, *, recording: bool = False) -> None:
        """It is made, and video was found in it. A recording is not made again: it would start anew."""
        self._heard = now
        self._connected = True
        if not self._had_frame:
            self._missed = now
        self._tries = not recording

    def frame(self, now: float) -> None:
        if self.state == "reconnecting" and self._had_frame:
            self.reconnects += 1
        if self._first is None:
            self._first = now
        self._had_frame = True
        self._heard = self._framed = self._missed = now
        self.state = "live"

    def ready(self, now: float) -> None:
        """Until now the consumer was waited for, and not the source."""
        self._heard = self._missed = now

    def quiet(self, now: float) -> str | None:
        """Nothing came until `now`: why the connection must be given up, or None to wait on."""
        if now >= self._last_call:
            return "still connected" if self._connected else "no answer"
        waited = now - self._heard
        if waited >= self._limit:
            what = "no frame" if self._connected else "no answer"
            return f"{what} for {self._timeout:g} s"
        if self.state == "live" and waited >= self._policy.stall_after:
            self.state = "stalled"
        return None

    def lost(self, now: float, reason: str) -> float | None:
        """The connection broke: seconds until the next attempt, or None when there is none; then `failure` is set."""
        left = self._given_up - now
        if not self._tries or left <= 0:
            waited = f"no frame for {round(now - self._missed, 1):g} s; "
            self.fail(f"{waited if self._tries or left <= 0 else ''}{reason}")
            return None
        self.state = "reconnecting"
        # A connection that held longer than the wait before it was sound: begin anew. One that breaks at once is not.
        sound = self._first is not None and self._framed - self._first >= self._delay
        doubled = min(max(2 * self._delay, self._policy.first_delay), self._policy.max_delay)
        self._delay = self._policy.first_delay if sound else doubled
        return min(self._delay * (1 - self._jitter() / 2), left)

    def fail(self, reason: str) -> None:
        self.state, self.failure = "failed", reason

    def end(self) -> None:
        """Closed, or ended by the server."""
        if not self.over:
            self.state = "ended"
