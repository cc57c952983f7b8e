"""EfficientNet-Lite0 features: no squeeze-excitation, ReLU6, friendly to TensorRT and int8."""

from __future__ import annotations

import re

from torch import Tensor, nn
from torch.nn.functional import pad, relu6

from stc.model.backbones.backbone import Backbone, BackboneNetwork, ImageNet

# (repeats, kernel, stride, expansion, out channels): EfficientNet-B0's table (arXiv 1905.11946).
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class ConvBN(nn.Module):
    """Convolution and batch norm (eps 1e-3) with TensorFlow's "same" padding.

    For an even input and stride 2, "same" pads one pixel more at the right and bottom than at the left and top.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.before, odd = divmod(kernel - stride, 2)
        self.after = self.before + odd
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, 0 if odd else self.before, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        if self.after != self.before:
            x = pad(x, (self.before, self.after, self.before, self.after))
        out: Tensor = self.bn(self.conv(x))
        return out


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise, project 1x1 (linear), with residual where shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.expand = ConvBN(inputs, width, 1) if expansion > 1 else None
        self.depthwise = ConvBN(width, width, kernel, stride, groups=width)
        self.project = ConvBN(width, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.expand is None else relu6(self.expand(x))
        out: Tensor = self.project(relu6(self.depthwise(wide)))
        return out + x if self.residual else out


class EfficientNetLite0(BackboneNetwork):
    """images (B, 3, H, W), H, W multiples of 32 -> C2 to C5 with 24, 40, 112, 320 channels at strides 4, 8, 16, 32.

    `stages`: how many of STAGES there are; without the last, C5 has 192 channels.
    """

    def __init__(self, stages: int = len(STAGES)) -> None:
        super().__init__()
        self.stem = ConvBN(3, 32, 3, stride=2)
        blocks: list[nn.Module] = []
        channels = 32
        for repeats, kernel, stride, expansion, outputs in STAGES[:stages]:
            for index in range(repeats):
                blocks.append(InvertedResidual(channels, outputs, kernel, stride if index == 0 else 1, expansion))
                channels = outputs
        self.blocks = nn.ModuleList(blocks)

    def early(self) -> list[nn.Module]:
        return [self.stem, *self.blocks[:3]]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x = relu6(self.stem(x))
        features = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in {2, 4, 10, len(self.blocks) - 1}:  # last blocks at strides 4, 8, 16, 32
                features.append(x)
        return features[0], features[1], features[2], features[3]


# EfficientNet-PyTorch's names (also those of the efficientnet-lite0 wheel) -> ours.
_PARTS = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.bn",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.bn",
    "_project_conv": "project.conv",
    "_bn2": "project.bn",
}


def _rename(key: str) -> str | None:
    if match := re.fullmatch(r"(_conv_stem|_bn0)\.(\w+)", key):
        return f"stem.{'conv' if match[1] == '_conv_stem' else 'bn'}.{match[2]}"
    match = re.fullmatch(r"_blocks\.(\d+)\.(\w+?)\.(\w+)", key)
    return f"blocks.{match[1]}.{_PARTS[match[2]]}.{match[3]}" if match and match[2] in _PARTS else None


LITE0 = Backbone(
    "efficientnet-lite0",
    lambda config: EfficientNetLite0(),
    channels=(24, 40, 112, 320),
    parts=("stem", "blocks"),
    mark=r"blocks\.15\.",
    imagenet=(ImageNet("efficientnet", "_conv_stem.", _rename, r"(_conv_head|_bn1|_fc)\."),),
)

LITE0_192 = Backbone(
    "efficientnet-lite0-192",
    lambda config: EfficientNetLite0(len(STAGES) - 1),
    channels=(24, 40, 112, 192),
    parts=("stem", "blocks"),
    mark=r"blocks\.",
    part_of=LITE0.name,
)
