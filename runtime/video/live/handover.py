"""Frames from the thread that reads a live source to the one that uses them: bounded, and each drop is counted."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from threading import Condition
from typing import Literal, TypeAlias

from stc.errors import InputError
from stc.runtime.video.frame import Frame

DropPolicy: TypeAlias = Literal["wait", "drop-oldest"]
POLICIES: tuple[DropPolicy, ...] = ("wait", "drop-oldest")


class Handover:
    """At most `capacity` frames wait. When they do, "wait" makes the reader wait (the network then holds the sender
    back), "drop-oldest" gives up the oldest frame; gaps before a dropped frame go over to the next one."""

    def __init__(self, policy: DropPolicy, capacity: int) -> None:
        """Raises InputError for an unknown policy or a capacity below 1."""
        if policy not in POLICIES:
            raise InputError(f"unknown drop policy {policy!r}; known: {', '.join(POLICIES)}")
        if capacity < 1:
            raise InputError(f"capacity={capacity}: must be 1 or more")
        self.dropped = 0
        self._drops = policy == "drop-oldest"
        self._capacity = capacity
        self._frames: deque[Frame] = deque()
        self._changed = Condition()
        self._finished = False
        self._closed = False

    def never_drop(self) -> None:
        """Wait from now on, whatever the policy was."""
        self._drops = False

    def put(self, frame: Frame) -> None:
        """Hand `frame` over; returns at once, without it, when the consumer has closed."""
        with self._changed:
            if not self._drops:
                self._changed.wait_for(lambda: self._closed or len(self._frames) < self._capacity)
            if self._closed:
                return
            if len(self._frames) == self._capacity:
                gaps = self._frames.popleft().gaps
                self.dropped += 1
                if gaps and self._frames:
                    self._frames[0] = replace(self._frames[0], gaps=gaps + self._frames[0].gaps)
                elif gaps:
                    frame = replace(frame, gaps=gaps + frame.gaps)
            self._frames.append(frame)
            self._changed.notify_all()

    def get(self) -> Frame | None:
        """The next frame, waiting for it; None when there is none any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._frames or self._finished)
            if self._closed or not self._frames:
                return None
            frame = self._frames.popleft()
            self._changed.notify_all()
            return frame

    def finish(self) -> None:
        """The reader has no more frames; those that wait can still be taken."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def close(self) -> None:
        """The consumer wants no more: frames that wait are gone, and everybody who waits returns."""
        with self._changed:
            self._closed = True
            self._frames.clear()
            self._changed.notify_all()
