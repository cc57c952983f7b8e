"""Feature pyramid P3 to P7."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import interpolate


class FPN(nn.Module):
    """C3, C4, C5 -> P3 to P7 of `channels` each; P6 from P5 or C5, P7 from relu(P6) (detectron2's LastLevelP6P7)."""

    def __init__(self, in_channels: tuple[int, ...], channels: int, p6_from: Literal["p5", "c5"] = "p5") -> None:
        super().__init__()
        self.p6_from = p6_from
        self.lateral = nn.ModuleList(nn.Conv2d(inputs, channels, 1) for inputs in in_channels)
        self.output = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in in_channels)
        self.p6 = nn.Conv2d(channels if p6_from == "p5" else in_channels[-1], channels, 3, stride=2, padding=1)
        self.p7 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        for conv in self.modules():
            if isinstance(conv, nn.Conv2d) and conv.bias is not None:
                nn.init.kaiming_uniform_(conv.weight, a=1)
                nn.init.zeros_(conv.bias)

    def forward(self, features: tuple[Tensor, ...]) -> list[Tensor]:
        merged = [lateral(feature) for lateral, feature in zip(self.lateral, features, strict=True)]
        for level in range(len(merged) - 2, -1, -1):
            merged[level] = merged[level] + interpolate(merged[level + 1], scale_factor=2.0, mode="nearest")
        levels = [output(feature) for output, feature in zip(self.output, merged, strict=True)]
        p6 = self.p6(levels[-1] if self.p6_from == "p5" else features[-1])
        return [*levels, p6, self.p7(p6.relu())]
