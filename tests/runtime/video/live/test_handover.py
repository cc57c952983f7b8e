"""Frames between two threads: what is kept, what is dropped, and that nobody waits for ever."""

from __future__ import annotations

import random
import threading
import time
from typing import Literal

import numpy as np
import pytest

from stc.errors import InputError
from stc.runtime.video import Frame, Gap
from stc.runtime.video.live.handover import Handover


def frame(index: int, *gaps: Gap) -> Frame:
    return Frame(np.zeros((1, 1, 3), np.uint8), index / 25, index, "camera", gaps)


def gap(start: float) -> Gap:
    return Gap(start, start + 1, "lost")


def test_drop_oldest_keeps_the_newest_and_counts_the_rest() -> None:
    queue = Handover("drop-oldest", 2)
    for index in range(7):
        queue.put(frame(index))
    queue.finish()
    assert [f.index for f in iter(queue.get, None)] == [5, 6]
    assert queue.dropped == 5


@pytest.mark.parametrize("capacity", [1, 2, 3])
def test_gaps_of_dropped_frames_go_to_the_next_one_that_stays(capacity: int) -> None:
    queue = Handover("drop-oldest", capacity)
    told = []
    for index in range(20):
        queue.put(frame(index, *([gap(index)] if index % 3 == 0 else [])))
        if index == 8:
            told += queue.get().gaps  # type: ignore[union-attr]
    queue.finish()
    for left in iter(queue.get, None):
        told += left.gaps
    assert told == [gap(index) for index in range(0, 20, 3)], "each once, in order"


@pytest.mark.parametrize("policy", ["wait", "drop-oldest"])
def test_two_threads_at_any_pace(policy: Literal["wait", "drop-oldest"]) -> None:
    queue, taken = Handover(policy, 2), []
    jitter = random.Random(3)

    def produce() -> None:
        for index in range(300):
            queue.put(frame(index, gap(index)))
            time.sleep(jitter.choice((0, 0, 0.0005)))
        queue.finish()

    thread = threading.Thread(target=produce)
    thread.start()
    for found in iter(queue.get, None):
        taken.append(found)
        time.sleep(jitter.choice((0, 0, 0.001)))
    thread.join()
    indices = [f.index for f in taken]
    assert indices == sorted(set(indices)) and indices[-1] == 299
    assert len(indices) + queue.dropped == 300
    assert queue.dropped == 0 or policy == "drop-oldest"
    assert [g for f in taken for g in f.gaps] == [gap(index) for index in range(300)]


def test_a_recording_is_not_dropped() -> None:
    queue = Handover("drop-oldest", 1)
    queue.never_drop()
    threading.Thread(target=lambda: [queue.put(frame(i)) for i in range(5)] and queue.finish()).start()
    assert [f.index for f in iter(queue.get, None)] == [0, 1, 2, 3, 4]


def test_close_frees_both_sides() -> None:
    full, empty = Handover("wait", 1), Handover("wait", 1)
    full.put(frame(0))
    threads = [threading.Thread(target=full.put, args=(frame(1),)), threading.Thread(target=empty.get)]
    for thread in threads:
        thread.start()
    full.close()
    empty.close()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert full.get() is None and empty.get() is None


def test_wrong_arguments() -> None:
    with pytest.raises(InputError, match="unknown drop policy 'drop-newest'; known: wait, drop-oldest"):
        Handover("drop-newest", 2)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="capacity=0: must be 1 or more"):
        Handover("wait", 0)
