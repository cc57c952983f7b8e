"""The mask branch: P3 to P5 -> mask_feats."""

from __future__ import annotations

from torch import Tensor, nn

from stc.model.aligned_bilinear import aligned_bilinear


class ConvBNReLU(nn.Module):
    """3x3 convolution without bias, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        nn.init.kaiming_uniform_(self.conv.weight, a=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.conv(x)).relu()
        return out


class MaskBranch(nn.Module):
    """mask_feats (B, out_channels, H/8, W/8) without activation (CondInst, section 3.1)."""

    def __init__(self, inputs: int, channels: int, depth: int, out_channels: int) -> None:
        super().__init__()
        self.refine = nn.ModuleList(ConvBNReLU(inputs, channels) for _ in range(3))
        self.tower = nn.Sequential(*(ConvBNReLU(channels, channels) for _ in range(depth)))
        self.pred = nn.Conv2d(channels, out_channels, 1)

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        x = self.refine[0](pyramid[0])
        for index, factor in ((1, 2), (2, 4)):
            x = x + aligned_bilinear(self.refine[index](pyramid[index]), factor)
        out: Tensor = self.pred(self.tower(x))
        return out
