"""A build that shows how far it is and stops on Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Protocol, TypeVar

from stc.runtime.backends.tensorrt import cuda

T = TypeVar("T")
Step = Callable[[str], None]  # called with a line per step of an export
_POLL = 0.1  # seconds; how soon a Ctrl-C is noticed


class Display(Protocol):
    """Where phases are shown. Phases nest; their names are unique among those that are open."""

    def start(self, phase: str, steps: int) -> None: ...
    def advance(self, phase: str) -> None: ...
    def finish(self, phase: str) -> None: ...


class Silent:
    def start(self, phase: str, steps: int) -> None: ...
    def advance(self, phase: str) -> None: ...
    def finish(self, phase: str) -> None: ...


class Bars:
    """One bar of rich per open phase; `progress` is a started `rich.progress.Progress`."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._tasks: dict[str, Any] = {}

    def start(self, phase: str, steps: int) -> None:
        self._tasks[phase] = self._progress.add_task(phase, total=steps)

    def advance(self, phase: str) -> None:
        if phase in self._tasks:
            self._progress.advance(self._tasks[phase])

    def finish(self, phase: str) -> None:
        if phase in self._tasks:
            self._progress.remove_task(self._tasks.pop(phase))


def monitor(module: Any, display: Display, cancelled: threading.Event) -> Any:
    """TensorRT's `IProgressMonitor`: phases go to `display`, and the build ends when `cancelled` is set."""

    class Monitor(module.IProgressMonitor):  # type: ignore[misc]  # the base is known at run time only
        def __init__(self) -> None:
            super().__init__()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            display.start(phase_name, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            display.advance(phase_name)
            return not cancelled.is_set()

        def phase_finish(self, phase_name: str) -> None:
            display.finish(phase_name)

    return Monitor()


def interruptible(work: Callable[[], T], cancelled: threading.Event) -> T:
    """`work()` in a thread of its own, on this thread's GPU, so that Ctrl-C arrives while TensorRT computes.

    On KeyboardInterrupt sets `cancelled`, waits until `work` has stopped, and raises it again; a second one does not
    wait. What `work` raises is raised here.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    gpu = cuda.current()  # a new thread would have the first one

    def target() -> None:
        try:
            with nullcontext() if gpu is None else gpu.using():
                results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=target, name="tensorrt-build", daemon=True)
    try:
        thread.start()
        while thread.is_alive():
            thread.join(_POLL)
    except KeyboardInterrupt:
        cancelled.set()
        while thread.is_alive():
            thread.join(_POLL)
        raise
    if errors:
        raise errors[0]
    return results[0]
