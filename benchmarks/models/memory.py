"""Memory of this process and of the GPU, in bytes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from stc.errors import StcError
from stc.runtime.backends.tensorrt.cuda import Cuda, import_cudart


def resident() -> int | None:
    """Physical memory that the process holds now; None where the system does not tell (not Linux)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak() -> int | None:
    """The most that the process ever held; None where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # Linux counts in KiB


def on_gpu(index: int) -> int | None:
    """What all processes hold of the memory of GPU number `index`; None without cuda-bindings or that GPU.

    Never executed on a GPU.
    """
    try:
        cuda = Cuda(import_cudart(), index)
        with cuda.using():
            return cuda.memory_in_use()
    except StcError:
        return None
