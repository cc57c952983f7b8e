"""Whether an engine belongs on this machine: decided from its record and what is here, without a GPU."""

from __future__ import annotations

from pathlib import Path

from stc.errors import IncompatibleError
from stc.runtime.bundle.engine_record import EngineRecord
from stc.runtime.bundle.passport import MODEL_FILE
from stc.runtime.machine.device import FIRST_GPU, Device
from stc.runtime.machine.flavour import FLAVOURS, FlavourName, required_driver
from stc.runtime.machine.machine import Machine
from stc.runtime.machine.plugin import VARIABLE, Plugin


def check(
    record: EngineRecord, machine: Machine, folder: Path, *, device: Device = FIRST_GPU, trust: bool = False
) -> None:
    """Raise IncompatibleError unless the engine in `folder` can run on the GPU `device` of `machine`.

    A message says what was built, what is here, and the command that helps. `trust` accepts another plugin library
    than the engine was built with.
    """
    check_present(record.flavour, record.version, machine, folder, record.file)
    installed = machine.find(record.flavour)
    if installed is not None and installed.version is not None:
        check_version(record, installed.version, folder)
    check_gpu(machine, device)
    _check_target(record, machine, folder, device)
    _check_plugin(record, machine, folder, trust)


def check_present(name: FlavourName, version: str | None, machine: Machine, folder: Path, file: str) -> None:
    """Driver, TensorRT of that flavour, cuda-bindings, a GPU. `version`: what the engine was built with, if known."""
    installed, flavour = machine.find(name), FLAVOURS[name]
    built = f"built with {flavour.title} {version}" if version else f"a {flavour.title} plan"
    engine = f"{folder / file}: {built}"
    runs_here = f"{folder / MODEL_FILE} runs here with ONNX Runtime: give it in place of {file}"
    driver = required_driver(name, version or "", installed.cuda if installed else None)
    if machine.driver is None:
        raise IncompatibleError(
            f"{engine}, and an engine needs an NVIDIA driver, here {driver}; this machine has none. {runs_here}"
        )
    if installed is None:
        exactly = f" '{flavour.packages[-1]}=={version}'" if version else ""
        others = ", ".join(str(found) for found in machine.tensorrt) or "no TensorRT"
        raise IncompatibleError(f"{engine}; this machine has {others}; fix: {flavour.install}{exactly}. {runs_here}")
    if not machine.serves(installed.cuda):
        raise IncompatibleError(
            f"{engine}; the {installed} installed here is for CUDA {installed.cuda}, the driver serves CUDA "
            f"{machine.driver.cuda} at most; fix: install a driver of {driver}"
        )
    if machine.cuda_bindings is None:
        raise IncompatibleError(f"{engine}; the package cuda-bindings is not installed; fix: {flavour.install}")
    if not machine.gpus:
        raise IncompatibleError(
            f"{engine}; there is a driver, but CUDA finds no GPU ({machine.cuda_error or 'none visible'}); "
            f"see: nvidia-smi, and the environment variable CUDA_VISIBLE_DEVICES. {runs_here}"
        )


def check_plugin_driver(machine: Machine) -> None:
    """Raise IncompatibleError where the driver is older than the CUDA runtime inside the plugin library."""
    plugin = machine.plugin
    if isinstance(plugin, Plugin) and machine.driver is not None and not machine.serves(plugin.cuda):
        wanted = required_driver("tensorrt", "", plugin.cuda)
        raise IncompatibleError(
            f"{plugin.path}: built with CUDA {plugin.cuda}, the driver serves CUDA {machine.driver.cuda} at most; fix: "
            f"install a driver of {wanted}, or build the library with an older CUDA: make plugin, in a checkout of stc"
        )


def check_version(record: EngineRecord, installed: str, folder: Path) -> None:
    """A plan runs with exactly the TensorRT that built it. Compared as far as both versions are written out."""
    built, here = record.version.split("."), installed.split(".")
    shared = min(len(built), len(here))
    if built[:shared] != here[:shared]:
        name = FLAVOURS[record.flavour].title
        raise IncompatibleError(
            f"{folder / record.file}: built with {name} {record.version}, here is {name} {installed}; "
            f"fix: {rebuild(record, folder)}"
        )


def rebuild(record: EngineRecord, folder: Path, *options: str) -> str:
    """The command that builds the engine again, here."""
    return " ".join(["stc-export --onnx", str(folder / record.source), "--trt", record.flavour, *options])


def check_gpu(machine: Machine, device: Device) -> None:
    """Raise IncompatibleError for a GPU beyond those that this process may use, as far as they are known."""
    count = len(machine.gpus)
    if count and device.index >= count:
        there = "1 GPU, cuda" if count == 1 else f"{count} GPUs, cuda:0 to cuda:{count - 1}"
        raise IncompatibleError(
            f"{device}: no such GPU; this process may use {there}; see: nvidia-smi, and the environment variable "
            "CUDA_VISIBLE_DEVICES"
        )


def _check_target(record: EngineRecord, machine: Machine, folder: Path, device: Device) -> None:
    gpu = machine.gpus[device.index]
    if _fits(record, gpu.target):
        return
    other = next((index for index, found in enumerate(machine.gpus) if _fits(record, found.target)), None)
    if other is not None:
        fix = f"choose the GPU that fits, with device='cuda:{other}' or: --device cuda:{other}"
    else:
        fix = rebuild(record, folder, *(["--target", gpu.target] if record.flavour == "rtx" else []))
    level = "" if record.hardware_compatibility == "none" else f" ({record.hardware_compatibility})"
    raise IncompatibleError(
        f"{folder / record.file}: built for {', '.join(record.targets)}{level}, here is {gpu.name} ({gpu.target}); "
        f"fix: {fix}"
    )


def _fits(record: EngineRecord, target: str) -> bool:
    """RTX: a target that was asked for. TensorRT: the one it was built on, unless built to fit newer ones."""
    if record.hardware_compatibility == "ampere_plus":
        return int(target.removeprefix("SM")) >= 80
    return target in record.targets


def _check_plugin(record: EngineRecord, machine: Machine, folder: Path, trust: bool) -> None:
    wanted = record.plugin
    if wanted is None or wanted.route != "library":
        return
    engine = f"{folder / record.file}: built with the plugin library {wanted.file} (sha256 {wanted.sha256[:12]}…)"
    without = rebuild(record, folder, "--plugin none")
    if not isinstance(machine.plugin, Plugin):
        raise IncompatibleError(
            f"{engine}, which is missing here: {machine.plugin.reason}; fix: {VARIABLE}=FILE with that library, or "
            f"build an engine without it: {without}"
        )
    check_plugin_driver(machine)
    if machine.plugin.sha256 != wanted.sha256 and not trust:
        raise IncompatibleError(
            f"{engine}, here is {machine.plugin.path} (sha256 {machine.plugin.sha256[:12]}…); fix: {VARIABLE}=FILE "
            f"with that library, or rebuild with the one that is here: {rebuild(record, folder)}"
        )
