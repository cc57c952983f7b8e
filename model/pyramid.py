"""What the heads read: the feature pyramid P3 to P6 or P7, and the mask branch, P3 to P5 and maybe C2 -> mask_feats."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from stc.model.layers import aligned_bilinear, nearest_doubled


class ConvBNReLU(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        nn.init.kaiming_uniform_(self.conv.weight, a=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.conv(x)).relu()
        return out


class MaskBranch(nn.Module):
    """mask_feats (B, out_channels, H/8, W/8) without activation (CondInst, section 3.1).

    With the channels of C2 given it is added as well, at its stride: mask_feats are (B, out_channels, H/4, W/4).
    """

    def __init__(
        self, inputs: int, channels: int, depth: int, out_channels: int, c2_channels: int | None = None
    ) -> None:
        super().__init__()
        self.fine = None if c2_channels is None else ConvBNReLU(c2_channels, channels, kernel=1)
        self.refine = nn.ModuleList(ConvBNReLU(inputs, channels) for _ in range(3))
        self.tower = nn.Sequential(*(ConvBNReLU(channels, channels) for _ in range(depth)))
        self.pred = nn.Conv2d(channels, out_channels, 1)

    def forward(self, pyramid: list[Tensor], c2: Tensor | None = None) -> Tensor:
        x = self.refine[0](pyramid[0])
        for index, factor in ((1, 2), (2, 4)):
            x = x + aligned_bilinear(self.refine[index](pyramid[index]), factor)
        if self.fine is not None:
            assert c2 is not None
            x = self.fine(c2) + aligned_bilinear(x, 2)
        out: Tensor = self.pred(self.tower(x))
        return out


class FPN(nn.Module):
    """C3, C4, C5 -> P3 to P7 of `channels` each; P6 from P5 or C5, P7 from relu(P6) (detectron2's LastLevelP6P7).

    `levels`: 5, or 4 to end at P6.
    """

    def __init__(
        self, in_channels: tuple[int, ...], channels: int, p6_from: Literal["p5", "c5"] = "p5", levels: int = 5
    ) -> None:
        super().__init__()
        self.p6_from = p6_from
        self.lateral = nn.ModuleList(nn.Conv2d(inputs, channels, 1) for inputs in in_channels)
        self.output = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in in_channels)
        self.p6 = nn.Conv2d(channels if p6_from == "p5" else in_channels[-1], channels, 3, stride=2, padding=1)
        self.p7 = nn.Conv2d(channels, channels, 3, stride=2, padding=1) if levels == 5 else None
        for conv in self.modules():
            if isinstance(conv, nn.Conv2d) and conv.bias is not None:
                nn.init.kaiming_uniform_(conv.weight, a=1)
                nn.init.zeros_(conv.bias)

    def forward(self, features: tuple[Tensor, ...]) -> list[Tensor]:
        merged = [lateral(feature) for lateral, feature in zip(self.lateral, features, strict=True)]
        for level in range(len(merged) - 2, -1, -1):
            merged[level] = merged[level] + nearest_doubled(merged[level + 1], merged[level])
        levels = [output(feature) for output, feature in zip(self.output, merged, strict=True)]
        p6 = self.p6(levels[-1] if self.p6_from == "p5" else features[-1])
        return [*levels, p6] if self.p7 is None else [*levels, p6, self.p7(p6.relu())]
