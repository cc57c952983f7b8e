"""How many processors this process may use: what every pool of threads is capped at.

The machine's own count is wrong in two ways. A process may be bound to some of its processors (taskset, cpusets), and a
container may have a quota of their time: threads beyond it are put to sleep in the middle of their work.
"""

from __future__ import annotations

import math
import os
from pathlib import Path


def processors(root: Path = Path("/")) -> int:
    """Those that it is bound to, or its cgroup's quota in whole processors, rounded up, where that is less; at least 1.

    root: where /proc/self/cgroup and /sys/fs/cgroup are looked for; for tests.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(root)
    return max(1, bound if quota is None else min(bound, math.ceil(quota)))


def threads_to_ask_for(asked: int | None, root: Path = Path("/")) -> int | None:
    """What to tell an engine that counts the machine's processors itself (ONNX Runtime, PyTorch): the number `asked`
    for, or `processors` where this process may use fewer than there are; None: it may count.
    """
    if asked is not None:
        return asked
    allowed = processors(root)
    return allowed if allowed < (os.cpu_count() or 1) else None


def cores(root: Path = Path("/")) -> int:
    """As `processors`, with those that share a core of the processor counted once: how many threads that do nothing but
    compute gain by each other.
    """
    bound = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    told = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    return min(processors(root), len({_text(root / told.format(number)) or str(number) for number in bound}))


def _quota(root: Path) -> float | None:
    """The least quota of this process's cgroup and of those above it, in processors; None: there is none.

    Version 2 has one tree; of version 1 the tree of the controller `cpu` counts. A container mostly sees its own cgroup
    as the top of the tree while /proc still names it as the host does: then only the top is there to be read.
    """
    quotas = []
    for controllers, path in _memberships(root / "proc/self/cgroup"):
        folders, read = (
            ([root / "sys/fs/cgroup" / name for name in ("cpu", "cpu,cpuacct")], _version_1)
            if "cpu" in controllers
            else ([root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified"], _version_2)
        )
        for folder in folders:
            place = folder / path.strip("/")
            quotas += [read(level) for level in (place, *place.parents) if level.is_relative_to(folder)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _memberships(path: Path) -> list[tuple[list[str], str]]:
    """Controllers and path of each line `number:controllers:path`; without controllers it is version 2."""
    lines = [line.split(":", 2) for line in _text(path).splitlines()]
    memberships = [(parts[1].split(","), parts[2]) for parts in lines if len(parts) == 3]
    return [(controllers, place) for controllers, place in memberships if "cpu" in controllers or controllers == [""]]


def _version_1(folder: Path) -> float | None:
    quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
    return _ratio(quota, period)


def _version_2(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
    return _ratio(quota, period)


def _ratio(quota: str, period: str) -> float | None:
    """None for no quota: "max", -1, or a file that is not there."""
    try:
        share = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return share if share > 0 else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
