"""The op's function body in ONNX Runtime against the independent float64 statement and against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from stc.model.function_body import DOMAIN, OP, function_body
from stc.model.mask_head import dynamic_mask_head
from tests.reference.condinst import mask_head

OPSET = 18


def session(channels: int, layers: int, stride: int, upsample: int, half: bool = False) -> Any:
    storage = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    names = ["mask_feats", "params", "locations", "sizes", "count"]
    kinds = [storage, storage, TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.INT32]
    shapes = [["b", "c", "h", "w"], ["b", "k", "p"], ["b", "k", 2], ["b", "k"], ["b"]]
    attributes = {"channels": channels, "layers": layers, "stride": stride, "upsample": upsample}
    node = helper.make_node(OP, names, ["masks"], domain=DOMAIN, **attributes)
    inputs = [helper.make_tensor_value_info(*value) for value in zip(names, kinds, shapes, strict=True)]
    output = helper.make_tensor_value_info("masks", storage, ["b", "k", "hm", "wm"])
    model = helper.make_model(
        helper.make_graph([node], "op", inputs, [output]),
        functions=[function_body(channels, layers, upsample, OPSET)],
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)],
        ir_version=9,
    )
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def inputs(batch: int, instances: int, height: int, width: int, channels: int = 8, layers: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng([batch, instances, height, width])
    length = (channels + 2) * channels + channels**2 * (layers - 2) + channels + channels * (layers - 1) + 1
    return {
        "mask_feats": rng.normal(size=(batch, channels, height, width)).astype(np.float32),
        "params": rng.normal(size=(batch, instances, length)).astype(np.float32),
        "locations": rng.uniform(0, 8 * width, (batch, instances, 2)).astype(np.float32),
        "sizes": rng.choice([64.0, 128.0, 256.0, 512.0, 1024.0], (batch, instances)).astype(np.float32),
        "count": np.full(batch, instances, np.int32),
    }


@pytest.mark.parametrize(("batch", "instances", "height", "width"), [(1, 1, 1, 1), (1, 7, 5, 9), (3, 4, 6, 4)])
@pytest.mark.parametrize(("stride", "upsample"), [(8, 2), (8, 1), (4, 4)])
def test_body_equals_the_published_formulas(
    batch: int, instances: int, height: int, width: int, stride: int, upsample: int
) -> None:
    feed = inputs(batch, instances, height, width)
    (masks,) = session(8, 3, stride, upsample).run(None, feed)
    for image in range(batch):
        rows = (feed[name][image] for name in ("mask_feats", "params", "locations", "sizes"))
        # float32 through three layers of about ten terms of magnitude 10: 1e-5 of a logit, less of a probability.
        np.testing.assert_allclose(masks[image], mask_head(*rows, stride=stride, upsample=upsample), atol=1e-5)


@pytest.mark.parametrize(("channels", "layers"), [(4, 2), (8, 3), (16, 4)])
def test_body_is_unrolled_for_any_channels_and_layers(channels: int, layers: int) -> None:
    feed = inputs(2, 3, 4, 5, channels, layers)
    (masks,) = session(channels, layers, 8, 2).run(None, feed)
    tensors = {name: torch.from_numpy(value) for name, value in feed.items()}
    expected = dynamic_mask_head(**tensors, channels=channels, layers=layers)
    np.testing.assert_allclose(masks, expected.numpy(), atol=2e-5)


def test_no_instances_give_no_masks() -> None:
    (masks,) = session(8, 3, 8, 2).run(None, inputs(1, 0, 4, 5))
    assert masks.shape == (1, 0, 8, 10)


def test_rows_beyond_count_are_zero_even_if_not_finite() -> None:
    feed = inputs(2, 5, 4, 5)
    feed["count"] = np.array([2, 0], np.int32)
    feed["params"][0, 2:] = np.nan
    feed["params"][1] = np.inf
    (masks,) = session(8, 3, 8, 2).run(None, feed)
    assert not masks[0, 2:].any()
    assert not masks[1].any()
    assert masks[0, :2].any(axis=(1, 2)).all()


def test_a_broken_feature_stays_local() -> None:
    """NaN in one cell reaches the outputs that interpolate it and no others."""
    feed = inputs(1, 2, 6, 6)
    (clean,) = session(8, 3, 8, 2).run(None, feed)
    feed["mask_feats"][0, :, 3, 3] = np.nan
    (broken,) = session(8, 3, 8, 2).run(None, feed)
    touched = np.isnan(broken[0, 0])
    assert touched.any()
    assert touched.sum() <= 16
    np.testing.assert_array_equal(broken[0, 0][~touched], clean[0, 0][~touched])


def test_float16_is_storage_only() -> None:
    """Equal to float32 arithmetic on the rounded inputs, up to the rounding of the result (2^-11)."""
    feed = inputs(1, 6, 5, 7)
    halves = {**feed, **{name: feed[name].astype(np.float16) for name in ("mask_feats", "params")}}
    (masks,) = session(8, 3, 8, 2, half=True).run(None, halves)
    assert masks.dtype == np.float16
    widened = {name: value.astype(np.float32) if value.dtype == np.float16 else value for name, value in halves.items()}
    (expected,) = session(8, 3, 8, 2).run(None, widened)
    np.testing.assert_allclose(masks.astype(np.float32), expected, atol=2**-11)
