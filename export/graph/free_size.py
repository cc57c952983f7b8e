"""Graphs that take frames of any height and width, for models that were trained without a letterbox.

The network is traced on pictures whose sides are multiples of 32, because only of those the tracer can prove that the
levels of the pyramid fit each other. What makes such pictures of frames is traced apart and put before it.
"""

from __future__ import annotations

import onnx
import torch
from onnx import compose
from torch import Tensor, nn
from torch.nn.functional import pad

from stc.export.graph.program import batch_dimension, pictures, program_of, staged
from stc.export.sizes import Batch
from stc.model.config import DIVISOR, ModelConfig
from stc.model.islands import islands_entered
from stc.model.layers import widen
from stc.model.network import STCDeploy
from stc.runtime.bundle.contract import MASKS

_BLOCKS = (5, 256)  # of 32 pixels a side, for the tracer alone: with fewer than five it would take P7 for one cell
_TRACED = (8 * DIVISOR + 4, 10 * DIVISOR + 20)  # any size that needs padding
_BETWEEN = ("pixels", "size")  # what the first part hands on


def program(deploy: STCDeploy, batch: Batch, opset: int) -> onnx.ModelProto:
    """The graph from `frames` uint8 (B, H, W, 3), H and W of any size, to the outputs and stages of `deploy`."""
    frames = torch.zeros(pictures(batch), *_TRACED, 3, dtype=torch.uint8)
    sides = {i: torch.export.Dim(name, min=1, max=_BLOCKS[1] * DIVISOR) for i, name in ((1, "height"), (2, "width"))}
    first = _Pixels(deploy.model.config)
    before = program_of(first, {"frames": frames}, [batch_dimension(batch) | sides], opset)
    blocks = {
        i: DIVISOR * torch.export.Dim(name, min=_BLOCKS[0], max=_BLOCKS[1])
        for i, name in ((1, "block_rows"), (2, "block_columns"))
    }
    with islands_entered():  # a second time: noted already
        made = first(frames)
    behind = program_of(_Detect(deploy), made, [batch_dimension(batch) | blocks, {}], opset)
    joined = _joined(before, behind)
    (masks,) = (output for output in joined.graph.output if output.name == MASKS)
    for dimension, name in zip(masks.type.tensor_type.shape.dim[2:], ("mask_height", "mask_width"), strict=True):
        dimension.dim_param = name
    return joined


class _Pixels(nn.Module):
    """Frames, normalised and padded with zeros: `stc.model.normalise` for sides that are not known."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """pixels: float32 (B, Hp, Wp, 3). size: int64 (2,), (H, W) of the frames."""
        pixels = widen(frames, "normalise")
        if self.config.channel_order == "rgb":
            pixels = pixels.flip(3)
        pixels = (pixels - torch.tensor(self.config.pixel_mean)) / torch.tensor(self.config.pixel_std)
        height, width = frames.shape[1], frames.shape[2]
        size = torch.stack([torch.scalar_tensor(side, dtype=torch.int64) for side in (height, width)])
        return dict(zip(_BETWEEN, (pad(pixels, (0, 0, 0, -width % DIVISOR, 0, -height % DIVISOR)), size), strict=True))


class _Detect(nn.Module):
    def __init__(self, deploy: STCDeploy) -> None:
        super().__init__()
        self.deploy = deploy

    def forward(self, pixels: Tensor, size: Tensor) -> dict[str, Tensor]:
        return staged(*self.deploy.detect(pixels.permute(0, 3, 1, 2), size))


def _joined(first: onnx.ModelProto, second: onnx.ModelProto) -> onnx.ModelProto:
    """One graph of both. They were traced apart, so their inner names may be the same."""
    apart = compose.add_prefix(first, "pixels/", rename_inputs=False, rename_outputs=False)
    apart.ir_version = second.ir_version
    domains = {opset.domain for opset in apart.opset_import}
    apart.opset_import.extend(opset for opset in second.opset_import if opset.domain not in domains)
    return compose.merge_models(apart, second, io_map=[(name, name) for name in _BETWEEN])
