"""The native CPU library: found, checked and described; what it can do is in the files beside this one, one per
task.
"""

from __future__ import annotations

import ctypes
import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from stc.errors import InputError, Missing
from stc.runtime.native import interface
from stc.runtime.processors import processors

logger = logging.getLogger(__name__)

FILE = Path(__file__).parents[1] / "libstc_cpu.so"
FAILURES = {
    -1: "an argument is out of range",
    -2: "the native library has no kernel for this number of channels and layers",
    -3: "not enough memory",
}  # what its functions return, beside 0
STORAGE = {np.dtype(np.float32): 0, np.dtype(np.float16): 1}


@dataclass(frozen=True)
class Library:
    """The loaded library, and how many threads a call may use (the calling one included).

    `kernels` is "avx512", "avx2", "neon" or "portable": the best that this machine can run. The environment variable
    STC_CPU=avx2 or STC_CPU=portable, set before the first use, rules out the ones before it.
    """

    handle: ctypes.CDLL
    kernels: str
    threads: int

    def with_threads(self, threads: int | None) -> Library:
        """The same library for at most `threads` threads; None: one per processor that this process may use.

        Raises InputError for a number below 1. The library itself starts no more threads than a call has work for.
        """
        if threads is not None and not 1 <= threads < 2**31:
            raise InputError(f"threads must be at least 1; got {threads}")
        return Library(self.handle, self.kernels, threads or processors())


@lru_cache(maxsize=1)
def find() -> Library | Missing:
    """The library that was installed with this package, or why it cannot be used. Looked for once per process."""
    if not FILE.is_file():
        return Missing(
            "the native library was not built when stc was installed; with a C++ compiler: "
            "pip install --force-reinstall --no-deps stc-trt, or pip install -e . in a checkout"
        )
    return load(FILE)


def load(file: Path) -> Library | Missing:
    """The library in `file`, for one thread per processor."""
    try:
        handle = ctypes.CDLL(str(file))
    except OSError as error:
        return Missing(f"{FILE.name} does not load ({error}); reinstall stc-trt on this machine")
    if reason := interface.mismatch(handle):
        return Missing(f"{FILE.name} {reason}; reinstall stc-trt")
    kernels = handle.stc_cpu_kernels().decode()
    logger.info("native library: %s kernels", kernels)
    return Library(handle, kernels, processors())


def available(threads: int | None) -> Library | None:
    """The library for `threads` threads (`Library.with_threads`), or None where it cannot be used: NumPy, OpenCV and
    Pillow then do its work.
    """
    found = find()
    return found.with_threads(threads) if isinstance(found, Library) else None
