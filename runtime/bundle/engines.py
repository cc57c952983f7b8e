"""Which engine runs an ONNX file: ONNX Runtime or OpenVINO, and which file of a bundle where nobody named one.

The rule, for a CPU. An engine that is asked for by name runs, or an error says what it lacks: there is no fallback. Of
those that are installed the fastest *verified* one is taken where none is named:

1. OpenVINO with the bundle's int8 file, then with its bf16 file where the CPU has bfloat16. These change what is found,
   so the passport must say that this engine with this file passed (`agreement`, under the name of `record_of`).
2. ONNX Runtime with model.onnx.
3. OpenVINO with model.onnx: float32 of another engine is the same arithmetic in another order, so what the export
   proved holds, to float32's rounding. It is no faster, so it comes last.

A file that is named is run, by the first engine of this list that can: ONNX Runtime computes no bfloat16 on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from importlib.util import find_spec

from stc.errors import InputError
from stc.runtime.bundle.passport import MODEL_FILE, Passport
from stc.runtime.machine.device import Device
from stc.runtime.machine.engine_names import ENGINES, EngineName

_FASTEST_FIRST = ("int8", "bf16")  # of the precisions below float32, in OpenVINO on a CPU


@dataclass(frozen=True)
class Here:
    """The engines that are installed, and whether OpenVINO computes bfloat16 on this CPU, which is slow to ask."""

    installed: Set[EngineName]
    bf16: Callable[[], bool]


def here() -> Here:
    """Of this machine. Nothing is imported before it is asked."""

    def bf16() -> bool:
        from stc.runtime.machine.openvino import capabilities

        return "BF16" in capabilities()

    return Here({name for name in ENGINES if find_spec(name) is not None}, bf16)


def record_of(file: str, engine: EngineName) -> str:
    """The name in a passport's `agreement` of a verdict on `file` run by `engine`: ONNX Runtime's is the file's own."""
    return file if engine == "onnxruntime" else f"{file}, {engine}"


def verified(passport: Passport, file: str, engine: EngineName) -> bool:
    """Whether the passport says that `engine` with this file of the bundle finds what the model should."""
    if _kind(passport, file) == "fp32":
        return True
    return bool(passport.agreement.get(record_of(file, engine), {}).get("verdict") == "pass")


def choose(passport: Passport, device: Device, asked: EngineName | None, machine: Here) -> tuple[EngineName, str]:
    """The engine, and its file of the bundle that `passport` describes, for any device but a GPU of NVIDIA's.

    Raises InputError for an engine that does not know the device.
    """
    engine = of_device(device, asked)
    if engine != "onnxruntime" and device.kind == "cpu" and "openvino" in machine.installed:
        files = {kind: file for file in passport.files if (kind := _kind(passport, file)) in _FASTEST_FIRST}
        for kind in _FASTEST_FIRST:
            file = files.get(kind)
            if file and verified(passport, file, "openvino") and (kind != "bf16" or machine.bf16()):
                return "openvino", file
    return engine or _first(machine), MODEL_FILE


def of_file(
    kind: str, device: Device, asked: EngineName | None, passed: bool, machine: Here | None = None
) -> EngineName:
    """The engine of a file that was named: `kind` are its numbers ("fp32", "bf16", …), `passed` whether it is
    `verified` in OpenVINO. Raises as `choose`.
    """
    machine = machine or here()
    engine = of_device(device, asked)
    if engine is not None:
        return engine
    faster = kind == "bf16" or (kind == "int8" and passed)
    return "openvino" if faster and "openvino" in machine.installed else _first(machine)


def of_device(device: Device, asked: EngineName | None) -> EngineName | None:
    """What the device decides. Raises InputError for an unknown engine, or one that does not know the device."""
    if asked is not None and asked not in ENGINES:
        raise InputError(f"unknown engine {asked!r}; known: {', '.join(ENGINES)}")
    if device.kind == "cpu":
        return asked
    engine: EngineName = "onnxruntime" if device.kind == "cuda" else "openvino"
    if asked not in {None, engine}:
        raise InputError(f"{asked} does not run on the device {device}; leave out the engine, or take device='cpu'")
    return engine


def _first(machine: Here) -> EngineName:
    return "openvino" if machine.installed == {"openvino"} else "onnxruntime"


def _kind(passport: Passport, file: str) -> str:
    default = "fp32" if file == MODEL_FILE else ""
    return str(passport.precision.get("files", {}).get(file, default))
