"""A run of ONNX Runtime whose outputs stay where they are computed, so that only the valid rows are fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stc.runtime.backends.tensorrt.bindings import Tensor, check_counts, valid_spans
from stc.runtime.bundle.contract import COUNT, INPUT, TensorSpec

Fetch: TypeAlias = Callable[[int, int, int], None]  # host address, device address, bytes


@dataclass(frozen=True)
class Bound:
    """An array in the device's memory."""

    pointer: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


Finish: TypeAlias = Callable[[dict[str, Bound]], dict[str, Bound]]  # what is computed of the graph's outputs, there


def run(
    session: Any,
    frames: NDArray[np.uint8],
    outputs: Mapping[str, TensorSpec],
    device: tuple[str, int],
    fetch: Fetch,
    where: str,
    finish: Finish | None = None,
) -> dict[str, NDArray[Any]]:
    """The outputs by name for `frames` uint8 (B, H, W, 3); rows beyond the count are empty, as the graph leaves them.

    device: where the session computes, as ONNX Runtime names it: ("cuda", 0). Raises IncompatibleError for a count that
    is no number of rows.
    """
    binding = session.io_binding()
    binding.bind_cpu_input(INPUT, np.ascontiguousarray(frames))
    for name in outputs:
        binding.bind_output(name, *device)
    session.run_with_iobinding(binding)
    binding.synchronize_outputs()
    values = binding.get_outputs()  # their memory lives as long as they
    there = {
        name: Bound(value.data_ptr(), tuple(value.shape()), np.dtype(spec.dtypes[0]))
        for (name, spec), value in zip(outputs.items(), values, strict=True)
    }
    if finish is not None:
        there = finish(there)
    counts = _whole(there.pop(COUNT), fetch)
    rows = [Tensor(name, array.dtype, array.shape[1:]) for name, array in there.items()]
    check_counts(counts.tolist(), rows, where)
    found = {COUNT: counts}
    for tensor in rows:
        filled, source = tensor.empty(len(counts)), there[tensor.name].pointer
        for span in valid_spans(tensor, counts.tolist()):
            fetch(filled.ctypes.data + span.offset, source + span.offset, span.size)
        found[tensor.name] = filled
    return found


def _whole(array: Bound, fetch: Fetch) -> NDArray[Any]:
    values = np.empty(array.shape, array.dtype)
    fetch(values.ctypes.data, array.pointer, values.nbytes)
    return values
