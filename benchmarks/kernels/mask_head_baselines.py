"""The dynamic mask head as others compute it, on the same inputs: baselines of `benchmarks/kernels/__main__.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from stc.runtime.native.library import Library
from stc.runtime.native.mask_head import MaskHead

STRIDE = 8
Call = Callable[[], Any]


@dataclass(frozen=True)
class MaskHeadCase:
    """Inputs of the op for one image, float32, in the op's order."""

    arrays: tuple[NDArray[Any], ...]

    @classmethod
    def random(cls, instances: int, height: int, width: int) -> MaskHeadCase:
        rng = np.random.default_rng([instances, height, width])
        return cls(
            (
                rng.standard_normal((1, 8, height, width), np.float32),
                rng.standard_normal((1, instances, MaskHead().parameters), np.float32) * np.float32(0.3),
                rng.uniform(0, STRIDE * width, (1, instances, 2)).astype(np.float32),
                rng.choice([64, 128, 256, 512, 1024], (1, instances)).astype(np.float32),
                np.array([instances], np.int32),
            )
        )

    def native(self, library: Library) -> Call:
        head = MaskHead()
        return lambda: head(library, *self.arrays)

    def tensors(self) -> tuple[Tensor, ...]:
        """mask_feats (1, 8, h, w), params (n, 169), locations (n, 2), sizes (n,)."""
        feats, params, locations, sizes, _ = (torch.from_numpy(array) for array in self.arrays)
        return feats, params[0], locations[0], sizes[0]


def _inference(form: Callable[..., Tensor]) -> Callable[[MaskHeadCase], Call]:
    def prepare(case: MaskHeadCase) -> Call:
        tensors = case.tensors()

        def call() -> Tensor:
            with torch.inference_mode():
                return form(*tensors)

        return call

    return prepare


def _relative_coordinates(feats: Tensor, locations: Tensor, sizes: Tensor) -> Tensor:
    """(n, 2, h * w): instance minus cell, over the size of interest."""
    height, width = feats.shape[2:]
    y, x = (torch.arange(n, dtype=torch.float32) * STRIDE + STRIDE // 2 for n in (height, width))
    grid = torch.stack([x.repeat(height), y.repeat_interleave(width)])
    return (locations[:, :, None] - grid) / sizes[:, None, None]


def _upsample(logits: Tensor) -> Tensor:
    """AdelaiDet's aligned_bilinear by 2, step by step: pad, align-corners bilinear, pad, crop."""
    height, width = logits.shape[2:]
    x = F.pad(logits, (0, 1, 0, 1), mode="replicate")
    x = F.interpolate(x, (2 * height + 1, 2 * width + 1), mode="bilinear", align_corners=True)
    return F.pad(x, (1, 0, 1, 0), mode="replicate")[:, :, : 2 * height, : 2 * width]


def _networks(params: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    w0, w1, w2, b0, b1, b2 = torch.split(params, [80, 64, 8, 8, 8, 1], dim=1)
    return [w0, w1, w2], [b0, b1, b2]


def grouped_convolution(feats: Tensor, params: Tensor, locations: Tensor, sizes: Tensor) -> Tensor:
    """AdelaiDet: features repeated per instance, one grouped convolution per layer."""
    n, (height, width) = len(params), feats.shape[2:]
    coordinates = _relative_coordinates(feats, locations, sizes)
    repeated = feats.reshape(1, 8, -1).repeat(n, 1, 1)
    x = torch.cat([coordinates, repeated], dim=1).reshape(1, -1, height, width)
    weights, biases = _networks(params)
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        inputs = 10 if layer == 0 else 8
        x = F.conv2d(x, weight.reshape(-1, inputs, 1, 1), bias.reshape(-1), groups=n)
        x = F.relu(x) if layer < 2 else x
    return _upsample(x.reshape(n, 1, height, width)).sigmoid()


def repeat_and_bmm(feats: Tensor, params: Tensor, locations: Tensor, sizes: Tensor) -> Tensor:
    """mmdeploy's rewrite: features repeated per instance, one batched product per layer."""
    n, (height, width) = len(params), feats.shape[2:]
    coordinates = _relative_coordinates(feats, locations, sizes)
    x = torch.cat([coordinates, feats.reshape(1, 8, -1).repeat(n, 1, 1)], dim=1)
    weights, biases = _networks(params)
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        x = torch.bmm(weight.reshape(n, -1, x.shape[1]), x) + bias[:, :, None]
        x = F.relu(x) if layer < 2 else x
    return _upsample(x.reshape(n, 1, height, width)).sigmoid()


def best_torch(feats: Tensor, params: Tensor, locations: Tensor, sizes: Tensor) -> Tensor:
    """The fastest PyTorch form found: one product of all first layers with features that are not repeated, coordinates
    as an affine map, batched products in place for the rest.
    """
    n, (height, width) = len(params), feats.shape[2:]
    (w0, w1, w2), (b0, b1, b2) = _networks(params)
    w0 = w0.reshape(n, 8, 10)
    along = w0[..., :2] / sizes[:, None, None]
    y, x = (torch.arange(size, dtype=torch.float32) * STRIDE + STRIDE // 2 for size in (height, width))
    grid = torch.stack([x.repeat(height), y.repeat_interleave(width)])
    inputs = torch.cat([-grid, feats.reshape(8, -1)])
    offset = (along * locations[:, None]).sum(-1) + b0
    hidden = torch.addmm(offset.reshape(-1, 1), torch.cat([along, w0[..., 2:]], -1).reshape(8 * n, 10), inputs).relu_()
    hidden = torch.baddbmm(b1[:, :, None], w1.reshape(n, 8, 8), hidden.reshape(n, 8, -1)).relu_()
    logits = torch.baddbmm(b2[:, :, None], w2.reshape(n, 1, 8), hidden)
    return _upsample(logits.reshape(n, 1, height, width)).sigmoid_()


def _function_body(case: MaskHeadCase) -> Call:
    """The op's function body in ONNX Runtime, as it runs without the native library."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper

    from stc.model.function_body import DOMAIN, OP, function_body

    names = ("mask_feats", "params", "locations", "sizes", "count")
    kinds = [TensorProto.FLOAT] * 4 + [TensorProto.INT32]
    node = helper.make_node(OP, names, ["masks"], domain=DOMAIN, channels=8, layers=3, stride=STRIDE, upsample=2)
    inputs = [
        helper.make_tensor_value_info(name, kind, array.shape)
        for name, kind, array in zip(names, kinds, case.arrays, strict=True)
    ]
    output = helper.make_tensor_value_info("masks", TensorProto.FLOAT, ["b", "k", "h", "w"])
    model = helper.make_model(
        helper.make_graph([node], "op", inputs, [output]),
        functions=[function_body(8, 3, 2, 18)],
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 1)],
        ir_version=9,
    )
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Its threads spin within a run, not into the turn of who comes next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = dict(zip(names, case.arrays, strict=True))
    return lambda: session.run(None, feed)[0]


FORMS: dict[str, Callable[[MaskHeadCase], Call]] = {
    "adelaidet grouped convolution": _inference(grouped_convolution),
    "mmdeploy repeat + bmm": _inference(repeat_and_bmm),
    "torch-best": _inference(best_torch),
    "onnxruntime-body": _function_body,
}
