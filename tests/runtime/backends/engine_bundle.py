"""A bundle with a fake engine, and a pretended machine that it fits."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import onnx
import pytest

from stc.files import sha256
from stc.runtime.bundle.engine_record import EngineRecord, PluginRecord
from stc.runtime.bundle.passport import Passport
from stc.runtime.machine import plugin
from stc.runtime.machine.flavour import FLAVOURS, FlavourName
from stc.runtime.machine.machine import Driver, Gpu, Machine, TensorRt
from stc.runtime.machine.plugin import Plugin
from tests.runtime import tiny_model
from tests.runtime.backends import fake_tensorrt
from tests.runtime.backends.fake_cuda import FakeCuda, cudaError_t
from tests.runtime.backends.fake_tensorrt import FakeTensorRt

VERSIONS: dict[FlavourName, str] = {"tensorrt": "11.4.0.106", "rtx": "1.7.1.116"}


@dataclass
class Gpus:
    """What the pretended machine has; change `machine` to pretend another."""

    cuda: FakeCuda
    tensorrt: FakeTensorRt
    rtx: FakeTensorRt
    machine: Machine


def pretend(monkeypatch: pytest.MonkeyPatch, library: Path) -> Gpus:
    """Put the fakes in the place of TensorRT and cuda-bindings, on a machine with one SM89 GPU."""
    cuda = FakeCuda()
    gpus = Gpus(
        cuda,
        FakeTensorRt(cuda),
        FakeTensorRt(cuda, rtx=True, __version__=VERSIONS["rtx"]),
        Machine(
            driver=Driver("580.95.05", "13.0"),
            gpus=(Gpu("Fake GPU", "SM89", 8 << 30),),
            cuda_bindings="13.5.0",
            tensorrt=(TensorRt("tensorrt", VERSIONS["tensorrt"], 13), TensorRt("rtx", VERSIONS["rtx"], 13)),
            plugin=Plugin(library, sha256(library)),
        ),
    )
    monkeypatch.setattr("stc.runtime.machine.machine.gather", lambda: gpus.machine)
    modules: dict[str, Any] = {FLAVOURS["tensorrt"].module: gpus.tensorrt, FLAVOURS["rtx"].module: gpus.rtx}
    bindings = ModuleType("cuda.bindings")
    bindings.runtime = bindings.driver = cuda  # type: ignore[attr-defined]
    for name, module in {**modules, "cuda": ModuleType("cuda"), "cuda.bindings": bindings}.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(plugin, "loaded", {})
    return gpus


@contextmanager
def out_of_memory_at(gpus: Gpus, call: int) -> Iterator[None]:
    """CUDA's call number `call` of the block lacks memory. At the block's end all is given back, and what a refused
    release has left is forgotten.
    """
    gpus.cuda.count, gpus.cuda.fail_call = 0, (call, cudaError_t.cudaErrorMemoryAllocation)
    yield
    # A release that failed keeps its own piece only.
    held = [f"{len(block)} bytes" for block in gpus.cuda.memory.values()]
    assert len(held) + len(gpus.cuda.graphs) + len(gpus.cuda.streams) <= 1, (call, held)
    gpus.cuda.memory.clear()
    gpus.cuda.graphs.clear()
    gpus.cuda.streams.clear()


def write(
    folder: Path,
    library: Path | None = None,
    *,
    flavour: FlavourName = "tensorrt",
    passport: Passport = tiny_model.PASSPORT,
    built: onnx.ModelProto | None = None,
    plan: bytes | None = None,
    largest: int = 4,
    **changes: Any,
) -> Path:
    """model.onnx and engine.plan of the tiny model with their passport. `library`: the plugin that was built in."""
    tiny_model.write_bundle(folder, passport, built)
    if plan is None:
        plan = fake_tensorrt.plan((folder / "model.onnx").read_bytes(), largest, VERSIONS[flavour])
    (folder / "engine.plan").write_bytes(plan)
    record = EngineRecord(
        flavour=flavour,
        version=VERSIONS[flavour],
        targets=("SM86", "SM89"),
        batch=(1, 1, largest),
        source="model.onnx",
        plugin=None if library is None else PluginRecord("library", library.name, sha256(library)),
    )
    files = {name: sha256(folder / name) for name in ("model.onnx", "engine.plan")}
    replace(passport, engine=replace(record, **changes).to_dict(), files=files).write(folder)
    return folder
