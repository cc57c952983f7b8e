"""Which engine runs an ONNX file, which file of a bundle that is, and in which numbers it computes.

The rule, for a CPU. What is asked for by name runs, or an error says what it lacks: there is no fallback. Otherwise the
fastest of what is installed and *verified* is taken, of a bundle, in this order:

1. OpenVINO with the int8 file; what is not quantised in bfloat16 where the CPU has it;
2. OpenVINO with model.onnx in bfloat16, where the CPU has it;
3. ONNX Runtime with model.onnx;
4. OpenVINO with model.onnx in float32, which is no faster.

Fewer bits change what is found, so the first two count as verified where the passport has a passed verdict under
`record_of` in `agreement`, on these numbers or on fewer bits. float32 is the same arithmetic in another order: what the
export proved of the file holds, to float32's rounding.

A file that is named is run by the first engine that can: ONNX Runtime computes no bfloat16 on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from stc.errors import InputError
from stc.runtime.bundle.passport import ELSEWHERE, MODEL_FILE, Passport
from stc.runtime.machine.device import Device
from stc.runtime.machine.engine_names import ENGINES, EngineName

Package = Literal["onnxruntime", "openvino"]
Numbers = Literal["f32", "f16", "bf16"]  # OpenVINO's names


@dataclass(frozen=True)
class Here:
    """The engines that are installed, and whether OpenVINO computes bfloat16 on this CPU, which is slow to ask."""

    installed: Set[Package]
    bf16: Callable[[], bool]


@dataclass(frozen=True)
class Choice:
    """`numbers`: in which OpenVINO computes what is not quantised; ONNX Runtime takes those of the file."""

    engine: Package
    file: str
    numbers: Numbers = "f32"


def here() -> Here:
    """Of this machine. Nothing is imported before it is asked."""

    def bf16() -> bool:
        from stc.runtime.machine.openvino import capabilities

        return "BF16" in capabilities()

    packages: tuple[Package, ...] = ("onnxruntime", "openvino")
    return Here({name for name in packages if find_spec(name) is not None}, bf16)


def record_of(file: str, numbers: Numbers) -> str:
    """The name in a passport's `agreement` of a verdict on `file` in OpenVINO: "model.onnx, openvino bf16"."""
    return f"{file}{ELSEWHERE}{numbers}"


def is_record(name: str) -> bool:
    """Whether a name in a passport's `agreement` is one of `record_of`, and not a file's own."""
    return ELSEWHERE in name


def verified(passport: Passport, file: str, numbers: Numbers) -> bool:
    """Whether the passport says that OpenVINO in these `numbers` finds with the bundle's `file` what it should."""
    if _kind(passport, file) == "fp32" and numbers == "f32":
        return True
    fewer: tuple[Numbers, ...] = (numbers, "bf16")
    return any(passport.agreement.get(record_of(file, each), {}).get("verdict") == "pass" for each in fewer)


def choose(passport: Passport, device: Device, asked: EngineName | None, machine: Here) -> Choice:
    """Of the bundle that `passport` describes, for any device but a GPU of NVIDIA's.

    Raises InputError for an engine that does not know the device, and for int8 where the bundle has no such file.
    """
    engine, wanted = _parsed(device, asked)
    int8 = next((file for file in sorted(passport.files) if _kind(passport, file) == "int8"), None)
    if wanted == "int8":
        if int8 is None:
            raise InputError(
                f"{asked}: this bundle has no int8 file; make one with: stc-export --ckpt FILE --int8 --calib VIDEO"
            )
        return Choice("openvino", int8, _numbers("int8", device, "", machine))
    if wanted:
        return Choice("openvino", MODEL_FILE, _numbers("fp32", device, wanted, machine))
    if engine != "onnxruntime" and device.kind == "cpu" and "openvino" in machine.installed and _any(passport):
        less: Numbers = "bf16" if machine.bf16() else "f32"
        for file, numbers in ((int8, less), (MODEL_FILE, less)):
            if file is not None and (file != MODEL_FILE or numbers != "f32") and verified(passport, file, numbers):
                return Choice("openvino", file, numbers)
    return Choice(engine or _first(machine), MODEL_FILE)


def of_file(file: str, passport: Passport | None, device: Device, asked: EngineName | None, machine: Here) -> Choice:
    """Of a file that was named. Raises InputError as `choose`, and for other numbers than the file's; bfloat16 may be
    asked for of a float32 file. passport: of its bundle; None: it stands alone, and its numbers are not known yet.
    """
    kind = "fp32" if passport is None else _kind(passport, file)
    engine, wanted = _parsed(device, asked)
    if wanted not in {"", kind} and (wanted, kind) != ("bf16", "fp32"):
        raise InputError(f"{file}: its numbers are {kind}, not {wanted}; give the bundle, or the file of that")
    if engine is None:
        better = kind == "bf16" or (passport is not None and _faster(passport, file, kind, machine))
        engine = "openvino" if better and "openvino" in machine.installed else _first(machine)
    return Choice(engine, file, _numbers(kind, device, wanted, machine) if engine == "openvino" else "f32")


def check(device: Device, asked: EngineName | None) -> None:
    """Raises InputError for an unknown engine, or one that does not know the device."""
    _parsed(device, asked)


def _parsed(device: Device, asked: EngineName | None) -> tuple[Package | None, str]:
    """The engine that is asked for, or that the device decides; and in which numbers, "" where that is left open."""
    if asked is not None and asked not in ENGINES:
        raise InputError(f"unknown engine {asked!r}; known: {', '.join(ENGINES)}")
    name, _, wanted = (asked or "").partition(":")
    package: Package | None = "onnxruntime" if name == "onnxruntime" else "openvino" if name else None
    if device.kind == "cpu":
        return package, wanted
    engine: Package = "onnxruntime" if device.kind == "cuda" else "openvino"
    if package not in {None, engine}:
        raise InputError(f"{name} does not run on the device {device}; leave out the engine, or take device='cpu'")
    return engine, wanted


def _numbers(kind: str, device: Device, wanted: str, machine: Here) -> Numbers:
    """Of a file of this kind in OpenVINO. float32 is never less than that unless it is asked for."""
    if "bf16" in (kind, wanted) or (kind == "int8" and device.kind == "cpu" and machine.bf16()):
        return "bf16"
    return "f16" if kind == "fp16" and device.kind == "gpu" else "f32"


def _faster(passport: Passport, file: str, kind: str, machine: Here) -> bool:
    """Whether a file is one of the first two of the rule."""
    return kind == "int8" and _any(passport) and verified(passport, file, _numbers(kind, Device("cpu"), "", machine))


def _any(passport: Passport) -> bool:
    """Whether any verdict is OpenVINO's: nothing need be asked of the machine where there is none."""
    return any(map(is_record, passport.agreement))


def _first(machine: Here) -> Package:
    return "openvino" if machine.installed == {"openvino"} else "onnxruntime"


def _kind(passport: Passport, file: str) -> str:
    return str(passport.precision.get("files", {}).get(file, "fp32"))
