"""A thread that delivers messages in their order, each until its broker has said that it has it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from time import monotonic

from stc.errors import InputError
from stc.runtime.publishing.broker import Address, Broker, parse
from stc.signals import asked

log = logging.getLogger(__name__)

SPOOL = 64 << 20  # bytes of messages that wait; beyond, the oldest go
BATCH = 100  # messages that are sent before the first answer is waited for
DELAYS = (0.25, 0.5, 1.0, 2.0, 5.0)  # seconds before connecting again; the last one for ever
ENDING = 10.0  # seconds at the end for what waits
AFTER_A_SIGNAL = 2.0


class Publisher:
    """`send` never waits. What it was given is delivered, or counted in `dropped`.

    While the broker is away, at most `spool` bytes wait; for more, the oldest are dropped, but for those that are being
    delivered. A message whose acknowledgement was lost is sent again: at least once, not exactly once.
    """

    def __init__(self, connect: Callable[[], Broker], shown: str, spool: int = SPOOL) -> None:
        """Connects. Raises InputError when the first connection fails: a wrong address never heals."""
        self.shown = shown
        self.delivered = self.dropped = 0
        self._connect, self._spool = connect, spool
        self._waiting: deque[bytes] = deque()
        self._size = self._busy = 0  # bytes that wait; messages at the front that are being delivered
        self._until: float | None = None  # when it has to have ended
        self._change = threading.Condition()
        self._over = threading.Event()
        self._broker: Broker | None = connect()
        threading.Thread(target=self._work, name="stc publisher", daemon=True).start()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def send(self, message: str) -> None:
        content = message.encode()
        with self._change:
            self._waiting.append(content)
            self._size += len(content)
            first = self.dropped == 0
            while self._size > self._spool and len(self._waiting) > self._busy:
                self._size -= len(self._waiting[self._busy])
                del self._waiting[self._busy]
                self.dropped += 1
            full = first and self.dropped
            self._change.notify()
        if full:
            log.warning("%s: is away or slow, and the spool of %d MB is full: the oldest messages are dropped",
                        self.shown, self._spool >> 20)  # fmt: skip

    def close(self, seconds: float) -> None:
        """Returns when all is delivered, and at the latest after `seconds` (and a moment); what is left is dropped."""
        with self._change:
            self._until = monotonic() + seconds
            self._change.notify()
        self._over.wait(seconds)
        with self._change:
            self.dropped += len(self._waiting)
            self._waiting.clear()
            self._size = self._busy = 0

    def _work(self) -> None:
        failures = 0
        while (batch := self._next()) is not None:
            try:
                if self._broker is None:
                    self._broker = self._connect()
                    log.warning("%s: connected again, %d messages wait", self.shown, self.waiting)
                self._broker.deliver(batch)
            except InputError as error:  # noqa: PERF203
                if failures == 0:
                    log.warning("%s (messages wait)", error)
                self._drop_connection()
                self._pause(DELAYS[min(failures, len(DELAYS) - 1)])
                failures += 1
            else:
                failures = 0
                self._done(batch)
        self._drop_connection()
        self._over.set()

    def _next(self) -> list[bytes] | None:
        """What is to be delivered now; None at the end."""
        with self._change:
            while not self._waiting and self._until is None:
                self._change.wait()
            if not self._waiting or (self._until is not None and monotonic() > self._until):
                return None
            batch = list(islice(self._waiting, BATCH))
            self._busy = len(batch)
            return batch

    def _done(self, batch: list[bytes]) -> None:
        with self._change:
            if self._waiting:  # else given up, and counted as dropped
                for message in batch:
                    self._size -= len(message)
                    self._waiting.popleft()
                self.delivered += len(batch)
            self._busy = 0

    def _pause(self, seconds: float) -> None:
        """Shorter at the end, when every moment counts."""
        with self._change:
            self._busy = 0
            if self._until is None:
                self._change.wait_for(lambda: self._until is not None, seconds)
            else:
                self._change.wait(DELAYS[0])

    def _drop_connection(self) -> None:
        broker, self._broker = self._broker, None
        if broker is not None:
            broker.close()


@contextmanager
def publishing(url: str) -> Iterator[Publisher]:
    """A `Publisher` to the address `url`, closed at the end of the block, which says what was lost.

    Raises InputError for an address that is none or where nobody answers, MissingDependencyError without its client.
    """
    address = parse(url)
    publisher = Publisher(_connector(address), address.shown)
    try:
        yield publisher
    finally:
        publisher.close(AFTER_A_SIGNAL if asked() else ENDING)
        if publisher.dropped:
            log.warning("%s: %d messages were not delivered", publisher.shown, publisher.dropped)


def _connector(address: Address) -> Callable[[], Broker]:
    """A function that connects, and raises InputError when that fails. Raises MissingDependencyError."""
    if address.scheme == "mqtt":
        from stc.runtime.publishing.mqtt import connector as mqtt

        return mqtt(address)
    from stc.runtime.publishing.redis import connector as redis

    return redis(address)
