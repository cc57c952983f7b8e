"""The one place where TensorRT 10, TensorRT 11 and TensorRT-RTX differ, and the GPU that they build for."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Literal

from stc.errors import IncompatibleError, Missing, MissingDependencyError
from stc.runtime.machine.machine import MODULES, NAMES
from stc.runtime.machine.machine import Flavour as Name

Asked = Literal["auto", "tensorrt", "rtx", "none"]
OLDEST = (10, 3)  # TensorRT of JetPack 6
OLDEST_EMBED = (10, 9)  # the first with ahead-of-time plugins


def compute_capability() -> str:
    """Of the current device, such as "SM89".

    Raises MissingDependencyError without cuda-bindings, IncompatibleError when CUDA does not answer.
    """
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise MissingDependencyError(
            f"cuda-bindings is not installed ({error}); fix: pip install 'stc-trt[tensorrt]'"
        ) from error
    status, device = runtime.cudaGetDevice()
    numbers = []
    for attribute in ("cudaDevAttrComputeCapabilityMajor", "cudaDevAttrComputeCapabilityMinor"):
        if status == runtime.cudaError_t.cudaSuccess:
            kind = getattr(runtime.cudaDeviceAttr, attribute)
            status, number = runtime.cudaDeviceGetAttribute(kind, device)
            numbers.append(number)
    if status != runtime.cudaError_t.cudaSuccess:
        raise IncompatibleError(f"CUDA does not tell this machine's GPU ({status.name}); check it with: nvidia-smi")
    return f"SM{numbers[0]}{numbers[1]}"


@dataclass(frozen=True)
class Flavour:
    """An imported TensorRT. `module` is its Python module."""

    name: Name
    module: Any

    @property
    def version(self) -> str:
        return str(self.module.__version__)

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor version."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    @property
    def title(self) -> str:
        return f"{NAMES[self.name]} {self.version}"

    @property
    def has_plugins(self) -> bool:
        """RTX has no plugin layer: a plugin that its parser creates ends the process."""
        return self.name == "tensorrt"

    @property
    def targets(self) -> tuple[str, ...]:
        """Compute capabilities that it builds for ahead of time ("SM89"); none: it builds for the GPU it runs on."""
        if self.name != "rtx":
            return ()
        return tuple(name for name in self.module.ComputeCapability.__members__ if name.startswith("SM"))

    @property
    def network_flags(self) -> int:
        """Types as written in the graph: all that 11 and RTX know, a flag in 10 (ignored and deprecated in 11)."""
        if self.name == "tensorrt" and self.release[0] == 10:
            return 1 << int(self.module.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        return 0


def choose(asked: Asked) -> Flavour | Missing:
    """The TensorRT to build with. `auto`: TensorRT where it imports, else TensorRT-RTX, else why there is none.

    Raises MissingDependencyError when the one asked for does not import, IncompatibleError when it is too old.
    """
    if asked == "none":
        return Missing("--trt none was asked for; to build one: --trt tensorrt or --trt rtx")
    if asked != "auto":
        found = _load(asked)
        if isinstance(found, Missing):
            raise MissingDependencyError(found.reason)
        return found
    missing = []
    for name in MODULES:  # in the order of preference
        found = _load(name)
        if isinstance(found, Flavour):
            return found
        missing.append(found.reason)
    return Missing("; or ".join(missing))


def _load(name: Name) -> Flavour | Missing:
    try:
        module = importlib.import_module(MODULES[name])
    except (ImportError, OSError) as error:  # OSError: its libraries do not load
        return Missing(f"{NAMES[name]} does not import ({error}); fix: pip install 'stc-trt[{name}]'")
    flavour = Flavour(name, module)
    if name == "tensorrt" and flavour.release < OLDEST:
        raise IncompatibleError(
            f"{flavour.title} is too old: {'.'.join(map(str, OLDEST))} or newer is needed; "
            "fix: pip install 'stc-trt[tensorrt]'"
        )
    return flavour
