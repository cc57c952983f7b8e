"""A Triton model repository from a bundle: model, configuration, passport, plugin, a start script and a client."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import onnx

from stc import folders
from stc.boundary import foreign
from stc.errors import IncompatibleError, InputError, Missing
from stc.export import folder
from stc.export.sizes import Batch
from stc.export.triton.config import FILES, Platform, config
from stc.files import sha256, write_json
from stc.folders import Folder
from stc.runtime.bundle import contract, engine_record, passport
from stc.runtime.bundle.contract import TensorSpec
from stc.runtime.bundle.engine_record import ENGINE_FILE, EngineRecord
from stc.runtime.bundle.passport import MODEL_FILE, Passport
from stc.runtime.machine import plugin

CLIENT = "stc_client.py"
MANIFEST = "stc-files.json"  # what is ours in a repository, which may hold models of others
OPTION = "--triton DIR"
LOADER = "libstc_triton.so"
_HERE = Path(__file__).parent
_DTYPES: dict[int, str] = {
    onnx.TensorProto.UINT8: "uint8",
    onnx.TensorProto.INT32: "int32",
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.FLOAT16: "float16",
}


@dataclass(frozen=True)
class Repository:
    """What was written: `model` is its name in the server, `served` a sentence on what the server will run."""

    path: Path
    model: str
    served: str


@dataclass(frozen=True)
class _Served:
    platform: Platform
    file: Path
    graph: Path  # the ONNX file with the same tensors
    batch: Batch
    libraries: tuple[Path, ...]
    sentence: str


def find(directory: Path, *, overwrite: bool = False) -> Folder:
    """The folder that a repository is written to, checked before the work: free, empty, or with one of ours in it.

    Its manifest lists what may be replaced; other models, versions and files beside it stay. Raises InputError for a
    folder of others, and for a file of ours that was edited since, unless `overwrite` insists.
    """
    real = folders.find(directory, OPTION)
    if folders.is_empty(real):
        return Folder(real)
    known = _read_manifest(real)
    if overwrite:
        return Folder(real, frozenset(known))
    if not known:
        raise InputError(
            f"{directory}: a folder with other files in it; choose another with: {OPTION}, or insist with: --overwrite"
        )
    for name, digest in known.items():
        if (real / name).is_file() and digest != sha256(real / name):
            raise InputError(
                f"{directory / name}: edited since it was written; choose another folder with: {OPTION}, or insist "
                "with: --overwrite"
            )
    return Folder(real, frozenset({*known, MANIFEST}))


def write(bundle: Path, directory: Path, *, overwrite: bool = False) -> Repository:
    """Write a model repository with the bundle's engine.plan, or with its model.onnx where no TensorRT built one.

    The whole folder appears at once. Raises InputError for what is no bundle or a folder with other files (see `find`),
    IncompatibleError for files that were altered and for another plugin library than the engine was built with.
    """
    into = find(directory, overwrite=overwrite)
    known = passport.read(bundle)
    served = _served(bundle, known)
    inputs, outputs = _tensors(served.graph)
    contract.check(known, inputs, outputs, str(served.graph))
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", known.name) or "stc"
    names = _names(name, served)
    into = folder.checked(into, names, directory, OPTION, overwrite=overwrite)
    with into.filled(last=MANIFEST) as temporary:
        version = temporary / name / "1"
        version.mkdir(parents=True)
        shutil.copyfile(served.file, version / FILES[served.platform])
        known.write(version)
        text = config(name, served.platform, inputs, outputs, served.batch, known)
        (temporary / name / "config.pbtxt").write_text(text, encoding="utf-8")
        for library in served.libraries:
            shutil.copyfile(library, temporary / library.name)
        shutil.copyfile(_HERE / "client.py", temporary / CLIENT)
        (temporary / "start.sh").write_text(_start(served), encoding="utf-8")
        (temporary / "start.sh").chmod(0o755)
        manifest = {name: sha256(temporary / name) for name in sorted(names - {MANIFEST})}
        write_json(temporary / MANIFEST, manifest)
    return Repository(directory, name, served.sentence)


def _names(model: str, served: _Served) -> frozenset[str]:
    """All files of a repository."""
    inside = (f"1/{FILES[served.platform]}", f"1/{passport.FILE_NAME}", "config.pbtxt")
    beside = (CLIENT, "start.sh", MANIFEST, *(library.name for library in served.libraries))
    return frozenset({*(f"{model}/{file}" for file in inside), *beside})


def _read_manifest(directory: Path) -> dict[str, str]:
    """Name -> SHA-256 of the files that an earlier call wrote; nothing where there is no manifest of ours."""
    try:
        values = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(values, dict):
        return {}
    return {
        name: digest
        for name, digest in values.items()
        if isinstance(digest, str) and not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
    }


def _served(bundle: Path, known: Passport) -> _Served:
    record = None
    if known.engine is not None:
        record = engine_record.from_dict(known.engine, str(bundle / passport.FILE_NAME))
    if record is not None and record.flavour == "tensorrt":
        passport.verify_file(known, bundle / ENGINE_FILE)
        passport.verify_file(known, bundle / record.source)
        return _Served(
            "tensorrt_plan",
            bundle / ENGINE_FILE,
            bundle / record.source,
            Batch(*record.batch),
            _libraries(record, bundle),
            f"{ENGINE_FILE} on a GPU, with exactly TensorRT {record.version} in the server",
        )
    passport.verify_file(known, bundle / MODEL_FILE)
    why = "no engine in the bundle" if record is None else "Triton does not read engines of TensorRT-RTX"
    batch = Batch(*(known.flags.get("batch") or ()))
    graph = bundle / MODEL_FILE
    return _Served("onnxruntime_onnx", graph, graph, batch, (), f"{MODEL_FILE} with ONNX Runtime on the CPU ({why})")


def _libraries(record: EngineRecord, bundle: Path) -> tuple[Path, ...]:
    """The plugin library that the engine was built with, and what makes Triton load it."""
    if record.plugin is None or record.plugin.route != "library":
        return ()
    fix = f"or rebuild without it: stc-export --onnx {bundle / record.source} --plugin none"
    found = plugin.find()
    if isinstance(found, Missing):
        raise InputError(f"{bundle}: its engine needs the plugin library, and {found.reason}; {fix}")
    if found.sha256 != record.plugin.sha256:
        raise IncompatibleError(
            f"{found.path}: not the plugin library that {bundle / ENGINE_FILE} was built with (sha256 "
            f"{found.sha256[:12]}… instead of {record.plugin.sha256[:12]}…); set {plugin.VARIABLE}=FILE, {fix}"
        )
    loader = found.path.with_name(LOADER)
    if not loader.is_file():
        raise InputError(f"{loader}: missing, and Triton registers no plugin without it; make plugin, {fix}")
    return found.path, loader


def _tensors(graph: Path) -> tuple[dict[str, TensorSpec], dict[str, TensorSpec]]:
    with foreign("the onnx package", graph, passport.FIX):
        model = onnx.load(graph, load_external_data=False)
        return {v.name: _spec(v) for v in model.graph.input}, {v.name: _spec(v) for v in model.graph.output}


def _spec(value: onnx.ValueInfoProto) -> TensorSpec:
    kind = value.type.tensor_type
    shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim)
    dtype = _DTYPES.get(kind.elem_type, onnx.TensorProto.DataType.Name(kind.elem_type))
    return TensorSpec((dtype,), shape)


def _start(served: _Served) -> str:
    lines = [
        "#!/bin/sh",
        "# Starts Triton with this repository; further options are passed on. Never run: no Triton server was at hand.",
        "set -eu",
        'cd "$(dirname "$0")"',
    ]
    options = '--model-repository="$PWD"'
    if served.libraries:
        lines += [
            "# Triton only opens a plugin's file. The loader, once it is open, registers the plugin library beside it.",
            "# LD_PRELOAD would open it before TensorRT is there, and register nothing.",
        ]
        options += f' --backend-config=tensorrt,plugins="$PWD/{LOADER}"'
    return "\n".join([*lines, f'exec tritonserver {options} "$@"']) + "\n"
