"""The native CPU library: found, checked and described; what it can do is in `native_*.py`, one file per task."""

from __future__ import annotations

import ctypes
import logging
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

logger = logging.getLogger(__name__)

FILE = Path(__file__).with_name("libstc_cpu.so")
ABI = 3  # STC_CPU_ABI of plugins/cpu/stc_cpu.h
FAILURES = {
    -1: "an argument is out of range",
    -2: "the native library has no kernel for this number of channels and layers",
    -3: "not enough memory",
}  # what its functions return, beside 0


@dataclass(frozen=True)
class Library:
    """The loaded library, and how many threads a call may use (the calling one included).

    `kernels` is "avx512", "avx2" or "portable": the best that this machine can run. The environment variable
    STC_CPU=avx2 or STC_CPU=portable, set before the first use, rules out the ones before it.
    """

    handle: ctypes.CDLL
    kernels: str
    threads: int

    def with_threads(self, threads: int | None) -> Library:
        """The same library for at most `threads` threads; None: one per core that this process may use."""
        return Library(self.handle, self.kernels, threads or _cores())


@dataclass(frozen=True)
class Missing:
    """Why there is no library, and the command that brings it."""

    reason: str


@lru_cache(maxsize=1)
def find() -> Library | Missing:
    """The library that was installed with this package, or why it cannot be used. Looked for once per process."""
    if not FILE.is_file():
        return Missing(
            "the native library was not built when stc was installed; with a C++ compiler: "
            "pip install --force-reinstall --no-deps stc-trt, or pip install -e . in a checkout"
        )
    try:
        handle = ctypes.CDLL(str(FILE))
    except OSError as error:
        return Missing(f"{FILE.name} does not load ({error}); reinstall stc-trt on this machine")
    if (abi := int(handle.stc_cpu_abi())) != ABI:
        return Missing(f"{FILE.name} has interface {abi}, this version of stc needs {ABI}; reinstall stc-trt")
    handle.stc_cpu_kernels.restype = ctypes.c_char_p
    kernels = handle.stc_cpu_kernels().decode()
    logger.info("native library: %s kernels", kernels)
    return Library(handle, kernels, _cores())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
