"""The GPU that TensorRT builds for when it builds for the machine it runs on. Never executed on a GPU."""

from __future__ import annotations

from stc.errors import IncompatibleError, MissingDependencyError


def compute_capability() -> str:
    """Of the current device, such as "SM89".

    Raises MissingDependencyError without cuda-bindings, IncompatibleError when CUDA does not answer.
    """
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise MissingDependencyError(
            f"cuda-bindings is not installed ({error}); fix: pip install 'stc-trt[tensorrt]'"
        ) from error
    status, device = runtime.cudaGetDevice()
    numbers = []
    for attribute in ("cudaDevAttrComputeCapabilityMajor", "cudaDevAttrComputeCapabilityMinor"):
        if status == runtime.cudaError_t.cudaSuccess:
            kind = getattr(runtime.cudaDeviceAttr, attribute)
            status, number = runtime.cudaDeviceGetAttribute(kind, device)
            numbers.append(number)
    if status != runtime.cudaError_t.cudaSuccess:
        raise IncompatibleError(f"CUDA does not tell this machine's GPU ({status.name}); check it with: nvidia-smi")
    return f"SM{numbers[0]}{numbers[1]}"
