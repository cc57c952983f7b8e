"""What can happen to the processors of a process: it may use one of them, or a part of their time, or has company."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stc.errors import InputError

PERIOD = 100_000  # microseconds
TREES = ("cpu", "cpu,cpuacct", "")  # version 1 under the names that it has, and version 2


@contextmanager
def bound(processor: int) -> Iterator[None]:
    """This thread, and those that it begins, on one processor, as of `taskset`. Raises InputError where it may not."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {processor})
    except OSError as error:
        raise InputError(f"processor {processor}: {error.strerror}; this process may use {sorted(before)}") from error
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def quota(processors: float, root: Path = Path("/sys/fs/cgroup")) -> Iterator[None]:
    """This process with so many processors' time, as a container has it. Raises InputError where it may make no cgroup.

    Afterwards it is in the tree's uppermost cgroup.
    """
    share = str(round(processors * PERIOD))
    reasons = []
    for top in (root / name for name in TREES):
        group = top / f"stc-threads-{os.getpid()}"
        limits = {"cpu.max": f"{share} {PERIOD}"} if top == root else {"cpu.cfs_period_us": str(PERIOD)}
        limits |= {} if top == root else {"cpu.cfs_quota_us": share}
        try:
            group.mkdir()
        except OSError as error:
            reasons.append(f"{group}: {error.strerror}")
            continue
        try:
            try:
                for name, value in (limits | {"cgroup.procs": str(os.getpid())}).items():
                    (group / name).write_text(value)
            except OSError as error:
                reasons.append(f"{error.filename or group}: {error.strerror}")
                continue
            yield
            return
        finally:
            with suppress(OSError):
                (top / "cgroup.procs").write_text(str(os.getpid()))
                group.rmdir()
    raise InputError(f"no cgroup with a quota can be made here ({'; '.join(reasons)}); it takes root")


@contextmanager
def company() -> Iterator[None]:
    """Another process that always computes, wherever the system puts it."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()
