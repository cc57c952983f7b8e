"""Ctrl-C as a question: work that asks between two frames can end with what it has."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any


class Stop:
    """While entered (in the main thread), the first SIGINT only sets `asked`; a second one interrupts as always."""

    asked = False

    def __enter__(self) -> Stop:
        self._before: Any = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
