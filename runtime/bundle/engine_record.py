"""What a passport says of an engine: with which TensorRT it was built, for which machines, with which plugin."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from stc.errors import IncompatibleError, InputError
from stc.runtime import schema
from stc.runtime.machine.flavour import FLAVOURS, FlavourName

ENGINE_FILE = "engine.plan"
Route = Literal["library", "embed"]


FIELDS: schema.Table = {
    "flavour": schema.choice(*FLAVOURS),
    "version": schema.text(100),
    "targets": schema.items(schema.text(100), 0, 100),
    "batch": schema.items(schema.integer(1, 1 << 16), 3, 3),
    "sizes": schema.optional(schema.items(schema.items(schema.integer(1, 8192), 2, 2), 3, 3)),
    "source": schema.file_name(),
    "plugin": schema.optional(
        schema.record(
            {"route": schema.choice(*get_args(Route)), "file": schema.file_name(), "sha256": schema.sha256()},
            required=("route", "file", "sha256"),
        )
    ),
    "hardware_compatibility": schema.text(100),
    "precision": schema.optional(schema.mapping(schema.anything())),
    "file": schema.file_name(),
}
REQUIRED = ("flavour", "version", "targets", "batch", "source")


@dataclass(frozen=True)
class PluginRecord:
    """The plugin that an engine was built with: `library` is a shared library that must be loaded before the engine,
    `embed` a kernel inside the plan (TensorRT's ahead-of-time plugins), which needs nothing at run time.
    """

    route: Route
    file: str  # libstc_tensorrt.so, or the PTX file that was embedded
    sha256: str


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
    version: str
    targets: tuple[str, ...]
    batch: tuple[int, int, int]
    source: str
    plugin: PluginRecord | None = None  # None: the op's function body
    sizes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None = None
    hardware_compatibility: str = "none"
    precision: dict[str, Any] | None = None
    file: str = ENGINE_FILE

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def from_dict(values: dict[str, Any], where: str) -> EngineRecord:
    """Read `Passport.engine`.

    Raises InputError when fields are missing or unknown, IncompatibleError for one of another type or out of range.
    """
    if wrong := schema.problems(values, FIELDS, "engine."):
        raise IncompatibleError(
            f"{where}: its engine record cannot be used ({schema.sentence(wrong)}); "
            "rebuild with: stc-export --onnx FILE"
        )
    known = {field.name for field in fields(EngineRecord)}
    fixed: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    try:
        if unknown := sorted(set(fixed) - known):
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
