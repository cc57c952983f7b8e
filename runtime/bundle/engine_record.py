"""What a passport says of an engine: with which TensorRT it was built, for which machines, with which plugin."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from stc.errors import IncompatibleError, InputError
from stc.runtime import schema
from stc.runtime.machine.flavour import FlavourName

ENGINE_FILE = "engine.plan"
Route = Literal["library", "embed"]

Name = Annotated[str, schema.file_name()]
Text = Annotated[str, schema.text(100)]
Size = tuple[int, int]


@dataclass(frozen=True)
class PluginRecord:
    """The plugin that an engine was built with: `library` is a shared library that must be loaded before the engine,
    `embed` a kernel inside the plan (TensorRT's ahead-of-time plugins), which needs nothing at run time.
    """

    route: Route
    file: Name  # libstc_tensorrt.so, or the PTX file that was embedded
    sha256: Annotated[str, schema.sha256()]


_PLUGIN = schema.record(schema.table(PluginRecord), required=("route", "file", "sha256"))
_SIZES = schema.items(schema.items(schema.integer(1, 8192), 2, 2), 3, 3)


@dataclass(frozen=True)
class EngineRecord:
    """`Passport.engine`. The plan's own SHA-256 is in `Passport.files`.

    `version` is TensorRT's full version; a plan runs with exactly that one. `targets` are compute capabilities
    ("SM90"): of the GPU that the engine was built on, or those that RTX was asked for. `batch` is least, optimal and
    largest batch size, `sizes` the same of the input (H, W), None where it has one. `source` is the ONNX file that was
    built. `hardware_compatibility` is "none" or TensorRT's name of the level ("ampere_plus",
    "same_compute_capability"). `precision` is the audit of stc.export.engine.audit and, as `inspector`, a sentence on
    what the engine inspector said.
    """

    flavour: FlavourName
    version: Text
    targets: Annotated[tuple[str, ...], schema.items(schema.text(100), 0, 100)]
    batch: Annotated[tuple[int, int, int], schema.items(schema.integer(1, 1 << 16), 3, 3)]
    source: Name
    plugin: Annotated[PluginRecord, _PLUGIN] | None = None  # None: the op's function body
    sizes: Annotated[tuple[Size, Size, Size], _SIZES] | None = None
    hardware_compatibility: Text = "none"
    precision: Annotated[dict[str, Any], schema.mapping(schema.anything())] | None = None
    file: Name = ENGINE_FILE

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


FIELDS = schema.table(EngineRecord)
REQUIRED = ("flavour", "version", "targets", "batch", "source")


def from_dict(values: dict[str, Any], where: str) -> EngineRecord:
    """Read `Passport.engine`.

    Raises InputError when fields are missing or unknown, IncompatibleError for one of another type or out of range.
    """
    if wrong := schema.problems(values, FIELDS, "engine."):
        raise IncompatibleError(
            f"{where}: its engine record cannot be used ({schema.sentence(wrong)}); "
            "rebuild with: stc-export --onnx FILE"
        )
    fixed = schema.known(EngineRecord, values)
    try:
        if unknown := sorted(values.keys() - fixed.keys()):
            raise TypeError(f"unknown fields {', '.join(unknown)}")
        if (plugin := fixed.get("plugin")) is not None:
            fixed["plugin"] = PluginRecord(**plugin)
        if (sizes := fixed.get("sizes")) is not None:
            fixed["sizes"] = tuple(map(tuple, sizes))
        return EngineRecord(**fixed)
    except TypeError as error:
        raise InputError(
            f"{where}: its engine record is not complete ({error}); rebuild with: stc-export --onnx FILE"
        ) from error
