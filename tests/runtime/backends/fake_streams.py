"""The order in which a GPU does what was put on its streams: CUDA's rules, and nothing that happens to be so.

An operation is done when somebody waits for it, and no earlier, which shows every read of what is not yet written. With
a `schedule` others are done earlier, in an order that the rules allow: a data race shows for some seed.

And whatever the order was, two operations that reach the same bytes, and of which nothing makes one come after the
other, are an AssertionError: vector clocks say so. What the host has waited for comes before all that it
puts on a stream afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from random import Random

LEGACY, PER_THREAD = 1, 2  # the handles of the default streams; 0 is the legacy one too


Clock = dict[Hashable, int]  # of each stream, how many of its operations come before


@dataclass(eq=False)
class Operation:
    """Number `number` of `stream`. `after`: what must be done before, and is no longer there when it was; `clock`: all
    that comes before, and itself.
    """

    work: Callable[[], None]
    device: int
    after: list[Operation]
    stream: Hashable
    number: int
    clock: Clock
    done: bool = False

    def do(self, doing: list[Operation]) -> None:
        if not self.done:
            for other in self.after:
                other.do(doing)
            self.after.clear()
            self.done = True
            doing.append(self)
            try:
                self.work()
            finally:
                doing.pop()


class Accesses:
    """Which bytes operations reached, and which of them may meet there."""

    def __init__(self) -> None:
        self._reached: dict[Hashable, list[tuple[int, int, int]]] = {}  # of each stream: begin, end, number

    def add(self, operation: Operation, begin: int, size: int, known: Clock) -> None:
        """known: what the host has waited for, which comes before whatever follows."""
        end = begin + size
        for stream, reached in self._reached.items():
            reached[:] = [entry for entry in reached if entry[2] > known.get(stream, 0)]
            if any(
                first < end and begin < last and number > operation.clock.get(stream, 0)
                for first, last, number in reached
            ):
                raise AssertionError(
                    f"a race for {size} bytes at {begin:#x} between stream {operation.stream} and stream {stream}"
                )
        mine = self._reached.setdefault(operation.stream, [])
        if (begin, end, operation.number) not in mine[-4:]:
            mine.append((begin, end, operation.number))

    def forget(self, begin: int, size: int) -> None:
        for reached in self._reached.values():
            reached[:] = [entry for entry in reached if entry[1] <= begin or entry[0] >= begin + size]


@dataclass
class Streams:
    """`blocking`: the streams that the legacy default stream of their device waits for, and that wait for it."""

    schedule: Random | None = None
    last: dict[Hashable, Operation] = field(default_factory=dict)
    blocking: dict[Hashable, int] = field(default_factory=dict)  # stream -> its device
    known: Clock = field(default_factory=dict)  # what the host has waited for
    accesses: Accesses = field(default_factory=Accesses)
    _numbers: Clock = field(default_factory=dict)
    _pending: list[Operation] = field(default_factory=list)
    _doing: list[Operation] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)  # host threads come one at a time

    def key(self, handle: int, device: int) -> Hashable:
        """The stream that `handle` means for this thread when `device` is current."""
        if handle in {0, LEGACY}:
            return ("legacy", device)
        if handle == PER_THREAD:
            key = ("thread", device, threading.get_ident())
            self.blocking[key] = device
            return key
        return handle

    def put(self, handle: int, device: int, work: Callable[[], None], after: Iterable[Operation] = ()) -> Operation:
        with self._lock:
            key, legacy = self.key(handle, device), ("legacy", device)
            earlier = [key]
            if key == legacy:
                earlier += [stream for stream, where in self.blocking.items() if where == device]
            elif key in self.blocking:
                earlier.append(legacy)
            before = [*after, *(self.last[stream] for stream in earlier if stream in self.last)]
            number = self._numbers[key] = self._numbers.get(key, 0) + 1
            clock = merged(self.known, *(operation.clock for operation in before)) | {key: number}
            operation = Operation(work, device, before, key, number, clock)
            self.last[key] = operation
            self._pending.append(operation)
            return operation

    def finish(self, handle: int, device: int) -> None:
        """Wait until the stream is through."""
        with self._lock:
            self.wait(self.last.get(self.key(handle, device)))

    def wait(self, operation: Operation | None) -> None:
        """Wait until it is done; None: until nothing."""
        with self._lock:
            self.some()
            if operation is not None:
                operation.do(self._doing)
                self.known = merged(self.known, operation.clock)
            self._pending = [operation for operation in self._pending if not operation.done]

    def finish_all(self, device: int) -> None:
        with self._lock:
            for operation in [operation for operation in self._pending if operation.device == device]:
                operation.do(self._doing)
                self.known = merged(self.known, operation.clock)

    def some(self) -> None:
        """What a GPU may have got done meanwhile."""
        if self.schedule is not None:
            for operation in self.schedule.sample(self._pending, self.schedule.randint(0, len(self._pending))):
                operation.do(self._doing)

    def reach(self, begin: int, size: int) -> None:
        """What is done now reads or writes these bytes; nothing where the host does."""
        with self._lock:
            if self._doing:
                self.accesses.add(self._doing[-1], begin, size, self.known)

    def unreach(self, begin: int, size: int) -> None:
        """The memory was given back."""
        with self._lock:
            self.accesses.forget(begin, size)

    def idle(self, handle: int, device: int) -> bool:
        operation = self.last.get(self.key(handle, device))
        return operation is None or operation.done

    def forget(self, handle: int) -> None:
        """A stream was destroyed; what is on it goes on."""
        with self._lock:
            self.last.pop(handle, None)
            self.blocking.pop(handle, None)


def merged(*clocks: Clock) -> Clock:
    found: Clock = {}
    for clock in clocks:
        for stream, number in clock.items():
            found[stream] = max(number, found.get(stream, 0))
    return found
