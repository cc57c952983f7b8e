"""What is reserved and fetched, from names and shapes."""

from __future__ import annotations

import numpy as np
import pytest

from stc.errors import DeviceError, FatalError, IncompatibleError
from stc.runtime.backends.tensorrt import cuda
from stc.runtime.backends.tensorrt.bindings import EngineTensor, Span, Tensor, plan, valid_spans

FRAMES = EngineTensor("frames", True, "UINT8", (-1, 360, 640, 3))
COUNT = EngineTensor("num_detections", False, "INT32", (-1,))
MASKS = EngineTensor("masks", False, "HALF", (-1, 100, 96, 160))


def fixed(tensor: EngineTensor, batch: int) -> EngineTensor:
    return EngineTensor(tensor.name, tensor.is_input, tensor.dtype, (batch, *tensor.shape[1:]))


def test_memory_is_for_the_largest_batch() -> None:
    bindings = plan([MASKS, COUNT, FRAMES], (1, 8), "x")
    assert (bindings.least, bindings.largest) == (1, 8)
    assert bindings.frames.nbytes(8) == 8 * 360 * 640 * 3
    assert [(t.name, t.dtype.name, t.nbytes(1)) for t in bindings.rows] == [("masks", "float16", 100 * 96 * 160 * 2)]
    assert bindings.spec(bindings.count).shape == (None,)


def test_a_fixed_batch_is_in_the_shapes() -> None:
    bindings = plan([fixed(t, 2) for t in (FRAMES, COUNT, MASKS)], (1, 1), "x")
    assert (bindings.least, bindings.largest) == (2, 2)
    assert bindings.spec(bindings.frames).shape == (2, 360, 640, 3)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ([FRAMES, MASKS], "num_detections: missing"),
        ([COUNT, MASKS], "frames: missing"),
        ([FRAMES, COUNT, EngineTensor("scale", True, "FLOAT", (1, 2))], "scale: an input that nobody feeds"),
        ([FRAMES, COUNT, EngineTensor("masks", False, "BF16", (-1, 4, 4))], "masks: type BF16"),
        ([FRAMES, COUNT, EngineTensor("masks", False, "HALF", (-1, -1, 4))], r"masks: shape \(-1, -1, 4\)"),
        ([FRAMES, COUNT, EngineTensor("total", False, "INT32", (-1,))], "total: no rows"),
        ([FRAMES, COUNT, fixed(MASKS, 1)], "batch sizes differ"),
    ],
)
def test_an_engine_that_is_not_ours_is_incompatible(tensors: list[EngineTensor], message: str) -> None:
    with pytest.raises(IncompatibleError, match=message):
        plan(tensors, (1, 1), "x")


@pytest.mark.parametrize(
    ("counts", "spans"),
    [
        ([0], []),
        ([3], [Span(0, 24)]),
        ([4, 4], [Span(0, 64)]),  # adjacent: one copy
        ([4, 1, 0, 2], [Span(0, 40), Span(96, 16)]),
        ([0, 4], [Span(32, 32)]),
    ],
)
def test_valid_rows_are_joined_where_they_touch(counts: list[int], spans: list[Span]) -> None:
    tensor = Tensor("boxes", np.dtype("float16"), (4, 4))  # 8 bytes a row, 32 a picture
    assert valid_spans(tensor, counts) == spans


def test_spans_cover_exactly_the_valid_rows() -> None:
    rng = np.random.default_rng(0)
    tensor = Tensor("x", np.dtype("int32"), (5, 3))
    for _ in range(50):
        counts = rng.integers(0, 6, size=rng.integers(1, 6)).tolist()
        covered = np.zeros(tensor.nbytes(len(counts)), np.uint8)
        for span in valid_spans(tensor, counts):
            covered[span.offset : span.offset + span.size] += 1
        expected = np.zeros((len(counts), 5, 12), np.uint8)
        for index, count in enumerate(counts):
            expected[index, :count] = 1
        np.testing.assert_array_equal(covered, expected.reshape(-1))


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("cudaErrorIllegalAddress", FatalError, "restart the process"),
        ("cudaErrorMemoryAllocation", DeviceError, "not enough GPU memory"),
        ("cudaErrorInvalidValue", DeviceError, "stc-doctor"),
    ],
)
def test_cuda_errors_are_told_apart(name: str, kind: type, message: str) -> None:
    error = cuda.failure(name, "text", "copying")
    assert type(error) is kind and message in str(error) and "while copying" in str(error) and error.exit_code == 2
