"""Memory that a training frees stays with it, where the C library can do that."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from stc.training.memory import keep_freed_memory

# A buffer of 64 MiB, filled and freed four times: how many pages did the system have to bring in each time?
PROGRAM = """
import ctypes, resource, sys
from stc.training.memory import keep_freed_memory
print(keep_freed_memory() if sys.argv[1] == "keep" else True)
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    buffer = ctypes.c_void_p(libc.malloc(1 << 26))
    ctypes.memset(buffer, 1, 1 << 26)
    libc.free(buffer)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(way: str) -> list[int]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, way], capture_output=True, text=True, check=True, timeout=60)
    can, *found = done.stdout.split()
    if can != "True":
        pytest.skip("this C library has no mallopt")
    return [int(number) for number in found]


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_a_buffer_that_was_freed_is_there_at_once_the_next_time() -> None:
    first, *others = faults("keep")
    assert max(others) < 16 < first  # with huge pages 32 are enough for it
    assert min(faults("return")) >= 16  # so it is not without


def test_a_c_library_without_the_option_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert keep_freed_memory() is False
    monkeypatch.setattr(sys, "platform", "win32")
    assert keep_freed_memory() is False
