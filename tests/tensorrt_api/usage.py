"""What our sources ask of TensorRT and of cuda-bindings, read from the sources themselves."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A variable, attribute or parameter of this name holds an object of one of these classes ("": the module itself).
RECEIVERS: dict[str, tuple[str, ...]] = {
    "trt": ("",),
    "module": ("",),
    "builder": ("Builder",),
    "network": ("INetworkDefinition",),
    "parser": ("OnnxParser",),
    "config": ("IBuilderConfig",),
    "profile": ("IOptimizationProfile",),
    "layer": ("ILayer", "IConvolutionLayer", "IMatrixMultiplyLayer"),
    "runtime": ("Runtime",),
    "registry": ("IPluginRegistry",),
    "engine": ("ICudaEngine",),
    "context": ("IExecutionContext",),
    "runtime_config": ("IRuntimeConfig",),
    "cache": ("IRuntimeCache", "ITimingCache"),
    "inspector": ("EngineInspector",),
}
FILES = (
    "runtime/machine/plugin.py",
    "runtime/backends/tensorrt/backend.py",
    "runtime/backends/tensorrt/engine.py",
    "runtime/backends/tensorrt/execution.py",
    "export/engine/build.py",
    "export/engine/toolchain.py",
    "export/engine/engine_layers.py",
    "export/engine/audit.py",
    "export/engine/parse.py",
    "export/engine/progress.py",
)
CUDA_FILES = (
    "runtime/machine/machine.py",
    "runtime/backends/tensorrt/cuda.py",
    "export/engine/toolchain.py",
)
CUDA_RECEIVERS = {"cudart", "runtime", "driver"}
CUDA_NAME = re.compile(r"cu(da)?[A-Z]")


@dataclass(frozen=True)
class Use:
    """`owners` are the classes of which one must have the dotted `name`. `positional` and `keywords` are what a call
    passes; `positional` is None for what is not called, or called with `*arguments`.
    """

    owners: tuple[str, ...]
    name: str
    positional: int | None
    keywords: tuple[str, ...]
    where: str


def tensorrt_uses() -> list[Use]:
    return [use for path in present(FILES) for use in _uses(path, RECEIVERS)]


def cuda_uses() -> list[Use]:
    """Names of cuda.bindings.runtime, which begin with "cuda", and of cuda.bindings.driver, with "cu"."""
    receivers = dict.fromkeys(CUDA_RECEIVERS, ("",))
    return [use for path in present(CUDA_FILES) for use in _uses(path, receivers) if CUDA_NAME.match(use.name)]


def present(files: Sequence[str]) -> list[Path]:
    return [ROOT / name for name in files if (ROOT / name).is_file()]


def _uses(path: Path, receivers: dict[str, tuple[str, ...]]) -> Iterator[Use]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or id(node) in inner:
            continue
        for owner, name in _split(node, receivers):
            call = calls.get(id(node))
            plain = call is not None and not any(isinstance(argument, ast.Starred) for argument in call.args)
            keywords = tuple(k.arg for k in call.keywords if k.arg) if call is not None else ()
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            yield Use(owner, name, len(call.args) if call is not None and plain else None, keywords, where)


def _split(node: ast.Attribute, receivers: dict[str, tuple[str, ...]]) -> Iterator[tuple[tuple[str, ...], str]]:
    """`self._site.trt.TensorIOMode.INPUT` -> (classes of "trt", "TensorIOMode.INPUT")."""
    names: list[str] = []
    current: ast.expr = node
    while isinstance(current, ast.Attribute):
        names.insert(0, current.attr)
        current = current.value
    if isinstance(current, ast.Name):
        names.insert(0, current.id)
    for index in range(len(names) - 2, -1, -1):
        owner = receivers.get(names[index].lstrip("_"))
        rest = [name for name in names[index + 1 :] if not name.startswith("__")]
        if owner and rest:
            yield owner, ".".join(rest[:2] if owner == ("",) else rest[:1])
            return
