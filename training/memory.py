"""How the C library treats memory that a training frees."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h


def keep_freed_memory() -> bool:
    """Have this process keep what it frees, for the next step; whether the C library can.

    glibc gives large buffers back to the system at once, and every step of a training on a CPU asks for the same ones
    again, whose pages the system must then clear: of `stc-lite-2`, about a quarter of a step's time.
    """
    if sys.platform != "linux":
        return False
    with suppress(OSError, AttributeError):  # glibc has it, musl does not
        set_option = ctypes.CDLL(None).mallopt
        return bool(set_option(_M_MMAP_MAX, 0)) and bool(set_option(_M_TRIM_THRESHOLD, 2**31 - 1))
    return False
