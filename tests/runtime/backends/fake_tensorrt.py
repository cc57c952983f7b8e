"""A fake of TensorRT's Python module: its engine computes with ONNX Runtime on the fake GPU memory.

A fake plan is `plan(onnx bytes, …)`. `calls` records what the backend asked for, in order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime

from tests.runtime.backends.fake_cuda import FakeCuda, cudaError_t

SIZES = ((32, 32), (96, 107))  # least and largest (H, W) of an engine of any size
MAGIC = b"FAKEPLAN"
DTYPES = {
    "tensor(uint8)": ("UINT8", np.uint8),
    "tensor(int32)": ("INT32", np.int32),
    "tensor(float)": ("FLOAT", np.float32),
    "tensor(float16)": ("HALF", np.float16),
}


def plan(onnx_bytes: bytes, largest: int = 4, version: str = "11.4.0.106") -> bytes:
    header = json.dumps({"largest": largest, "version": version, "size": len(onnx_bytes)}).encode()
    return MAGIC + len(header).to_bytes(4, "little") + header + onnx_bytes


class Severity(Enum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3


class TensorIOMode(Enum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class ILogger:
    Severity = Severity


@dataclass(eq=False)
class FakeTensorRt:
    """Use it as the module `tensorrt`, or with `rtx` as `tensorrt_rtx`.

    `fail_enqueue`: which calls of execute_async_v3 return False, by number from 1; `breaks`: which of them break CUDA,
    and how. `log` is the first logger that it was given: like TensorRT, it ignores later ones.
    """

    cuda: FakeCuda
    rtx: bool = False
    __version__: str = "11.4.0.106"
    calls: list[str] = field(default_factory=list)
    fail_enqueue: set[int] = field(default_factory=set)
    breaks: dict[int, cudaError_t] = field(default_factory=dict)
    enqueued: int = 0
    libraries: list[str] = field(default_factory=list)
    refuse_library: bool = False
    reverse: bool = False  # describe the tensors in the opposite order
    counts: list[int] | None = None  # what num_detections says instead
    log: Any = None
    ILogger = ILogger
    TensorIOMode = TensorIOMode
    ExecutionContextAllocationStrategy = SimpleNamespace(USER_MANAGED="USER_MANAGED")
    CudaGraphStrategy = SimpleNamespace(WHOLE_GRAPH_CAPTURE="WHOLE_GRAPH_CAPTURE")

    def Runtime(self, log: Any) -> Runtime:
        self.calls.append("Runtime")
        self.log = self.log or log
        return Runtime(self, self.log)

    def get_plugin_registry(self) -> Any:
        return SimpleNamespace(load_library=self._load_library)

    def _load_library(self, path: str) -> object | None:
        self.calls.append("load_library")
        self.libraries.append(path)
        return None if self.refuse_library else object()


class Runtime:
    def __init__(self, trt: FakeTensorRt, log: Any) -> None:
        self._trt, self._log = trt, log
        self.engine_host_code_allowed = True

    def deserialize_cuda_engine(self, data: bytes) -> Engine | None:
        self._trt.calls.append("deserialize_cuda_engine")
        assert self.engine_host_code_allowed is False
        if not data.startswith(MAGIC):
            self._log.log(Severity.ERROR, "Serialization assertion header.magicTag == kEXPECTED_MAGIC_TAG failed.")
            return None
        end = 12 + int.from_bytes(data[8:12], "little")
        header, body = json.loads(data[12:end]), data[end:]
        if header["version"] != self._trt.__version__ or header["size"] != len(body):
            self._log.log(Severity.ERROR, "Version tag or size does not match.")
            return None
        return Engine(self._trt, body, header["largest"])


class Engine:
    device_memory_size_v2 = 4096

    def __init__(self, trt: FakeTensorRt, model: bytes, largest: int) -> None:
        self._trt = trt
        self.gpu = trt.cuda.current
        self.session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        order = [*inputs, *outputs]
        self.tensors = {arg.name: arg for arg in (reversed(order) if trt.reverse else order)}
        self.inputs = {arg.name for arg in inputs}
        self.largest = largest

    @property
    def num_io_tensors(self) -> int:
        return len(self.tensors)

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        return SimpleNamespace(name=DTYPES[self.tensors[name].type][0])

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(size if isinstance(size, int) else -1 for size in self.tensors[name].shape)

    def get_tensor_profile_shape(self, name: str, index: int) -> list[tuple[int, ...]]:
        assert name in self.inputs and index == 0
        shape = self.get_tensor_shape(name)
        least, largest = (1, self.largest) if shape[0] < 0 else (shape[0], shape[0])
        sizes = SIZES if -1 in shape[1:3] else (shape[1:3], shape[1:3])
        return [(least, *sizes[0], 3), (least, *sizes[0], 3), (largest, *sizes[1], 3)]

    def create_execution_context(self, how: Any) -> Context:
        self._trt.calls.append("create_execution_context")
        assert self._trt.cuda.current == self.gpu, "an engine belongs to a GPU"
        assert isinstance(how, RuntimeConfig) if self._trt.rtx else how == "USER_MANAGED"
        if self._trt.rtx:
            assert how.cuda_graph_strategy == "WHOLE_GRAPH_CAPTURE" and how.cache is not None
        return Context(self._trt, self)

    def create_runtime_config(self) -> RuntimeConfig:
        assert self._trt.rtx, "TensorRT 10.3 has no runtime configurations"
        return RuntimeConfig(self._trt)


class RuntimeConfig:
    def __init__(self, trt: FakeTensorRt) -> None:
        self._trt = trt
        self.cuda_graph_strategy = "DISABLED"
        self.cache: RuntimeCache | None = None

    def create_runtime_cache(self) -> RuntimeCache:
        return RuntimeCache(self._trt)

    def set_runtime_cache(self, cache: RuntimeCache) -> bool:
        self.cache = cache
        return True


class RuntimeCache:
    def __init__(self, trt: FakeTensorRt) -> None:
        self._trt = trt
        self._content = b"kernels of the first run"

    def deserialize(self, content: bytes) -> bool:
        self._trt.calls.append("cache.deserialize")
        self._content = content
        return True

    def serialize(self) -> memoryview:
        self._trt.calls.append("cache.serialize")
        return memoryview(self._content)


class Context:
    def __init__(self, trt: FakeTensorRt, engine: Engine) -> None:
        self._trt, self._engine = trt, engine
        self._shape: tuple[int, ...] = ()
        self._addresses: dict[str, int] = {}
        self._scratch = 0

    def set_device_memory(self, pointer: int, size: int) -> None:
        assert size >= self._engine.device_memory_size_v2
        self._trt.cuda.at(pointer, size)
        self._scratch = pointer

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._trt.calls.append("set_input_shape")
        assert name in self._engine.inputs
        self._shape = tuple(shape)
        least, _, largest = self._engine.get_tensor_profile_shape(name, 0)
        return all(low <= size <= high for low, size, high in zip(least, shape, largest, strict=True))

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._trt.calls.append(f"set_tensor_address {name}")
        self._addresses[name] = address
        return name in self._engine.tensors

    def execute_async_v3(self, stream: int) -> bool:
        self._trt.calls.append("execute_async_v3")
        self._trt.enqueued += 1
        assert type(stream) is int  # TensorRT 10.3 takes nothing else
        assert set(self._addresses) == set(self._engine.tensors), "every tensor needs an address"
        assert self._scratch or self._trt.rtx
        cuda = self._trt.cuda
        if self._trt.enqueued in self._trt.breaks:  # told to TensorRT's own CUDA runtime, and to no other
            cuda.sticky = self._trt.breaks[self._trt.enqueued]
        if self._trt.enqueued in self._trt.fail_enqueue or cuda.sticky is not None:
            return False
        if cuda.current != self._engine.gpu or not cuda.usable(stream):
            return False
        addresses, shape = dict(self._addresses), self._shape  # what a graph captures
        self._trt.cuda.work(stream, lambda: self._compute(addresses, shape))
        return True

    def _compute(self, addresses: dict[str, int], shape: tuple[int, ...]) -> None:
        cuda, session = self._trt.cuda, self._engine.session
        (arg,) = session.get_inputs()
        frames = cuda.at(addresses[arg.name], int(np.prod(shape))).reshape(shape)
        names = [output.name for output in session.get_outputs()]
        for name, value in zip(names, session.run(names, {arg.name: frames.copy()}), strict=True):
            if name == "num_detections" and self._trt.counts is not None:
                value = np.array(self._trt.counts, value.dtype)  # noqa: PLW2901
            cuda.at(addresses[name], value.nbytes)[:] = value.view(np.uint8).reshape(-1)
