"""Frames through stages that work at the same time, each on another frame: answered in order, a bounded number at once.

One thread per stage and first-in-first-out queues between them keep the order; the last stage, which alone changes
state, sees every frame once and in turn, so results are those of one frame after the other, whatever runs when.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, NoReturn, TypeVar

from stc.errors import InputError, ProcessBoundError, SkippedError

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

    def __reduce__(self) -> NoReturn:
        raise ProcessBoundError("a handle belongs to its process, as its stream does; pass on what its result() gives")

    def answer(self, value: R | None, error: BaseException | None) -> None:
        self._value, self._error = value, error
        self._answered.set()


@dataclass(eq=False)
class _Item:
    """What a frame has become so far. course: see `Overlap`."""

    value: Any
    handle: Handle[Any]
    course: int
    error: BaseException | None = None


class _Lane(threading.Thread):
    """`work` in a thread that need not be waited for: an engine that hangs must not keep the process."""

    def __init__(self, work: Callable[[], None], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._over = threading.Event()

    def run(self) -> None:
        try:
            self._work()
        finally:
            del self._work
            self._over.set()

    def wait(self) -> None:
        """Ctrl-C during a join makes a running thread count as ended (before Python 3.13); not so here."""
        self._over.wait()
        self.join()


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
        self._lanes: list[_Lane] = []
        self._ending: list[_Lane] = []  # that were told to end
        self._process = os.getpid()
        self._changed = threading.Condition()  # of what follows
        self._inside: set[_Item] = set()
        self._course = 0  # of what is submitted now
        self._failed = -1  # the last course in which a frame failed, and why
        self._why = ""  # not the error, whose traceback would keep the frame and its stream

    @property
    def started(self) -> bool:
        """Whether there are threads to end."""
        return bool(self._lanes or self._ending)

    @property
    def busy(self) -> bool:
        """Whether frames are on their way."""
        return bool(self._inside)

    def submit(self, value: Any) -> Handle[R]:
        """Send `value` on its way, once there is room. Raises InputError where the machine gives no more threads, and
        ProcessBoundError in a process that was forked from the one whose threads these are.
        """
        if self.room > 1 and not self._lanes:
            self._start()
        if self._lanes and not self._ours:
            raise ProcessBoundError("frames in flight belong to the process that submitted them; make a session here")
        item = None
        try:
            with self._changed:
                self._changed.wait_for(lambda: len(self._inside) < self.room)
                course = self._course
                item = _Item(value, Handle(lambda: self._told(course)), course)
                self._inside.add(item)
            if self.room > 1:
                self._queues[0].put(item)
                return item.handle
            for stage in self._stages:
                self._run(stage, item)
        except BaseException:  # Ctrl-C
            if item is not None:
                self._leave(item)
            raise
        self._answer(item)
        if item.error is not None and not isinstance(item.error, Exception):
            raise item.error  # Ctrl-C, in the caller's own thread
        return item.handle

    def close(self) -> None:
        """Wait for the frames that are on their way, and end the threads; a later frame starts new ones."""
        self.end()
        self._ending += self._lanes
        self._lanes, self._queues = [], []
        self._wait()

    def end(self) -> None:
        """End the threads after the frames that are on their way, without waiting for either."""
        if self._queues:
            self._queues[0].put(None)

    @property
    def _ours(self) -> bool:
        """Whether this process started the threads: one that was forked has none of them."""
        return os.getpid() == self._process

    def _wait(self) -> None:
        """Also for those that an interrupted `close` left."""
        while self._ending and self._ours:
            self._ending[-1].wait()
            self._ending.pop()

    def _start(self) -> None:
        self._wait()
        self._process = os.getpid()
        queues: list[SimpleQueue[_Item | None]] = [SimpleQueue() for _ in self._stages]
        lanes = [
            _Lane(partial(self._work, stage, source, following), self._name)
            for stage, source, following in zip(self._stages, queues, [*queues[1:], None], strict=True)
        ]
        try:
            for lane in lanes:
                lane.start()
        except BaseException as error:
            for queue in queues:
                queue.put(None)
            if isinstance(error, RuntimeError):
                raise InputError(f"{error}; allow more threads: ulimit -u") from error
            raise
        self._lanes, self._queues = lanes, queues

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
        self._leave(item)  # before the answer: who has the last one finds nothing on its way
        item.handle.answer(value, error)

    def _leave(self, item: _Item) -> None:
        with self._changed:
            self._inside.discard(item)
            self._changed.notify_all()

    def _told(self, course: int) -> None:
        with self._changed:
            self._course = max(self._course, course + 1)
