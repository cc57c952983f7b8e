"""What the processes of one test run share on disk: made by the first that asks, and by one at a time."""

from __future__ import annotations

import fcntl
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")
BUILD = Path(__file__).parents[1] / "build"


@contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """Inside is one process at a time of those that name the same lock in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
        yield


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], T]) -> T:
    """What `make` returns, made once for all workers of this run and not to be changed. The path that it is given is
    its own, to be filled; what it returns is pickled.
    """
    folder = factory.getbasetemp()
    if folder.name.startswith("popen-"):  # a worker's; its parent is the run's
        folder = folder.parent
    path = folder / "shared" / name
    made = path.with_name(f"{name}.pickle")
    with alone(path.parent, name):
        if not made.exists():
            made.write_bytes(pickle.dumps(make(path)))
    return pickle.loads(made.read_bytes())  # type: ignore[no-any-return]
