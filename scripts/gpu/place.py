"""Where the steps find what the first of them built, and whether this is a dry run: __main__.py tells them."""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from scripts.gpu.driver import DriverError, Gpu
from stc.errors import Missing
from stc.runtime.native import cuda_interface, interface, library
from stc.runtime.native.library import Library

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
FOLDER = Path(os.environ.get("STC_GPU_FOLDER", ROOT / "out" / "gpu-kernels")).absolute()
DRY = os.environ.get("STC_GPU_DRY") == "1"
KERNELS, CPU, PTX = FOLDER / "libkernels.so", FOLDER / "libstc_cpu.so", FOLDER / "embedded.ptx"
STAND_IN, EXECUTOR = FOLDER / "driver.so", FOLDER / "executor.so"  # of dry runs


@lru_cache(maxsize=1)
def gpu() -> Gpu:
    """Raises DriverError where there is none."""
    return Gpu(str(STAND_IN)) if DRY else Gpu()


@lru_cache(maxsize=1)
def kernels() -> ctypes.CDLL:
    """The C library of plugins/cuda/stc_cuda.h, in the context of `gpu()`."""
    gpu()
    found = ctypes.CDLL(str(KERNELS))
    if why := cuda_interface.mismatch(found):
        raise DriverError(f"{KERNELS.name} {why}")
    return found


def launch(name: str, *arguments: Any) -> None:
    """A function of the C library on the stream of `gpu()`. Raises DriverError for what it returns beside 0."""
    if status := getattr(kernels(), f"stc_cuda_{name}")(*arguments, gpu().stream):
        raise DriverError(f"{name}: CUDA error {status}")


@lru_cache(maxsize=1)
def cpu_library() -> ctypes.CDLL:
    """The installed CPU library, or the one built beside the kernels."""
    found = library.find()
    if isinstance(found, Library):
        return found.handle
    assert isinstance(found, Missing)
    handle = ctypes.CDLL(str(CPU))
    assert interface.mismatch(handle) is None
    return handle
