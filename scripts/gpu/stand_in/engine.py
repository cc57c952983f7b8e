"""A module like `tensorrt` whose one engine is a trunk in PyTorch and our mask head: the runtime then runs on a GPU
without TensorRT. The trunk is simple enough to be stated again in NumPy (`features`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from tests.plugins.kernel_cases import Array, HeadCase

LARGEST = 2  # pictures of a batch
CELL = 8  # pixels, as the mask head's stride
Work = Callable[[], None]


def features(frames: Array) -> Array:
    """(B, 8, h, w) float32 of frames (B, H, W, 3) uint8: the mean of every 8 x 8 pixels over 256, exact in float32; the
    colours in turn.
    """
    batch, height, width, _ = frames.shape
    cells = frames.reshape(batch, height // CELL, CELL, width // CELL, CELL, 3).astype(np.float32).mean((2, 4)) / 256
    return np.ascontiguousarray(cells.transpose(0, 3, 1, 2)[:, [0, 1, 2, 0, 1, 2, 0, 1]])


class TensorIOMode(Enum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class ILogger:
    pass


@dataclass
class Engine:
    """What `backends/tensorrt` asks of an engine. constants: a case whose params, locations, sizes and count (all for
    LARGEST pictures) are this engine's weights. enqueue: puts work on a stream; view: memory there as a tensor.
    """

    constants: HeadCase
    kernels: ctypes.CDLL
    enqueue: Callable[[int, Work], None]
    view: Callable[[int, tuple[int, ...], Any], Any]
    device: str
    device_memory_size_v2 = 256
    _weights: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        import torch

        case = self.constants
        weights = (case.params, case.locations, case.sizes, case.count)
        self._weights = [torch.from_numpy(array.copy()).to(self.device) for array in weights]
        batch, _, height, width = case.features.shape
        self._cells = torch.empty((batch, height, CELL, width, CELL, 3), device=self.device)
        self._means = torch.empty((batch, height, width, 3), device=self.device)
        self._features = torch.empty((batch, 8, height, width), device=self.device)
        self._tensors: dict[str, tuple[str, tuple[int, ...]]] = {
            "frames": ("UINT8", (-1, CELL * height, CELL * width, 3)),
            "num_detections": ("INT32", (-1,)),
            "masks": ("FLOAT", (-1, *case.masks.shape[1:])),
        }

    @property
    def num_io_tensors(self) -> int:
        return len(self._tensors)

    def get_tensor_name(self, index: int) -> str:
        return list(self._tensors)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name == "frames" else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        return SimpleNamespace(name=self._tensors[name][0])

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._tensors[name][1]

    def get_tensor_profile_shape(self, name: str, _profile: int) -> list[tuple[int, ...]]:
        rest = self._tensors[name][1][1:]
        return [(1, *rest), (1, *rest), (LARGEST, *rest)]

    def create_execution_context(self, _strategy: Any) -> Context:
        return Context(self)

    def compute(self, batch: int, addresses: dict[str, int], stream: int) -> None:
        """Into memory that was reserved before, so that it may be captured."""
        import torch

        _, height, width, _ = self._means.shape
        frames = self.view(addresses["frames"], (batch, height, CELL, width, CELL, 3), np.uint8)
        counts = self.view(addresses["num_detections"], (batch,), np.int32)
        means, found = self._means[:batch], self._features[:batch]
        self._cells[:batch].copy_(frames)
        torch.mean(self._cells[:batch], dim=(2, 4), out=means)
        for channel in range(8):
            found[:, channel].copy_(means[..., channel % 3])
        found.div_(256)
        counts.copy_(self._weights[-1][:batch])
        op = self.constants.op()
        op.batch = batch
        op.mask_feats, op.masks = found.data_ptr(), addresses["masks"]
        op.params, op.locations, op.sizes, op.count = (tensor.data_ptr() for tensor in self._weights)
        status = self.kernels.stc_cuda_dynamic_mask_head(ctypes.byref(op), ctypes.c_void_p(stream))
        assert status == 0, f"CUDA error {status}"


class Context:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._batch = 0
        self._addresses: dict[str, int] = {}

    def set_device_memory(self, _pointer: int, _size: int) -> None:
        """The trunk has its own."""

    def set_input_shape(self, _name: str, shape: tuple[int, ...]) -> bool:
        self._batch = shape[0]
        return 1 <= self._batch <= LARGEST

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        self._engine.enqueue(stream, lambda: self._engine.compute(self._batch, self._addresses, stream))
        return True


def module(engine: Engine) -> ModuleType:
    """What stands for `tensorrt`."""
    runtime = SimpleNamespace(deserialize_cuda_engine=lambda _plan: engine, engine_host_code_allowed=False)
    names = {
        "__version__": "stand-in",
        "ILogger": ILogger,
        "TensorIOMode": TensorIOMode,
        "ExecutionContextAllocationStrategy": SimpleNamespace(USER_MANAGED="USER_MANAGED"),
        "Runtime": lambda _log: runtime,
    }
    found = ModuleType("tensorrt")
    vars(found).update(names)
    return found
