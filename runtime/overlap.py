"""Frames through stages that work at the same time, each on another frame: answered in order, a bounded number at once.

One thread per stage and first-in-first-out queues between them keep the order; the last stage, which alone changes
state, sees every frame once and in turn, so results are those of one frame after the other, whatever runs when.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from stc.errors import InputError, SkippedError

R = TypeVar("R")


class Handle(Generic[R]):
    """The answer to a frame that was submitted: of `Stream.submit`, its `Result`."""

    def __init__(self, told: Callable[[], None]) -> None:
        """told: called when a caller learns that the frame failed."""
        self._answered = threading.Event()
        self._told = told
        self._value: R | None = None
        self._error: BaseException | None = None

    @property
    def done(self) -> bool:
        """Whether `result` answers at once."""
        return self._answered.is_set()

    def result(self, timeout: float | None = None) -> R:
        """The answer, waiting for it: at most `timeout` seconds (None: for ever).

        Raises what went wrong with this frame, SkippedError where an earlier one had failed, TimeoutError.
        """
        if not self._answered.wait(timeout):
            raise TimeoutError(f"no result within {timeout} s; the frame is still on its way")
        if self._error is not None:
            self._told()
            raise self._error
        return self._value  # type: ignore[return-value]  # set where there is no error

    def answer(self, value: R | None, error: BaseException | None) -> None:
        self._value, self._error = value, error
        self._answered.set()


@dataclass
class _Item:
    """What a frame has become so far. course: see `Overlap`."""

    value: Any
    handle: Handle[Any]
    course: int
    error: BaseException | None = None


class Overlap(Generic[R]):
    """At most `room` frames at once on their way through `stages`; of one (room 1), in the caller's own thread.

    When a frame fails, those after it do not reach the last stage: SkippedError answers them, until a caller has been
    told, by the `result` of any of them. What is submitted then begins a new course. So it depends on no timing which
    frames an error takes with it.

    Threads start with the first frame and end at `close`. They hold nothing of a frame that is done.
    """

    def __init__(self, stages: Sequence[Callable[[Any], Any]], room: int, name: str) -> None:
        """stages: each takes what the one before it gave. name: of the threads."""
        self.room = room
        self._stages = tuple(stages)
        self._name = name
        self._queues: list[SimpleQueue[_Item | None]] = []
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()  # of what follows
        self._inside = 0
        self._course = 0  # of what is submitted now
        self._failed = -1  # the last course in which a frame failed, and why
        self._why = ""  # not the error, whose traceback would keep the frame and its stream

    @property
    def started(self) -> bool:
        """Whether there are threads to end."""
        return bool(self._threads)

    @property
    def busy(self) -> bool:
        """Whether frames are on their way."""
        return self._inside > 0

    def submit(self, value: Any) -> Handle[R]:
        """Send `value` on its way, once there is room. Raises InputError where the machine gives no more threads."""
        if self.room > 1 and not self._threads:
            self._start()
        with self._changed:
            self._changed.wait_for(lambda: self._inside < self.room)
            self._inside += 1
            course = self._course
        item = _Item(value, Handle(lambda: self._told(course)), course)
        if self.room > 1:
            self._queues[0].put(item)
            return item.handle
        for stage in self._stages:
            self._run(stage, item)
        self._answer(item)
        if item.error is not None and not isinstance(item.error, Exception):
            raise item.error  # Ctrl-C, in the caller's own thread
        return item.handle

    def close(self) -> None:
        """Wait for the frames that are on their way, and end the threads; a later frame starts new ones."""
        self.end()
        for thread in self._threads:
            thread.join()
        self._threads, self._queues = [], []

    def end(self) -> None:
        """End the threads after the frames that are on their way, without waiting for either."""
        if self._queues:
            self._queues[0].put(None)

    def _start(self) -> None:
        queues: list[SimpleQueue[_Item | None]] = [SimpleQueue() for _ in self._stages]
        self._queues = queues
        for number, stage in enumerate(self._stages):
            following = queues[number + 1] if number + 1 < len(queues) else None
            # A daemon: an engine that hangs must not keep the process.
            thread = threading.Thread(
                target=self._work, args=(stage, queues[number], following), name=self._name, daemon=True
            )
            try:
                thread.start()
            except RuntimeError as error:
                self.close()
                raise InputError(f"{error}; allow more threads: ulimit -u") from error
            self._threads.append(thread)

    def _work(
        self,
        stage: Callable[[Any], Any],
        source: SimpleQueue[_Item | None],
        following: SimpleQueue[_Item | None] | None,
    ) -> None:
        while (item := source.get()) is not None:
            self._run(stage, item)
            if following is None:
                self._answer(item)
            else:
                following.put(item)
            del item  # or a stream that nobody holds would live as long as this thread waits
        if following is not None:
            following.put(None)

    def _run(self, stage: Callable[[Any], Any], item: _Item) -> None:
        if item.error is None and item.course != self._failed:
            try:
                item.value = stage(item.value)
            except BaseException as error:  # raised by the handle
                item.error = error

    def _answer(self, item: _Item) -> None:
        """In the order of the frames, so the first of a course that failed is found here."""
        error = item.error
        if item.course == self._failed:
            error = SkippedError(f"not tracked, since an earlier frame failed ({self._why}); submit this one again")
        elif error is not None:
            self._failed, self._why = item.course, str(error) or type(error).__name__
        value, item.value = None if error else item.value, None
        with self._changed:  # before the answer: who has the last one finds nothing on its way
            self._inside -= 1
            self._changed.notify_all()
        item.handle.answer(value, error)

    def _told(self, course: int) -> None:
        with self._changed:
            self._course = max(self._course, course + 1)
