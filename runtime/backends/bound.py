"""A run of ONNX Runtime whose outputs stay where they are computed, so that only the valid rows are fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stc.runtime.backends.tensorrt.bindings import Tensor, check_counts, valid_spans
from stc.runtime.bundle.contract import COUNT, INPUT, TensorSpec

Fetch: TypeAlias = Callable[[int, int, int], None]  # host address, device address, bytes


def run(
    session: Any,
    frames: NDArray[np.uint8],
    outputs: Mapping[str, TensorSpec],
    device: tuple[str, int],
    fetch: Fetch,
    where: str,
) -> dict[str, NDArray[Any]]:
    """The outputs by name for `frames` uint8 (B, H, W, 3); rows beyond the count are empty, as the graph leaves them.

    device: where the session computes, as ONNX Runtime names it: ("cuda", 0). Raises IncompatibleError for a count that
    is no number of rows.
    """
    binding = session.io_binding()
    binding.bind_cpu_input(INPUT, np.ascontiguousarray(frames))
    for name in outputs:
        binding.bind_output(name, *(("cpu", 0) if name == COUNT else device))
    session.run_with_iobinding(binding)
    binding.synchronize_outputs()
    values = dict(zip(outputs, binding.get_outputs(), strict=True))
    counts = values.pop(COUNT).numpy()
    rows = [Tensor(name, np.dtype(outputs[name].dtypes[0]), tuple(value.shape()[1:])) for name, value in values.items()]
    check_counts(counts.tolist(), rows, where)
    found = {COUNT: counts}
    for tensor in rows:
        filled, source = tensor.empty(len(counts)), values[tensor.name].data_ptr()
        for span in valid_spans(tensor, counts.tolist()):
            fetch(filled.ctypes.data + span.offset, source + span.offset, span.size)
        found[tensor.name] = filled
    return found
