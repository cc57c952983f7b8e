"""The FCOS head with controller and tracking tower, weights shared over the pyramid levels."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from stc.model.config import ModelConfig
from stc.model.layers import GroupNorm


class Separable(nn.Module):
    """A depthwise convolution and a 1x1 convolution after it, without a norm in between."""

    def __init__(self, channels: int, kernel: int, bias: bool) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pointwise(self.depthwise(x))
        return out


class Tower(nn.Module):
    """`depth` times convolution, norm, ReLU; the convolutions are dense or `Separable`.

    Group norm is shared by the levels. Batch norm has its own statistics per level (as in EfficientDet), because
    levels see differently distributed features; the convolution then needs no bias.
    """

    def __init__(
        self, channels: int, depth: int, norm: str, levels: int, kernel: int = 3, separable: bool = False
    ) -> None:
        super().__init__()
        bias = norm == "group"
        self.convs = nn.ModuleList(
            Separable(channels, kernel, bias)
            if separable
            else nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=bias)
            for _ in range(depth)
        )
        self.norms = nn.ModuleList(_norm(norm, channels, levels) for _ in range(depth))
        for conv in self.convs:
            for part in conv.children() if isinstance(conv, Separable) else (conv,):
                _init(part)

    def forward(self, x: Tensor, level: int) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = conv[level](x) if isinstance(conv, nn.ModuleList) else conv(x)
            x = (norm[level](x) if isinstance(norm, nn.ModuleList) else norm(x)).relu()
        return x


class Head(nn.Module):
    """P3 to P6 or P7 -> class logits, centerness, box distances, mask parameters and tracking embeddings.

    All are lists over the levels.

    Centerness and the controller sit on the box tower (AdelaiDet); the embedding is read at the location that fired
    (CrossVIS).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels, levels, kernel = config.fpn_channels, len(config.strides), config.head_kernel
        shape = (config.tower_kernel, config.tower_separable)
        self.cls_tower = Tower(channels, config.cls_convs, config.head_norm, levels, *shape)
        self.box_tower = Tower(channels, config.box_convs, config.head_norm, levels, *shape)
        self.cls_logits = _prediction(channels, config.num_classes, kernel)
        self.bbox_pred = _prediction(channels, 4, kernel)
        self.centerness = _prediction(channels, 1, kernel)
        self.controller = _prediction(channels, config.num_mask_params, kernel)
        self.scales = nn.Parameter(torch.ones(levels))
        nn.init.constant_(self.cls_logits.bias, -math.log(99))  # type: ignore[arg-type]  # focal loss prior 0.01
        if config.track_dim:
            self.track_tower: Tower | None = Tower(channels, config.track_convs, config.head_norm, levels)
            self.track_pred = _prediction(channels, config.track_dim, config.track_kernel)
            self.track_norm = nn.BatchNorm2d(config.track_dim) if config.track_norm else nn.Identity()
        else:
            self.track_tower = None

    def tracking(self) -> tuple[nn.Module, ...]:
        """What makes the embeddings and nothing else; empty without a tracking head."""
        return () if self.track_tower is None else (self.track_tower, self.track_pred, self.track_norm)

    def forward(self, pyramid: list[Tensor], embed: bool = True) -> dict[str, list[Tensor]]:
        out: dict[str, list[Tensor]] = {name: [] for name in ("logits", "centerness", "ltrb", "params", "embeddings")}
        for level, x in enumerate(pyramid):
            boxes = self.box_tower(x, level)
            out["logits"].append(self.cls_logits(self.cls_tower(x, level)))
            out["centerness"].append(self.centerness(boxes))
            out["ltrb"].append((self.scales[level] * self.bbox_pred(boxes)).relu())
            out["params"].append(self.controller(boxes))
            if embed and self.track_tower is not None:
                out["embeddings"].append(self.track_norm(self.track_pred(self.track_tower(x, level))))
        return out


def _norm(kind: str, channels: int, levels: int) -> nn.Module:
    if kind == "group":
        return GroupNorm(32, channels)
    return nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(levels))


def _prediction(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    _init(conv)
    return conv


def _init(conv: nn.Module) -> None:
    assert isinstance(conv, nn.Conv2d)
    nn.init.normal_(conv.weight, std=0.01)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
