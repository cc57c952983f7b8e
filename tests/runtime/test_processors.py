"""How many processors a process may use: its affinity and its container's quota, from trees as kernels lay them out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stc.runtime import processors as module
from stc.runtime.processors import cores, processors, threads_to_ask_for


@pytest.fixture(autouse=True)
def sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 16 processors, all of them this process's."""
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 16)


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


V1 = "sys/fs/cgroup/cpu"
TREES = {
    "nothing is told": ({}, 16),
    "version 2, at the top as a container sees it": (
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"},
        4,
    ),
    "version 2, without a quota": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 16),
    "version 2, rounded up": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"}, 3),
    "version 2, less than one": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "1000 100000\n"}, 1),
    "version 2, more than there are": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 16),
    "version 2, the slice above is tighter": (
        {
            "proc/self/cgroup": "0::/app.slice/box.service\n",
            "sys/fs/cgroup/app.slice/cpu.max": "200000 100000\n",
            "sys/fs/cgroup/app.slice/box.service/cpu.max": "800000 100000\n",
        },
        2,
    ),
    "version 1": (
        {
            "proc/self/cgroup": "12:memory:/x\n4:cpu,cpuacct:/box\n1:name=systemd:/box\n",
            f"{V1}/box/cpu.cfs_quota_us": "150000\n",
            f"{V1}/box/cpu.cfs_period_us": "50000\n",
            f"{V1}/cpu.cfs_quota_us": "-1\n",
            f"{V1}/cpu.cfs_period_us": "100000\n",
        },
        3,
    ),
    "version 1, named as the host does, seen from the inside": (
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/docker/0123abcd\n",
            f"{V1}/cpu.cfs_quota_us": "200000\n",
            f"{V1}/cpu.cfs_period_us": "100000\n",
        },
        2,
    ),
    "both, with the processor in version 1": (
        {
            "proc/self/cgroup": "3:cpu:/\n2:cpuset:/\n0::/\n",
            f"{V1}/cpu.cfs_quota_us": "500000\n",
            f"{V1}/cpu.cfs_period_us": "100000\n",
        },
        5,
    ),
    "rubbish": (
        {"proc/self/cgroup": "rubbish\n0::/\n", "sys/fs/cgroup/cpu.max": "many of them\n", f"{V1}/x": "\n"},
        16,
    ),
    "a period of zero": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "1000 0\n"}, 16),
}


@pytest.mark.parametrize("name", TREES)
def test_the_least_quota_counts(name: str, tmp_path: Path) -> None:
    files, expected = TREES[name]
    root = tree(tmp_path, files)
    assert processors(root) == expected
    assert threads_to_ask_for(None, root) == (expected if expected < 16 else None)
    assert threads_to_ask_for(7, root) == 7


def test_affinity_counts_where_it_is_less_than_the_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"})
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    assert processors(root) == 2 == threads_to_ask_for(None, root)
    monkeypatch.delattr(module.os, "sched_getaffinity")  # macOS, Windows
    assert processors(root) == 4


def test_a_tree_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "proc/self/cgroup").mkdir(parents=True)
    assert processors(tmp_path) == 16


BOUND = """
import os
os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})
from stc.runtime.native.library import find
from stc.runtime.processors import cores, processors, threads_to_ask_for
told = 1 if os.cpu_count() > 1 else None
print(processors(), find().threads, find().with_threads(None).threads, threads_to_ask_for(None) == told)
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be bound here")
def test_a_process_that_is_bound_to_one_processor_uses_one() -> None:
    done = subprocess.run([sys.executable, "-c", BOUND], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1", "1", "True"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 16),
        (
            {f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": f"{n % 8},{n % 8 + 8}" for n in range(16)},
            8,
        ),
        ({f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": f"{n}" for n in range(16)}, 16),
    ],
    ids=["nothing is told", "two processors a core", "one processor a core"],
)
def test_processors_of_one_core_count_once(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    assert cores(tree(tmp_path, files)) == expected
    tree(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "300000 100000\n"})
    assert cores(tmp_path) == 3, "and a quota of three processors is one of three"
