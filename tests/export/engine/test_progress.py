"""Ctrl-C stops a build that runs in a thread, and not before that thread has stopped."""

from __future__ import annotations

import _thread
import threading
import time

import pytest

from stc.export.engine.progress import Bars, interruptible
from tests.runtime.backends.engine_bundle import Gpus


def test_returns_what_the_work_returns() -> None:
    assert interruptible(lambda: 42, threading.Event()) == 42


def test_raises_what_the_work_raises() -> None:
    def work() -> None:
        raise ZeroDivisionError("inside")

    with pytest.raises(ZeroDivisionError, match="inside"):
        interruptible(work, threading.Event())


def test_the_work_is_on_the_gpu_of_who_asked_for_it(gpus: Gpus) -> None:
    gpus.cuda.targets *= 3
    gpus.cuda.use(2)
    assert interruptible(lambda: gpus.cuda.current, threading.Event()) == 2
    assert gpus.cuda.contexts == {2}


def test_an_interrupt_cancels_waits_and_is_raised_again() -> None:
    cancelled, stopped = threading.Event(), threading.Event()

    def work() -> None:
        _thread.interrupt_main()
        assert cancelled.wait(10)
        time.sleep(0.05)
        stopped.set()

    with pytest.raises(KeyboardInterrupt):
        interruptible(work, cancelled)
    assert stopped.is_set()


def test_bars_follow_nested_phases() -> None:
    from rich.progress import Progress

    progress = Progress(disable=True)
    bars = Bars(progress)
    bars.start("building", 6)
    bars.start("timing", 2)
    bars.advance("timing")
    assert [(task.description, task.completed, task.total) for task in progress.tasks] == [
        ("building", 0, 6),
        ("timing", 1, 2),
    ]
    bars.finish("timing")
    bars.advance("timing")  # TensorRT may report a step after the end of its phase
    assert [task.description for task in progress.tasks] == ["building"]
