"""Work in several threads at once, the caller's among them: threads that last as long as the work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

from stc.errors import InputError

T = TypeVar("T")


def at_once(work: Callable[[T], object], items: Sequence[T], workers: int) -> None:
    """`work` of every item, of at most `workers` at a time.

    Raises what `work` raised first, once no thread is at work any more; what had not begun then is left out. InputError
    where the machine gives no more threads.
    """
    waiting: SimpleQueue[T] = SimpleQueue()
    for item in items:
        waiting.put(item)
    errors: list[BaseException] = []

    def serve() -> None:
        try:
            while not errors:
                work(waiting.get_nowait())
        except Empty:
            pass
        except BaseException as error:  # raised below, in the caller's thread
            errors.append(error)

    threads = [
        threading.Thread(target=serve, name="stc worker", daemon=True) for _ in range(min(workers, len(items)) - 1)
    ]
    begun = []
    try:
        for thread in threads:
            thread.start()
            begun.append(thread)
        serve()
    except RuntimeError as error:
        errors.append(InputError(f"{error}; allow more threads: ulimit -u"))
    finally:
        for thread in begun:
            thread.join()
    if errors:
        raise errors[0]
