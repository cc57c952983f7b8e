"""The order in which a GPU does what was put on its streams: CUDA's rules, and nothing that happens to be so.

An operation is done when somebody waits for it, and no earlier, which shows every read of what is not yet written. With
a `schedule` others are done earlier, in an order that the rules allow: a data race shows for some seed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from random import Random

LEGACY, PER_THREAD = 1, 2  # the handles of the default streams; 0 is the legacy one too


@dataclass(eq=False)
class Operation:
    """`after`: what must be done before, and is no longer there when it was."""

    work: Callable[[], None]
    device: int
    after: list[Operation]
    done: bool = False

    def do(self) -> None:
        if not self.done:
            for other in self.after:
                other.do()
            self.after.clear()
            self.done = True
            self.work()


@dataclass
class Streams:
    """`blocking`: the streams that the legacy default stream of their device waits for, and that wait for it."""

    schedule: Random | None = None
    last: dict[Hashable, Operation] = field(default_factory=dict)
    blocking: dict[Hashable, int] = field(default_factory=dict)  # stream -> its device
    _pending: list[Operation] = field(default_factory=list)

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
        key, legacy = self.key(handle, device), ("legacy", device)
        earlier = [key]
        if key == legacy:
            earlier += [stream for stream, where in self.blocking.items() if where == device]
        elif key in self.blocking:
            earlier.append(legacy)
        operation = Operation(work, device, [*after, *(self.last[stream] for stream in earlier if stream in self.last)])
        self.last[key] = operation
        self._pending.append(operation)
        return operation

    def finish(self, handle: int, device: int) -> None:
        """Wait until the stream is through."""
        self.some()
        if (operation := self.last.get(self.key(handle, device))) is not None:
            operation.do()
        self._pending = [operation for operation in self._pending if not operation.done]

    def finish_all(self, device: int) -> None:
        for operation in [operation for operation in self._pending if operation.device == device]:
            operation.do()

    def some(self) -> None:
        """What a GPU may have got done meanwhile."""
        if self.schedule is not None:
            for operation in self.schedule.sample(self._pending, self.schedule.randint(0, len(self._pending))):
                operation.do()

    def idle(self, handle: int, device: int) -> bool:
        operation = self.last.get(self.key(handle, device))
        return operation is None or operation.done

    def forget(self, handle: int) -> None:
        """A stream was destroyed; what is on it goes on."""
        self.last.pop(handle, None)
        self.blocking.pop(handle, None)
