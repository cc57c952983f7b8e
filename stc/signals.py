"""SIGINT, SIGTERM and SIGHUP are one wish, to end, and a command that they end returns one exit code.

In a command they raise KeyboardInterrupt; where work can end with what it has, a `Hold` turns the first one into a
question. The second one always interrupts, and a third ends the process whatever it does.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

# SIGHUP: a closed terminal or ssh session, and a service that is reloaded. Windows has none.
ENDING = tuple(signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in signal.Signals.__members__)
Handler = Callable[[int, FrameType | None], Any]

_came: list[int] = []


def asked() -> bool:
    """Whether a signal has asked this command to end. True in every thread, so that waits become short."""
    return bool(_came)


def check() -> None:
    """Raises KeyboardInterrupt where a signal has asked this command to end: a library may have swallowed the first
    one, as some do with whatever is raised while they look for something else to import.
    """
    if asked():
        raise KeyboardInterrupt


@contextmanager
def handled() -> Iterator[None]:
    """The frame of a command: a signal raises KeyboardInterrupt in the main thread.

    What the caller ignores stays ignored: `nohup`, and SIGINT of a background job.
    """
    _came.clear()
    before = _install(_interrupt, lambda handler: handler is not signal.SIG_IGN)
    try:
        yield
    finally:
        _restore(before)
        _came.clear()  # what comes after the command in this process was not asked to end


class Hold:
    """While entered, the first signal only sets `asked`; a second one does what it would have done without.

    In a thread other than the main one, which gets no signals, it holds nothing.
    """

    asked = False

    def __enter__(self) -> Hold:
        # Only what would raise: a signal whose action is to end the process at once keeps doing so.
        self._before = _install(self._ask, callable)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        _restore(self._before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            self._before[number](number, frame)
            return
        self.asked = True
        _came.append(number)


@contextmanager
def finished_first() -> Iterator[None]:
    """A short piece of work that is done whole: a signal raises KeyboardInterrupt at its end, a second one at once."""
    with Hold() as hold:
        yield
    if hold.asked:
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    _came.append(number)
    if len(_came) > 1:  # whoever asks a third time does not want to wait for tidying up either
        for ending in ENDING:
            signal.signal(ending, signal.SIG_DFL)
    raise KeyboardInterrupt


def _install(handler: Handler, replaceable: Callable[[Any], bool]) -> dict[int, Any]:
    """The handlers that were there before, of the signals that `handler` now takes."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    there: dict[int, Any] = {number: signal.getsignal(number) for number in ENDING}
    # None: set by a C library, which Python can neither call nor put back.
    before = {number: old for number, old in there.items() if old is not None and replaceable(old)}
    for number in before:
        signal.signal(number, handler)
    return before


def _restore(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
