"""What is here: driver, GPUs, TensorRT, the plugin. Nothing heavy is imported and nothing is loaded to find out."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from ctypes import CDLL
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from stc.errors import Missing
from stc.runtime.machine import plugin
from stc.runtime.machine.flavour import FLAVOURS, FlavourName
from stc.runtime.machine.plugin import Plugin

logger = logging.getLogger(__name__)

NOT_LOOKED_FOR = Missing("not looked for")
KERNEL_MODULE = Path("/proc/driver/nvidia/version")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Driver:
    """The NVIDIA driver. `version` ("580.95.05") and `cuda`, the newest CUDA that it serves ("13.0"), where known."""

    version: str | None = None
    cuda: str | None = None


@dataclass(frozen=True)
class Gpu:
    """`target` is the compute capability as "SM89", `memory` bytes."""

    name: str
    target: str
    memory: int


@dataclass(frozen=True)
class CudaRuntime:
    """What the CUDA runtime sees: the newest CUDA that the driver serves, the GPUs that this process may use, and why
    there are none.
    """

    version: str | None = None
    gpus: tuple[Gpu, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class TensorRt:
    """An installed TensorRT. `version` is None where no package says it, `cuda` the CUDA major it was built for."""

    flavour: FlavourName
    version: str | None
    cuda: int | None = None

    def __str__(self) -> str:
        return f"{FLAVOURS[self.flavour].title} {self.version or '(unknown version)'}"


@dataclass(frozen=True)
class Machine:
    """`cuda_bindings` is the version of that package; `cuda_error` why `gpus` is empty although there is a driver."""

    driver: Driver | None = None
    gpus: tuple[Gpu, ...] = ()
    cuda_bindings: str | None = None
    cuda_error: str | None = None
    tensorrt: tuple[TensorRt, ...] = ()
    plugin: Plugin | Missing = NOT_LOOKED_FOR

    def find(self, flavour: FlavourName) -> TensorRt | None:
        return next((found for found in self.tensorrt if found.flavour == flavour), None)

    def serves(self, cuda: int | None) -> bool:
        """Whether the driver runs what was built for CUDA major `cuda`. What is not known is no reason against it."""
        if cuda is None or self.driver is None or self.driver.cuda is None:
            return True
        return int(self.driver.cuda.split(".")[0]) >= cuda


def gather() -> Machine:
    """Look around. Never raises: what cannot be found out counts as absent."""
    cuda = _try(_cuda) or CudaRuntime()
    kernel_module = _try(loaded_driver)
    there = kernel_module or cuda.version or _try(_driver_library)
    return Machine(
        driver=Driver(kernel_module, cuda.version) if there else None,
        gpus=cuda.gpus,
        cuda_bindings=_try(partial(installed, "cuda-bindings")),
        cuda_error=cuda.error,
        tensorrt=tuple(found for name in FLAVOURS if (found := _try(partial(installed_tensorrt, name)))),
        plugin=_try(plugin.find) or NOT_LOOKED_FOR,
    )


def _try(probe: Callable[[], _T]) -> _T | None:
    try:
        return probe()
    except Exception as error:  # a broken installation can raise anything; the checks say what is missing
        logger.debug("probe failed: %r", error)
        return None


def _cuda() -> CudaRuntime:
    if find_spec("cuda") is None or find_spec("cuda.bindings") is None:
        return CudaRuntime()
    from cuda.bindings import runtime as cudart

    return describe(cudart)


def describe(cudart: Any) -> CudaRuntime:
    """Ask a module like cuda.bindings.runtime. Creates no CUDA context."""
    success = cudart.cudaError_t.cudaSuccess
    error, number = cudart.cudaDriverGetVersion()
    if error != success or not number:
        return CudaRuntime()
    version = f"{number // 1000}.{number % 1000 // 10}"
    error, count = cudart.cudaGetDeviceCount()
    if error != success:
        return CudaRuntime(version, error=error.name)
    gpus: list[Gpu] = []
    for index in range(count):
        error, properties = cudart.cudaGetDeviceProperties(index)
        if error != success:
            return CudaRuntime(version, tuple(gpus), error.name)
        name = properties.name.decode() if isinstance(properties.name, bytes) else str(properties.name)
        gpus.append(Gpu(name, f"SM{properties.major}{properties.minor}", int(properties.totalGlobalMem)))
    return CudaRuntime(version, tuple(gpus))


def loaded_driver() -> str | None:
    """The driver's version from the kernel, on Linux; None where the kernel module is not loaded."""
    if not KERNEL_MODULE.is_file():
        return None
    found = re.search(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b", KERNEL_MODULE.read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else None


def _driver_library() -> bool:
    """Whether the driver's user library is there. It alone answers in WSL, on Jetson and on Windows."""
    try:
        CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def installed_tensorrt(name: FlavourName) -> TensorRt | None:
    """What there is of a flavour, by its packages' metadata; None where its module is not there."""
    flavour = FLAVOURS[name]
    spec = find_spec(flavour.module)
    if spec is None or spec.origin is None:  # without an origin it is a folder of that name, no package
        return None
    for package in flavour.packages:
        if (found := installed(package)) is not None:
            cuda = re.search(r"-cu(\d+)$", package)
            return TensorRt(name, found, int(cuda[1]) if cuda else None)
    return TensorRt(name, None)


def installed(package: str) -> str | None:
    """The version of a package; None where it is not installed."""
    try:
        return package_version(package)
    except PackageNotFoundError:
        return None
