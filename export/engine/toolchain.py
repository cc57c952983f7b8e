"""The one place where TensorRT 10, TensorRT 11 and TensorRT-RTX differ for who builds engines."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Literal

from stc.errors import IncompatibleError, Missing, MissingDependencyError
from stc.runtime.machine.flavour import FLAVOURS, FlavourName

Asked = Literal["auto", "tensorrt", "rtx", "none"]
OLDEST = (10, 3)  # TensorRT of JetPack 6
OLDEST_EMBED = (10, 9)  # the first with ahead-of-time plugins


@dataclass(frozen=True)
class Toolchain:
    """A TensorRT to build with. `module` is its Python module, imported."""

    name: FlavourName
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
        return f"{FLAVOURS[self.name].title} {self.version}"

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


def choose(asked: Asked) -> Toolchain | Missing:
    """The TensorRT to build with. `auto`: TensorRT where it imports, else TensorRT-RTX, else why there is none.

    Raises MissingDependencyError when the one asked for does not import, IncompatibleError when it is too old.
    """
    if asked == "none":
        return Missing("--trt none was asked for; to build one: --trt tensorrt or --trt rtx")
    missing = []
    for name in FLAVOURS if asked == "auto" else (asked,):
        found = _load(name)
        if isinstance(found, Toolchain):
            return found
        missing.append(found.reason)
    if asked != "auto":
        raise MissingDependencyError(missing[0])
    return Missing("; or ".join(missing))


def _load(name: FlavourName) -> Toolchain | Missing:
    flavour = FLAVOURS[name]
    try:
        module = importlib.import_module(flavour.module)
    except (ImportError, OSError) as error:  # OSError: its libraries do not load
        return Missing(f"{flavour.title} does not import ({error}); fix: {flavour.install}")
    toolchain = Toolchain(name, module)
    if name == "tensorrt" and toolchain.release < OLDEST:
        raise IncompatibleError(
            f"{toolchain.title} is too old: {'.'.join(map(str, OLDEST))} or newer is needed; fix: {flavour.install}"
        )
    return toolchain
