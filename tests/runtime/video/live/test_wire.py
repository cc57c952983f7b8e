"""Messages through a real pipe, whole, late and cut off."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

import numpy as np
import pytest

from stc.runtime.video.live import wire
from stc.runtime.video.live.wire import (
    Concealed,
    Damaged,
    Ended,
    Lost,
    Message,
    Opened,
    Picture,
    Receiver,
    Silent,
    Task,
    pack,
)


@dataclass
class Pipe:
    inlet: int
    receiver: Receiver

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.inlet, data) :]

    def receive(self, seconds: float = 5.0) -> Message:
        return self.receiver.receive(monotonic() + seconds)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    outlet, inlet = os.pipe()
    yield Pipe(inlet, Receiver(outlet))
    os.close(outlet)


def data_of(message: Message) -> bytes:
    return b"".join(bytes(part) for part in pack(message))


def test_every_message_arrives_as_it_was(pipe: Pipe) -> None:
    image = np.random.default_rng(0).integers(0, 255, (120, 161, 3), np.uint8)  # more than a pipe holds
    messages: list[Message] = [
        Opened(29.97, (161, 120), False),
        Opened(25.0, None, True),
        Picture(12.5, image),
        Picture(None, image[:1, :1].copy()),
        Picture(-3.0, None),
        Damaged(),
        Concealed(),
        Lost("Connection refused: größer"),
        Ended(),
    ]
    threading.Thread(target=lambda: [pipe.write(data_of(m)) for m in messages] and os.close(pipe.inlet)).start()
    for message in messages:
        found = pipe.receive()
        if isinstance(message, Picture):
            assert isinstance(found, Picture) and found.stamp == message.stamp
            assert (found.image is None) == (message.image is None)
            assert message.image is None or np.array_equal(found.image, message.image)
        else:
            assert found == message
    with pytest.raises(EOFError):
        pipe.receive()


def test_silence_is_told_and_loses_nothing(pipe: Pipe) -> None:
    with pytest.raises(Silent):
        pipe.receive(0.02)
    with pytest.raises(Silent):
        pipe.receive(-1.0)  # its time is over, and there is nothing
    pipe.write(data_of(Damaged()))
    assert pipe.receive(-1.0) == Damaged(), "what is there is taken, however late"
    os.close(pipe.inlet)


@pytest.mark.parametrize("cut", [1, 5, 12, 40])
def test_a_message_that_is_cut_off_is_the_end(pipe: Pipe, cut: int) -> None:
    pipe.write(data_of(Picture(1.0, np.zeros((8, 8, 3), np.uint8)))[:cut])
    os.close(pipe.inlet)
    with pytest.raises(EOFError):
        pipe.receive()


def test_a_message_that_does_not_go_on_is_the_end(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "STUCK", 0.05)
    pipe.write(data_of(Picture(1.0, np.zeros((8, 8, 3), np.uint8)))[:-1])
    with pytest.raises(EOFError):
        pipe.receive()
    os.close(pipe.inlet)


def test_a_task_survives_its_line_and_hides_its_address() -> None:
    task = Task("rtsp://u:hunter2@cam/ü\nx", None, {"rtsp_transport": "tcp"}, (10.0, 2.5), False, 3, 7)
    assert task.to_json().count(b"\n") == 1
    assert Task.from_json(task.to_json()) == task
    assert "hunter2" not in repr(task)
