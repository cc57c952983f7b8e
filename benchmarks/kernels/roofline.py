"""`python -m stc.benchmarks.kernels.roofline`: the CUDA mask head on this GPU against what its memory traffic would
take.

Never executed on a GPU.
"""

# ruff: noqa: T201

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from typing import Any

from stc.benchmarks.kernels.report import Traffic
from stc.cli import Parser, run
from stc.errors import DeviceError, IncompatibleError
from stc.runtime.backends.tensorrt.cuda import import_cudart
from stc.runtime.machine import plugin
from stc.runtime.machine.plugin import Plugin
from stc.runtime.native.interface import Op
from stc.runtime.native.mask_head import MaskHead

WARM_UP, RUNS = 50, 500
HEAD = MaskHead()


def main(argv: Sequence[str]) -> int:
    Parser(prog="python -m stc.benchmarks.kernels.roofline", description=__doc__).parse_args(argv)
    found = plugin.find()
    if not isinstance(found, Plugin):
        raise IncompatibleError(f"no kernels to time: {found.reason}")
    kernels, cudart = ctypes.CDLL(str(found.path)), import_cudart()
    bandwidth = peak_bandwidth(cudart)
    print(
        f"peak memory bandwidth {bandwidth / 1e9:.0f} GB/s; mean of {RUNS} launches, {WARM_UP} before them not counted"
    )
    for height, width in ((48, 80), (100, 168)):
        for item, storage in ((4, "fp32"), (2, "fp16")):
            for instances in (10, 100):
                traffic = Traffic(height, width, instances, item)
                took, least = seconds(cudart, kernels, traffic), traffic.least / bandwidth
                print(
                    f"{height}x{width} N={instances:<3} {storage}: {took * 1e6:8.2f} us, least {least * 1e6:7.2f} us, "
                    f"{least / took:5.1%} of the roofline"
                )
    return 0


def peak_bandwidth(cudart: Any) -> float:
    """Bytes per second: two transfers per clock over the whole bus."""
    clock_khz = checked(cudart.cudaDeviceGetAttribute(cudart.cudaDeviceAttr.cudaDevAttrMemoryClockRate, 0))
    bits = checked(cudart.cudaDeviceGetAttribute(cudart.cudaDeviceAttr.cudaDevAttrGlobalMemoryBusWidth, 0))
    return 2e3 * float(clock_khz) * float(bits) / 8


def seconds(cudart: Any, kernels: ctypes.CDLL, traffic: Traffic) -> float:
    """Mean time of a launch with all rows valid, between two events on one stream."""
    cells, item, instances = traffic.height * traffic.width, traffic.item, traffic.instances
    sizes = (item * HEAD.channels * cells, item * HEAD.parameters * instances, 8 * instances, 4 * instances, 4)
    stream = checked(cudart.cudaStreamCreateWithFlags(cudart.cudaStreamNonBlocking))
    pointers = [checked(cudart.cudaMalloc(size)) for size in (*sizes, item * instances * cells * HEAD.upsample**2)]
    try:
        for pointer, size in zip(pointers, sizes, strict=False):
            checked(cudart.cudaMemset(pointer, 0, size))
        count = (ctypes.c_int32 * 1)(instances)
        kind = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        checked(cudart.cudaMemcpy(pointers[4], ctypes.addressof(count), 4, kind))
        shape = (1, instances, traffic.height, traffic.width)
        op = Op(*pointers, *shape, HEAD.channels, HEAD.layers, HEAD.stride, HEAD.upsample, int(item == 2))
        start, end = (checked(cudart.cudaEventCreate()) for _ in range(2))
        for index in range(WARM_UP + RUNS):
            if index == WARM_UP:
                checked(cudart.cudaEventRecord(start, stream))
            if code := kernels.stc_cuda_dynamic_mask_head(ctypes.byref(op), ctypes.c_void_p(int(stream))):
                raise DeviceError(f"the kernel was not launched (CUDA error {code})")
        checked(cudart.cudaEventRecord(end, stream))
        checked(cudart.cudaEventSynchronize(end))
        return float(checked(cudart.cudaEventElapsedTime(start, end))) / 1e3 / RUNS
    finally:
        for pointer in pointers:
            cudart.cudaFree(pointer)
        cudart.cudaStreamDestroy(stream)


def checked(result: tuple[Any, ...]) -> Any:
    error, *values = result
    if error.value:
        raise DeviceError(f"CUDA: {error.name}; see: stc-doctor")
    return values[0] if values else None


if __name__ == "__main__":
    sys.exit(run(main))
