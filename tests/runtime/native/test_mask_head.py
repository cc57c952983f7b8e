"""The native op against the published formulas in float64, against PyTorch and against the ONNX function body."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper

from stc.errors import InputError
from stc.model.function_body import DOMAIN, OP, function_body
from stc.model.mask_head import dynamic_mask_head
from stc.runtime.native.library import Library, find
from stc.runtime.native.mask_head import MaskHead
from tests.reference import condinst

NETWORKS = ((8, 3), (8, 2), (4, 3), (16, 3))  # STC_MASK_HEAD_NETWORKS of dynamic_mask_head.h
# Relative coordinates reach 20 here, so logits reach several hundred; float32 keeps some 1e-5 of them, of which a
# probability feels a quarter. PyTorch in float32 is up to 2e-5 away from float64 on such inputs, with 16 channels.
ATOL = 5e-5
HALF = 2.0**-11  # rounding a probability to float16: half a unit in the last place below 1
NAMES = ("mask_feats", "params", "locations", "sizes", "count")
Arrays = list[NDArray[Any]]


@pytest.fixture(scope="module")
def library() -> Library:
    found = find()
    assert isinstance(found, Library), found
    return found.with_threads(2)


def inputs(head: MaskHead, batch: int, instances: int, size: tuple[int, int], seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    height, width = size
    return [
        rng.standard_normal((batch, head.channels, height, width), np.float32),
        rng.standard_normal((batch, instances, head.parameters), np.float32),
        rng.uniform(0, head.stride * width, (batch, instances, 2)).astype(np.float32),
        rng.choice([64, 128, 256, 512, 1024], (batch, instances)).astype(np.float32),
        np.full(batch, instances, np.int32),
    ]


def in_torch(head: MaskHead, arrays: Arrays, dtype: torch.dtype = torch.float64) -> NDArray[Any]:
    tensors = [torch.from_numpy(array) for array in arrays]
    tensors = [tensor.to(dtype) if tensor.is_floating_point() else tensor for tensor in tensors]
    attributes = {name: getattr(head, name) for name in ("channels", "layers", "stride", "upsample")}
    return dynamic_mask_head(*tensors, **attributes).numpy()


heads = st.builds(
    lambda network, stride, upsample: MaskHead(*network, stride, upsample),
    st.sampled_from(NETWORKS),
    st.sampled_from([1, 2, 4, 7, 8, 16]),
    st.integers(1, 4),
)
# Around the widths of all vectors, and tiny.
sizes = st.tuples(st.integers(1, 12), st.one_of(st.integers(1, 40), st.sampled_from([47, 48, 63, 64, 65, 80])))


@given(head=heads, batch=st.integers(1, 3), instances=st.integers(0, 9), size=sizes, data=st.data())
@settings(max_examples=150, deadline=None)
def test_equals_float64_for_any_shape_and_count(
    library: Library, head: MaskHead, batch: int, instances: int, size: tuple[int, int], data: st.DataObject
) -> None:
    arrays = inputs(head, batch, instances, size, seed=data.draw(st.integers(0, 2**32 - 1)))
    counts = data.draw(st.lists(st.integers(-3, instances + 3), min_size=batch, max_size=batch))
    arrays[4] = np.array(counts, np.int32)
    masks = head(library.with_threads(data.draw(st.sampled_from([1, 2, 5]))), *arrays)
    assert masks.shape == (batch, instances, size[0] * head.upsample, size[1] * head.upsample)
    assert masks.dtype == np.float32
    valid = np.clip(counts, 0, instances)
    np.testing.assert_allclose(masks, in_torch(head, arrays), atol=ATOL)
    for image, count in enumerate(valid):
        assert not masks[image, count:].any()
        if (head.channels, head.layers) == (8, 3):
            rows = (array[image, :count] for array in arrays[1:4])
            expected = condinst.mask_head(arrays[0][image], *rows, stride=head.stride, upsample=head.upsample)
            np.testing.assert_allclose(masks[image, :count], expected, atol=ATOL)


@given(head=heads, instances=st.integers(1, 5), size=sizes, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_float16_is_storage_only(
    library: Library, head: MaskHead, instances: int, size: tuple[int, int], seed: int
) -> None:
    arrays = inputs(head, 2, instances, size, seed)
    halves = [array.astype(np.float16) if index < 2 else array for index, array in enumerate(arrays)]
    masks = head(library, *halves)
    assert masks.dtype == np.float16
    np.testing.assert_allclose(masks.astype(np.float64), in_torch(head, halves), atol=ATOL + HALF)


@given(
    half=st.booleans(), upsample=st.integers(1, 3), size=sizes, value=st.sampled_from([np.nan, np.inf, -np.inf]),
    data=st.data(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_nan_and_inf_go_where_pytorch_takes_them(
    library: Library, half: bool, upsample: int, size: tuple[int, int], value: float, data: st.DataObject
) -> None:
    head = MaskHead(upsample=upsample)
    arrays = inputs(head, 1, 3, size)
    feats, params = (array.astype(np.float16) if half else array for array in arrays[:2])
    y, x = (data.draw(st.integers(0, extent - 1)) for extent in size)
    feats[0, data.draw(st.integers(0, 7)), y, x] = value
    if data.draw(st.booleans()):
        params[0, 1, data.draw(st.integers(0, 168))] = value
    masks = head(library, feats, params, *arrays[2:])
    with np.errstate(all="ignore"):
        expected = in_torch(head, [feats, params, *arrays[2:]], torch.float32)
    np.testing.assert_array_equal(np.isnan(masks), np.isnan(expected))
    np.testing.assert_allclose(masks.astype(np.float32), expected, atol=ATOL + HALF * half)


def test_rows_beyond_the_count_are_zero_even_if_not_finite(library: Library) -> None:
    head = MaskHead()
    arrays = inputs(head, 2, 4, (5, 9))
    arrays[1][:, 2:] = np.nan
    arrays[2][:, 2:] = np.inf
    arrays[4] = np.array([2, 0], np.int32)
    masks = head(library, *arrays)
    assert not masks[0, 2:].any() and not masks[1].any()
    assert np.isfinite(masks).all() and masks[0, :2].any(axis=(1, 2)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("width", [3, 16, 33])
def test_no_array_need_be_aligned(library: Library, dtype: type[np.floating[Any]], width: int) -> None:
    head = MaskHead()
    arrays = inputs(head, 2, 3, (4, width))
    arrays = [array.astype(dtype) if index < 2 else array for index, array in enumerate(arrays)]
    moved = [np.frombuffer(b"\1" + array.tobytes(), array.dtype, offset=1).reshape(array.shape) for array in arrays]
    assert not any(array.flags.aligned for array in moved)
    np.testing.assert_array_equal(head(library, *moved), head(library, *arrays))


@pytest.mark.parametrize("instances", [1, 3, 12])
def test_the_same_bytes_with_any_number_of_threads_and_again(library: Library, instances: int) -> None:
    head = MaskHead()
    arrays = inputs(head, 2, instances, (13, 37))
    first = head(library.with_threads(1), *arrays).tobytes()
    for threads in (1, 2, 5, 2, 1):
        assert head(library.with_threads(threads), *arrays).tobytes() == first


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(("channels", "layers"), NETWORKS)
def test_equals_the_function_body(library: Library, channels: int, layers: int, half: bool) -> None:
    head = MaskHead(channels, layers, 8, 2)
    arrays = inputs(head, 2, 5, (6, 21))
    arrays[4] = np.array([5, 2], np.int32)
    arrays = [array.astype(np.float16) if half and index < 2 else array for index, array in enumerate(arrays)]
    (expected,) = _body(head, half).run(None, dict(zip(NAMES, arrays, strict=True)))
    masks = head(library, *arrays)
    # Both round to float16 values that may lie on either side of a tie: a whole unit apart.
    np.testing.assert_allclose(masks.astype(np.float32), expected, atol=ATOL + 2 * HALF * half)


def _body(head: MaskHead, half: bool) -> onnxruntime.InferenceSession:
    storage = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    kinds = [storage, storage, TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.INT32]
    attributes = {name: getattr(head, name) for name in ("channels", "layers", "stride", "upsample")}
    node = helper.make_node(OP, NAMES, ["masks"], domain=DOMAIN, **attributes)
    tensors = [helper.make_tensor_value_info(name, kind, None) for name, kind in zip(NAMES, kinds, strict=True)]
    model = helper.make_model(
        helper.make_graph([node], "op", tensors, [helper.make_tensor_value_info("masks", storage, None)]),
        functions=[function_body(head.channels, head.layers, head.upsample, 18)],
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 1)],
        ir_version=9,
    )
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_networks_without_a_kernel_are_named(library: Library) -> None:
    assert all(MaskHead(*network).supported(library) for network in NETWORKS)
    odd = MaskHead(channels=5)
    assert not odd.supported(library)
    with pytest.raises(InputError, match=r"channels=5.*no kernel"):
        odd(library, *inputs(odd, 1, 1, (2, 2)))


@pytest.mark.parametrize(
    ("index", "change", "message"),
    [
        (0, lambda a: a.astype(np.float64), "mask_feats must be float32 or float16; got float64"),
        (0, lambda a: a[:, :7], r"mask_feats must be float32 \(2, 8, 4, 5\); got float32 \(2, 7, 4, 5\)"),
        (1, lambda a: a.astype(np.float16), "params must be float32"),
        (1, lambda a: a[..., :168], r"params must be float32 \(2, 3, 169\)"),
        (2, lambda a: a[:1], "locations must be"),
        (3, lambda a: a[..., None], "sizes must be"),
        (4, lambda a: a.astype(np.int64), "count must be int32"),
    ],
)
def test_wrong_shapes_and_types_are_input_errors(library: Library, index: int, change: Any, message: str) -> None:
    arrays = inputs(MaskHead(), 2, 3, (4, 5))
    arrays[index] = change(arrays[index])
    with pytest.raises(InputError, match=message):
        MaskHead()(library, *arrays)
