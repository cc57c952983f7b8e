"""Our runtime over the stand-in engine: on a GPU with PyTorch and cuda-bindings; dry, with PyTorch on the CPU and a
fake CUDA runtime.
"""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from scripts.gpu import place
from scripts.gpu.stand_in.engine import CELL, LARGEST, Engine, features, module
from stc.runtime.backends.tensorrt.backend import TensorRtBackend
from stc.runtime.bundle.files import EngineFile
from stc.runtime.bundle.passport import Passport
from tests.plugins.kernel_cases import Array, HeadCase

SIZE = (8, 12)  # cells
INSTANCES = 5
PIXELS = (CELL * SIZE[0], CELL * SIZE[1])
PASSPORT = Passport(
    name="stand-in",
    classes=("object",),
    input_size=PIXELS,
    padded_size=PIXELS,
    resize="linear",
    border=(0, 0, 0),
    max_detections=INSTANCES,
    embedding_dim=0,
    mask_stride=CELL // 2,
    score_threshold=0.5,
    nms_threshold=0.6,
)


def missing() -> str | None:
    """What this step needs and is not there."""
    try:
        import torch
    except ImportError:
        return "PyTorch is not installed"
    if place.DRY:
        return None
    if not torch.cuda.is_available():
        return "this PyTorch is built without CUDA, or sees no GPU"
    try:
        import cuda.bindings.runtime  # noqa: F401
    except ImportError:
        return "cuda-bindings is not installed"
    return None


def frames(rng: np.random.Generator, batch: int) -> Array:
    return rng.integers(0, 256, (batch, *PIXELS, 3), np.uint8)


class Machine:
    """`backend` runs the engine; `masks(frames)` says what it must find."""

    def __init__(self) -> None:
        self.fake: Any = None
        if place.DRY:
            from tests.runtime.backends.fake_cuda import FakeCuda

            self.fake = FakeCuda()
            bindings = ModuleType("cuda.bindings")
            bindings.runtime = self.fake  # type: ignore[attr-defined]
            sys.modules |= {"cuda": ModuleType("cuda"), "cuda.bindings": bindings}
        self.constants = HeadCase.random(np.random.default_rng(11), "f32", (LARGEST, INSTANCES, *SIZE))
        self.constants.count[...] = (INSTANCES, INSTANCES - 2)
        device = "cpu" if self.fake else "cuda"
        engine = Engine(self.constants, place.kernels(), self._enqueue, view_host if self.fake else view_gpu, device)
        sys.modules["tensorrt"] = module(engine)
        file = EngineFile(Path("stand-in.plan"), 0, b"", PASSPORT, "tensorrt", None, "our kernel")
        self.backend = TensorRtBackend(file)

    def _enqueue(self, stream: int, work: Callable[[], None]) -> None:
        if self.fake:
            self.fake.work(stream, work)
            return
        import torch

        with torch.cuda.stream(torch.cuda.ExternalStream(stream)):  # type: ignore[no-untyped-call]
            work()

    def masks(self, given: Array) -> tuple[Array, float]:
        """By the formula in float64, and how far from it a result may be."""
        case, batch = self.constants, len(given)
        alone = HeadCase(
            case.head,
            features(given),
            *(array[:batch] for array in (case.params, case.locations, case.sizes, case.count, case.masks)),
        )
        return alone.expected(), case.tolerance + 5e-5


def view_host(address: int, shape: tuple[int, ...], kind: Any) -> Any:
    import torch

    size = math.prod(shape) * np.dtype(kind).itemsize
    return torch.from_numpy(np.frombuffer((ctypes.c_uint8 * size).from_address(address), kind).reshape(shape))


def view_gpu(address: int, shape: tuple[int, ...], kind: Any) -> Any:
    import torch

    interface = {"shape": shape, "typestr": np.dtype(kind).str, "data": (address, False), "version": 2}
    return torch.as_tensor(SimpleNamespace(__cuda_array_interface__=interface), device="cuda")
