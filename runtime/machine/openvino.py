"""OpenVINO itself: the package, its devices, and what a CPU computes in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from stc.boundary import foreign
from stc.errors import IncompatibleError, MissingDependencyError, ProcessBoundError
from stc.runtime.machine.device import Device

INSTALL = "pip install 'stc-trt[openvino]'"
_TELEMETRY = "openvino_telemetry"
DOCTOR = "see: stc-doctor"
COMPUTES = frozenset({"FP32", "FP16", "BF16", "INT8"})  # of what a device says that it can do


def load() -> Any:
    """The module. Raises MissingDependencyError when it is not installed, IncompatibleError when it does not load."""
    try:
        with foreign("OpenVINO", "this machine", f"fix: {INSTALL} --force-reinstall", IncompatibleError):
            with _without_telemetry():
                import openvino
    except ImportError as error:
        raise MissingDependencyError(f"openvino is not installed ({error}); fix: {INSTALL}") from error
    return openvino


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Importing OpenVINO would start that of its converter, which is not used here: it makes files in the user's home,
    forks, and sends. Where the package is not there OpenVINO does without.
    """
    if _TELEMETRY in sys.modules:  # somebody else's
        yield
        return
    modules: dict[str, Any] = sys.modules
    modules[_TELEMETRY] = None  # importing it fails
    try:
        yield
    finally:
        del modules[_TELEMETRY]


def version(openvino: Any) -> str:
    """As its package says, without the build."""
    return str(openvino.__version__).partition("-")[0]


def name_of(device: Device) -> str:
    """OpenVINO's name of a device: "CPU", "GPU", "GPU.1", "NPU"."""
    return device.kind.upper() + (f".{device.index}" if device.index else "")


@cache
def _core(openvino: Any, process: int) -> Any:
    """One for each process, and for ever. Each Core gives the thread a stack for signals and takes it away when it
    goes: of two, the one that goes first leaves the thread without, and the next Ctrl-C is a segmentation fault.
    """
    return openvino.Core()


@cache
def _first() -> int:
    """The process in which a model was first loaded; one that is forked from it inherits the answer."""
    return os.getpid()


def claim() -> None:
    """Before a model is loaded. Raises ProcessBoundError in a process that was forked from one that has done so: what
    OpenVINO knows of its threads came along and they did not, so it may wait for them for ever.
    """
    if _first() != os.getpid():
        raise ProcessBoundError(
            "this process was forked from one that uses OpenVINO, whose threads it lacks; start it with "
            "multiprocessing.get_context('spawn'), or choose engine='onnxruntime' in it"
        )


def core(openvino: Any, device: Device) -> Any:
    """OpenVINO's core, which knows the device. Raises IncompatibleError where it does not."""
    name = name_of(device)
    with foreign("OpenVINO", device, DOCTOR, IncompatibleError):
        made = _core(openvino, os.getpid())
        found = list(made.available_devices)
    if not any(each == name or each.partition(".")[0] == name for each in found):
        raise IncompatibleError(
            f"device {device}: OpenVINO finds no {name} here (it finds {', '.join(found) or 'nothing'}), which needs "
            "Intel's driver; fix: install that, or run with device='cpu' (for a GPU of NVIDIA's: device='cuda')"
        )
    return made


def devices() -> tuple[str, ...]:
    """What OpenVINO finds here, by its own names. Raises as `load` does."""
    openvino = load()
    with foreign("OpenVINO", "this machine", DOCTOR, IncompatibleError):
        return tuple(map(str, _core(openvino, os.getpid()).available_devices))


def capabilities() -> tuple[str, ...]:
    """What the CPU computes in: "FP32", "BF16" (only where it has instructions for it), "INT8", … Raises as `load` and
    `core` do.
    """
    cpu = Device("cpu")
    return supported(core(load(), cpu), cpu)


def supported(made: Any, device: Device) -> tuple[str, ...]:
    """`capabilities` of any device of a core."""
    with foreign("OpenVINO", device, DOCTOR, IncompatibleError):
        found = [str(each) for each in made.get_property(name_of(device), "OPTIMIZATION_CAPABILITIES")]
    return tuple(sorted(set(found) & COMPUTES))
