"""Bound outputs, with the real ONNX Runtime: on its CPU provider the device's memory is the host's."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from stc.errors import IncompatibleError
from stc.runtime.backends import bound
from stc.runtime.backends.onnxruntime import OnnxRuntimeBackend
from tests.runtime import tiny_model

EMPTY = tiny_model.frame()
TWO = tiny_model.frame((1, (0, 0, 9, 9)), (3, (20, 20, 30, 30)))
FULL = tiny_model.frame(*((slot, (24 * slot, 8, 24 * slot + 16, 40)) for slot in range(4)))
ROW = 16 + 4 + 4 + 32 + 16 * 24 * 4  # bytes of a detection


@pytest.mark.parametrize(
    ("pictures", "valid"), [([EMPTY], 0), ([TWO], 2), ([FULL], 4), ([TWO, EMPTY, FULL, TWO], 8), ([EMPTY, EMPTY], 0)]
)
def test_a_bound_run_gives_what_a_plain_one_gives_and_fetches_the_valid_rows(
    bundle: Path, pictures: list[np.ndarray], valid: int
) -> None:
    frames = np.stack(pictures)
    plain = OnnxRuntimeBackend(bundle / "model.onnx", threads=1)
    session = onnxruntime.InferenceSession(bundle / "model.onnx", providers=["CPUExecutionProvider"])
    fetched = []

    def fetch(target: int, source: int, size: int) -> None:
        fetched.append(size)
        ctypes.memmove(target, source, size)

    # Every second column: a view that is not contiguous, and holds the same pictures.
    for given in (frames, np.repeat(frames, 2, axis=2)[:, :, ::2]):
        fetched.clear()
        found = bound.run(session, given, plain.outputs, ("cpu", 0), fetch, "model.onnx")
        expected = plain.run(frames)
        assert list(found) and found.keys() == expected.keys()
        for name, values in expected.items():
            assert found[name].dtype == values.dtype
            np.testing.assert_array_equal(found[name], values, err_msg=name)
        assert sum(fetched) == 4 * len(frames) + valid * ROW  # the counts, and the rows


def test_a_count_that_is_no_number_of_rows_is_refused_before_any_row_is_read(bundle: Path, tmp_path: Path) -> None:
    built = tiny_model.model()
    for node in built.graph.node:
        node.output[:] = ["few" if name == "num_detections" else name for name in node.output]
    seven = onnx.helper.make_tensor("seven", onnx.TensorProto.INT32, [1], [7])
    built.graph.initializer.append(seven)
    built.graph.node.append(onnx.helper.make_node("Add", ["few", "seven"], ["num_detections"]))
    onnx.save(built, tmp_path / "model.onnx")
    outputs = OnnxRuntimeBackend(bundle / "model.onnx", threads=1).outputs
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    fetched = []

    def fetch(target: int, source: int, size: int) -> None:
        fetched.append(size)
        ctypes.memmove(target, source, size)

    with pytest.raises(IncompatibleError, match=r"num_detections \[9\] for 4 rows"):
        bound.run(session, TWO[None], outputs, ("cpu", 0), fetch, "model.onnx")
    assert fetched == [4]  # the count
