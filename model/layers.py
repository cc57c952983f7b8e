"""The small parts that the network is made of: norms, upsampling, cell centres, widening to float32."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import group_norm, interpolate

from stc.model.islands import Island, enter


def level_locations(height: int, width: int, stride: int, device: torch.device | None = None) -> Tensor:
    """(height*width, 2) float32 xy in input pixels, row-major: `index * stride + stride // 2` (FCOS, section 3.1)."""
    y = torch.arange(height, dtype=torch.float32, device=device) * stride + stride // 2
    x = torch.arange(width, dtype=torch.float32, device=device) * stride + stride // 2
    if type(width) is int:
        return torch.stack([x.repeat(height), y.repeat_interleave(width)], dim=1)
    # A `SymInt`, in a graph of any size: the exporter writes repeats of an unknown number wrongly.
    return torch.stack([x.expand(height, width).flatten(), y[:, None].expand(height, width).flatten()], dim=1)


def nearest_doubled(x: Tensor, like: Tensor) -> Tensor:
    """`x` (B, C, h, w) at twice its size, which is that of `like`, each cell four times."""
    if type(x.shape[2]) is int:
        return interpolate(x, scale_factor=2.0, mode="nearest")
    # In a graph of any size: a scale would hide from TensorRT that both are of one size.
    return interpolate(x, size=like.shape[2:], mode="nearest")


def aligned_bilinear(x: Tensor, factor: int) -> Tensor:
    """Upsample (..., h, w) to (..., h*factor, w*factor).

    CondInst defines it as replicate padding, align-corners bilinear and a crop. Per axis and for output o that equals
    `s = max(o - factor // 2, 0) / factor`, `i = floor(s)`, `(1 - (s - i)) * in[i] + (s - i) * in[min(i + 1, n - 1)]`:
    `factor // 2` copies of the first value, then a ramp of `factor` values from every value to the next.
    """
    if factor == 1:
        return x
    height, width = x.shape[-2:]
    if torch.compiler.is_exporting() and type(height) is int and type(width) is int:
        # Products with constant matrices: for the ramps' concatenation OpenVINO has no fast kernel. In PyTorch they
        # are slower than the sums, and in training by far.
        rows, columns = _ramps(height, factor, x), _ramps(width, factor, x)
        return rows @ (x @ columns.T)
    return _along(_along(x, factor, x.ndim - 2), factor, x.ndim - 1)


def _ramps(size: int, factor: int, like: Tensor) -> Tensor:
    """(size * factor, size): the weights of every value, for each place of `aligned_bilinear` along one side."""
    weights = [[0.0] * size for _ in range(size * factor)]
    for place, row in enumerate(weights):
        first, step = divmod(max(place - factor // 2, 0), factor)
        row[first] += 1 - step / factor
        row[min(first + 1, size - 1)] += step / factor
    return torch.tensor(weights, dtype=like.dtype, device=like.device)


def _along(x: Tensor, factor: int, dim: int) -> Tensor:
    """Slices and weighted sums only: an index per output would be ten times slower in ONNX Runtime."""
    size = x.shape[dim]
    following = torch.cat([x.narrow(dim, 1, size - 1), x.narrow(dim, size - 1, 1)], dim)
    ramp = [x, *(x * (1 - step / factor) + following * (step / factor) for step in range(1, factor))]
    ramps = torch.stack(ramp, dim + 1).flatten(dim, dim + 1)
    before = [x.narrow(dim, 0, 1)] * (factor // 2)
    return torch.cat([*before, ramps.narrow(dim, 0, size * factor - factor // 2)], dim)


def at_least_float32(x: Tensor) -> Tensor:
    """Integers, float16 and bfloat16 become float32; float32 and float64 stay as they are."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def widen(x: Tensor, island: Island) -> Tensor:
    """`x` as an input of `island`, in float32 (float64 for a float64 model)."""
    wide = at_least_float32(x)
    # A graph stores weights in the type that it computes with, so only activations are cast in it.
    enter(island, casts=int(wide.dtype != x.dtype and not isinstance(x, nn.Parameter)))
    return wide


class FrozenBatchNorm2d(nn.Module):
    """Batch norm with fixed statistics and affine terms, eps 1e-5: detectron2's backbone norm, four buffers."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor
    eps = 1e-5

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return x * scale[:, None, None] + shift[:, None, None]


class GroupNorm(nn.GroupNorm):
    """Group norm whose statistics are float32 also in a half precision model: sums over a level overflow float16."""

    def forward(self, input: Tensor) -> Tensor:
        wide = group_norm(
            widen(input, "group_norm"),
            self.num_groups,
            widen(self.weight, "group_norm"),
            widen(self.bias, "group_norm"),
            self.eps,
        )
        return wide.to(input.dtype)
