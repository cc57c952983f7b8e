"""What is here: driver, GPUs, TensorRT, the plugin. Nothing heavy is imported and nothing is loaded to find out.

Also which driver a TensorRT needs, from NVIDIA's installation guides (Linux).
"""

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
from typing import Any, Literal, TypeVar

from stc.errors import Missing
from stc.runtime.machine import plugin
from stc.runtime.machine.plugin import Plugin

BRANCHES = {12: 535, 13: 580}  # CUDA major -> oldest driver branch for TensorRT's packages of that CUDA
_FIRST_FOR_CUDA_13 = (10, 13, 2)

logger = logging.getLogger(__name__)

MODULES: dict[Flavour, str] = {"tensorrt": "tensorrt", "rtx": "tensorrt_rtx"}
NAMES: dict[Flavour, str] = {"tensorrt": "TensorRT", "rtx": "TensorRT-RTX"}
# Packages that bring a module. Those that name a CUDA version come first: it decides which driver is needed.
_PACKAGES: dict[Flavour, tuple[str, ...]] = {
    "tensorrt": ("tensorrt-cu13", "tensorrt-cu12", "tensorrt"),
    "rtx": ("tensorrt-rtx-cu13", "tensorrt-rtx-cu12", "tensorrt-rtx"),
}
NOT_LOOKED_FOR = Missing("not looked for")
_KERNEL_MODULE = Path("/proc/driver/nvidia/version")
_T = TypeVar("_T")
Flavour = Literal["tensorrt", "rtx"]


def cuda_versions(flavour: Flavour, version: str) -> tuple[int, ...]:
    """The CUDA majors that a TensorRT version ("": any) was released for, oldest first."""
    parts = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    return (12,) if flavour == "tensorrt" and () < parts < _FIRST_FOR_CUDA_13 else (12, 13)


def required_driver(flavour: Flavour, version: str, cuda: int | None = None) -> str:
    """In words, for TensorRT's packages of CUDA `cuda`; None: for all that exist of that version."""
    majors = (cuda,) if cuda in BRANCHES else cuda_versions(flavour, version)
    return " or ".join(f"branch R{BRANCHES[major]} or newer for CUDA {major}" for major in majors if major in BRANCHES)


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
class Cuda:
    """What the CUDA runtime sees: the newest CUDA that the driver serves, the GPUs that this process may use, and why
    there are none.
    """

    version: str | None = None
    gpus: tuple[Gpu, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class TensorRt:
    """An installed TensorRT. `version` is None where no package says it, `cuda` the CUDA major it was built for."""

    flavour: Flavour
    version: str | None
    cuda: int | None = None

    def __str__(self) -> str:
        return f"{NAMES[self.flavour]} {self.version or '(unknown version)'}"


@dataclass(frozen=True)
class Machine:
    """`cuda_bindings` is the version of that package; `cuda_error` why `gpus` is empty although there is a driver."""

    driver: Driver | None = None
    gpus: tuple[Gpu, ...] = ()
    cuda_bindings: str | None = None
    cuda_error: str | None = None
    tensorrt: tuple[TensorRt, ...] = ()
    plugin: Plugin | Missing = NOT_LOOKED_FOR

    def find(self, flavour: Flavour) -> TensorRt | None:
        return next((found for found in self.tensorrt if found.flavour == flavour), None)


def gather() -> Machine:
    """Look around. Never raises: what cannot be found out counts as absent."""
    cuda = _try(_cuda) or Cuda()
    kernel_module = _try(_kernel_module)
    there = kernel_module or cuda.version or _try(_driver_library)
    return Machine(
        driver=Driver(kernel_module, cuda.version) if there else None,
        gpus=cuda.gpus,
        cuda_bindings=_try(partial(version_of, "cuda-bindings")),
        cuda_error=cuda.error,
        tensorrt=tuple(found for flavour in MODULES if (found := _try(partial(_tensorrt, flavour)))),
        plugin=_try(plugin.find) or NOT_LOOKED_FOR,
    )


def _try(probe: Callable[[], _T]) -> _T | None:
    try:
        return probe()
    except Exception as error:  # a broken installation can raise anything; the checks say what is missing
        logger.debug("probe failed: %r", error)
        return None


def _cuda() -> Cuda:
    if find_spec("cuda") is None or find_spec("cuda.bindings") is None:
        return Cuda()
    from cuda.bindings import runtime as cudart

    return describe(cudart)


def describe(cudart: Any) -> Cuda:
    """Ask a module like cuda.bindings.runtime. Creates no CUDA context."""
    success = cudart.cudaError_t.cudaSuccess
    error, number = cudart.cudaDriverGetVersion()
    if error != success or not number:
        return Cuda()
    version = f"{number // 1000}.{number % 1000 // 10}"
    error, count = cudart.cudaGetDeviceCount()
    if error != success:
        return Cuda(version, error=error.name)
    gpus: list[Gpu] = []
    for index in range(count):
        error, properties = cudart.cudaGetDeviceProperties(index)
        if error != success:
            return Cuda(version, tuple(gpus), error.name)
        name = properties.name.decode() if isinstance(properties.name, bytes) else str(properties.name)
        gpus.append(Gpu(name, f"SM{properties.major}{properties.minor}", int(properties.totalGlobalMem)))
    return Cuda(version, tuple(gpus))


def _kernel_module() -> str | None:
    """The driver's version from the kernel, on Linux; None where the kernel module is not loaded."""
    if not _KERNEL_MODULE.is_file():
        return None
    found = re.search(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b", _KERNEL_MODULE.read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else None


def _driver_library() -> bool:
    """Whether the driver's user library is there. It alone answers in WSL, on Jetson and on Windows."""
    try:
        CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _tensorrt(flavour: Flavour) -> TensorRt | None:
    spec = find_spec(MODULES[flavour])
    if spec is None or spec.origin is None:  # without an origin it is a folder of that name, no package
        return None
    for package in _PACKAGES[flavour]:
        if (found := version_of(package)) is not None:
            cuda = re.search(r"-cu(\d+)$", package)
            return TensorRt(flavour, found, int(cuda[1]) if cuda else None)
    return TensorRt(flavour, None)


def version_of(package: str) -> str | None:
    """None: not installed."""
    try:
        return package_version(package)
    except PackageNotFoundError:
        return None
