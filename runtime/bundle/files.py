"""Which file of a model runs on which device, verified before anything reads it."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

from stc.errors import IncompatibleError, InputError, StcError
from stc.runtime.bundle import cut_record, engine_check, engine_record, engines, passport
from stc.runtime.bundle.cut_record import CutRecord
from stc.runtime.bundle.engine_record import ENGINE_FILE, EngineRecord
from stc.runtime.bundle.engines import Choice
from stc.runtime.bundle.passport import MODEL_FILE, Passport
from stc.runtime.machine import device as devices
from stc.runtime.machine import machine
from stc.runtime.machine.device import FIRST_GPU, Device
from stc.runtime.machine.engine_names import EngineName
from stc.runtime.machine.flavour import FLAVOURS, FlavourName
from stc.runtime.machine.machine import Machine
from stc.runtime.machine.plugin import Plugin

logger = logging.getLogger(__name__)

# What names tell before anything is read. Of checkpoints the content tells the form, see stc.model.checkpoint.reading.
PLAN_SUFFIXES = {".plan", ".engine"}
CHECKPOINT_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".pkl", ".tar")


@dataclass(frozen=True)
class OnnxFile:
    """`passport` is None for a file that stands alone: then it is in the file's metadata. `cut` is of the file beside
    it that holds the graph without the mask head; None where there is none.
    """

    path: Path
    device: Device
    passport: Passport | None
    choice: Choice
    cut: CutRecord | None = None


@dataclass(frozen=True)
class EngineFile:
    """A plan that belongs on the GPU number `gpu`. `plan` is its content, the very bytes that were verified."""

    path: Path
    gpu: int
    plan: bytes
    passport: Passport
    flavour: FlavourName
    plugin: Plugin | None  # to be loaded first; None: the engine needs none
    mask_head: str


def read_with(model: str | Path) -> list[str]:
    """The files that a command reads when it is given `model`, a bundle or a file: no output may be one of them."""
    path = Path(model)
    folder = path if path.is_dir() else path.parent
    itself = [str(path)] if path.is_file() else []
    try:
        listed = passport.read(folder).files
    except StcError:  # no bundle, or one that the command itself will refuse
        return itself
    return itself + [str(folder / name) for name in (passport.FILE_NAME, *listed)]


def check_there(model: Path) -> None:
    """Raise InputError for a model of which there is nothing."""
    if not model.exists():
        raise InputError(f"{model}: no such model; make one with: stc-export --ckpt FILE")


def find(
    model: Path, device: str | None = None, *, engine: EngineName | None = None, trust: bool = False
) -> OnnxFile | EngineFile:
    """What `model` (a bundle, a plan in one, or an ONNX file) stands for on `device`, and which `engine` runs it.

    A bundle gives what `engines.choose` says, mostly its model.onnx; on a GPU of NVIDIA's its engine.plan, or where it
    has none its float16 file, where that was asked for when it was made. `trust` lets a plan through that its
    passport does not list or that was altered, and another plugin library than the engine was built with; a warning
    says what is then not known.

    Raises InputError or IncompatibleError as `Session` says.
    """
    asked = None if device is None else devices.parse(device)
    engines.check(asked or Device("cpu"), engine)
    check_there(model)
    path, choice = model, None
    if model.is_dir():
        if asked is not None and asked.kind == "cuda":
            path = model / _of_gpu(model, engine)
        elif (model / passport.FILE_NAME).is_file():
            choice = engines.choose(passport.read(model), asked or Device("cpu"), engine, engines.here())
            path = model / choice.file
        else:
            path = model / MODEL_FILE
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: no regular file; give a bundle of stc-export, its {ENGINE_FILE} or a .onnx file")
    if path.suffix in PLAN_SUFFIXES:
        if engine is not None:
            raise InputError(f"{path}: TensorRT runs it, not {engine}; leave out the engine, or give {MODEL_FILE}")
        return _engine(path, asked or FIRST_GPU, trust)
    if path.suffix != ".onnx":
        raise InputError(f"{path}: not a model; give a bundle of stc-export, its {ENGINE_FILE} or a .onnx file")
    if not (path.parent / passport.FILE_NAME).is_file():
        if not model.is_dir():
            return _onnx(path, asked, engine, None, None)
        if path.is_file():
            raise InputError(
                f"{model}: no {passport.FILE_NAME}, so not a bundle; its {MODEL_FILE} runs alone where stc-export made "
                f"it: give {path}, or make a bundle with: stc-export --ckpt FILE"
            )
    beside = passport.read(path.parent)
    passport.verify_file(beside, path)
    return _onnx(path, asked, engine, beside, choice)


def precision(known: Passport, path: Path) -> str:
    """Of one file of a bundle ("fp32", "fp16", …), which decides its budget; an engine has that of the ONNX file it was
    built from.
    """
    name = path.name
    if known.engine is not None and name == known.engine.get("file", ENGINE_FILE):
        name = known.engine["source"]
    return str(known.precision.get("files", {}).get(name, "fp32"))


def of_precision(known: Passport, precision: str) -> str | None:
    """The ONNX file of a bundle that is of that precision; None where it was not asked for."""
    return next((name for name, kind in known.precision.get("files", {}).items() if kind == precision), None)


def _of_gpu(folder: Path, engine: EngineName | None) -> str:
    if engine is None and (folder / ENGINE_FILE).is_file():
        return ENGINE_FILE
    if not (folder / passport.FILE_NAME).is_file():
        return MODEL_FILE
    half = of_precision(passport.read(folder), "fp16")
    return half if half is not None and (folder / half).is_file() else MODEL_FILE


def _onnx(
    path: Path, device: Device | None, engine: EngineName | None, beside: Passport | None, choice: Choice | None
) -> OnnxFile:
    place = device or Device("cpu")
    if place.kind == "cuda":
        engine_check.check_gpu(machine.gather(), place)
    choice = choice or engines.of_file(path.name, beside, place, engine, engines.here())
    return OnnxFile(path, place, beside, choice, None if beside is None else _cut(path, beside))


def _cut(path: Path, beside: Passport) -> CutRecord | None:
    """Verified. A bundle of an older version has none, and a copy without that file works as one of those."""
    if path.name not in beside.cuts:
        return None
    record = cut_record.from_dict(beside.cuts[path.name])
    if not (place := path.with_name(record.file)).is_file():
        return None
    passport.verify_file(beside, place)
    return record


def _engine(path: Path, device: Device, trust: bool) -> EngineFile:
    if device.kind == "cpu":
        raise InputError(f"{path}: an engine runs on a GPU; on the CPU use {path.with_name(MODEL_FILE)}")
    if not (path.parent / passport.FILE_NAME).is_file():
        raise IncompatibleError(
            f"{path}: no {passport.FILE_NAME} beside it, and a plan does not say how to feed it (size, colours, "
            f"classes, thresholds), so --trust cannot help either; put it into the bundle whose model it was built from"
        )
    beside = passport.read(path.parent)
    plan = path.read_bytes()
    source = (beside.engine or {}).get("source", MODEL_FILE)
    fix = f"rebuild it with: stc-export --onnx {path.with_name(source)}, or, if you built it yourself, add --trust"
    try:
        passport.verify_hash(beside, path, hashlib.sha256(plan).hexdigest(), fix)
        if beside.engine is None:
            raise IncompatibleError(f"{path}: its passport has no record of an engine; {fix}")
        record = engine_record.from_dict(beside.engine, str(path.parent / passport.FILE_NAME))
    except IncompatibleError as error:
        if not trust:
            raise
        logger.warning("%s: loaded on trust (%s)", path, error)
        return _trusted(path, plan, beside, machine.gather(), device)
    here = machine.gather()
    engine_check.check(record, here, path.parent, device=device, trust=trust)
    plugin = here.plugin if record.plugin is not None and record.plugin.route == "library" else None
    if isinstance(plugin, Plugin) and record.plugin is not None and plugin.sha256 != record.plugin.sha256:
        logger.warning("%s: loaded on trust with another plugin library than it was built with", path)
    return EngineFile(path, device.index, plan, beside, record.flavour, _file(plugin), _mask_head(record))


def _trusted(path: Path, plan: bytes, beside: Passport, here: Machine, device: Device) -> EngineFile:
    """A plan of which only the owner knows what it is: the TensorRT that is here and the plugin that is here."""
    flavour: FlavourName = here.tensorrt[0].flavour if here.tensorrt else "tensorrt"
    engine_check.check_present(flavour, None, here, path.parent, path.name)
    engine_check.check_gpu(here, device)
    plugin = here.plugin if flavour == "tensorrt" else None  # TensorRT-RTX has no plugins
    if plugin is not None:
        engine_check.check_plugin_driver(here)
    logger.warning(
        "%s: not known: which TensorRT, GPU and plugin it was built for, its precision, its agreement with PyTorch; "
        "trying %s %s plugin library",
        path,
        FLAVOURS[flavour].title,
        f"with the {plugin.path.name}" if isinstance(plugin, Plugin) else "without a",
    )
    return EngineFile(path, device.index, plan, beside, flavour, _file(plugin), "not known (plan loaded on trust)")


def _file(plugin: object) -> Plugin | None:
    return plugin if isinstance(plugin, Plugin) else None


def _mask_head(record: EngineRecord) -> str:
    if record.plugin is None:
        return "function body (in the engine)"
    return f"plugin ({record.plugin.file}" + (", embedded in the engine)" if record.plugin.route == "embed" else ")")
