"""The spool of a publisher, with brokers that fail as they are told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import monotonic

import pytest

from stc.errors import InputError
from stc.runtime.publishing import publisher as module
from stc.runtime.publishing.publisher import Publisher

LIMIT = 30.0  # seconds; nothing waits so long


class Scripted:
    """Takes what it gets while `there` is set; `accepts` of a batch are kept, then the connection is lost, once."""

    def __init__(self, accepts: Sequence[int] = ()) -> None:
        self.got: list[bytes] = []
        self.there = threading.Event()
        self.there.set()
        self.accepts = list(accepts)
        self.closed = 0

    def connect(self) -> Scripted:
        if not self.there.is_set():
            raise InputError("broker: is away")
        return self

    def deliver(self, messages: Sequence[bytes]) -> None:
        if not self.there.is_set():
            raise InputError("broker: went away")
        if self.accepts:
            self.got += messages[: self.accepts.pop(0)]
            raise InputError("broker: the answer was lost")
        self.got += messages

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DELAYS", (0.001,))


def until(true: Callable[[], bool]) -> None:
    end = monotonic() + LIMIT
    while not true():
        assert monotonic() < end
        threading.Event().wait(0.002)


def test_a_lost_answer_sends_again_and_loses_nothing() -> None:
    broker = Scripted(accepts=[1, 0, 1])
    publisher = Publisher(broker.connect, "broker")
    sent = [f"{i}" for i in range(350)]
    for message in sent:
        publisher.send(message)
    publisher.close(LIMIT)
    assert list(dict.fromkeys(m.decode() for m in broker.got)) == sent
    assert len(broker.got) > len(sent), "some came twice"
    assert (publisher.delivered, publisher.dropped, publisher.waiting) == (len(sent), 0, 0)
    assert broker.closed == 4, "every connection"


def test_the_spool_is_bounded_and_what_it_drops_is_the_oldest_counted_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = Scripted()
    publisher = Publisher(broker.connect, "broker", spool=50)
    broker.there.clear()
    publisher.send("00000")
    until(lambda: "went away" in caplog.text)
    for i in range(1, 40):
        publisher.send(f"{i:05}")
        assert publisher.waiting <= 10
    broker.there.set()
    publisher.close(LIMIT)
    got = [int(m) for m in broker.got]
    assert got[-9:] == list(range(31, 40)) and got == sorted(got) and len(got) == 10
    assert (publisher.delivered, publisher.dropped) == (10, 30)
    assert caplog.text.count("the spool of") == 1, "said once"


def test_an_end_without_a_broker_is_bounded_and_says_what_was_lost(caplog: pytest.LogCaptureFixture) -> None:
    broker = Scripted()
    publisher = Publisher(broker.connect, "broker")
    broker.there.clear()
    for i in range(5):
        publisher.send(str(i))
    publisher.close(0.05)
    assert (publisher.delivered, publisher.dropped, publisher.waiting) == (0, 5, 0)


def test_a_broker_that_hangs_does_not_keep_the_command() -> None:
    broker = Scripted()
    hangs = threading.Event()
    publisher = Publisher(broker.connect, "broker")
    broker.deliver = lambda messages: hangs.wait(LIMIT) and None  # type: ignore[method-assign]
    publisher.send("x")
    start = monotonic()
    publisher.close(0.05)
    assert monotonic() - start < LIMIT / 2 and publisher.dropped == 1
    hangs.set()


def test_where_nobody_answers_first_is_an_error() -> None:
    broker = Scripted()
    broker.there.clear()
    with pytest.raises(InputError, match="is away"):
        Publisher(broker.connect, "broker")
