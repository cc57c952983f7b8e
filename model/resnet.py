"""ResNet-50 and -101 with frozen batch norm, C3 to C5."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from stc.model.norm import FrozenBatchNorm2d

BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}


class Stem(nn.Module):
    """7x7 stride 2 convolution and 3x3 stride 2 max pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn = FrozenBatchNorm2d(64)

    def forward(self, x: Tensor) -> Tensor:
        return max_pool2d(self.bn(self.conv(x)).relu(), 3, stride=2, padding=1)


class Shortcut(nn.Module):
    """1x1 projection of a stage's first block."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
        self.bn = FrozenBatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.conv(x))
        return out


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with residual. The stride sits in the first (MSRA) or in the 3x3 convolution (torchvision)."""

    def __init__(self, inputs: int, width: int, stride: int, stride_in_1x1: bool) -> None:
        super().__init__()
        outputs = width * 4
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        self.conv1 = nn.Conv2d(inputs, width, 1, stride=first, bias=False)
        self.bn1 = FrozenBatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=second, padding=1, bias=False)
        self.bn2 = FrozenBatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = FrozenBatchNorm2d(outputs)
        self.shortcut = Shortcut(inputs, outputs, stride) if inputs != outputs or stride != 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn1(self.conv1(x)).relu()
        out = self.bn2(self.conv2(out)).relu()
        out = self.bn3(self.conv3(out)) + self.shortcut(x)
        return out.relu()


class ResNet(nn.Module):
    """images (B, 3, H, W) -> C3, C4, C5 with 512, 1024, 2048 channels at strides 8, 16, 32."""

    out_channels = (512, 1024, 2048)

    def __init__(self, depth: str, stride_in_1x1: bool) -> None:
        super().__init__()
        self.stem = Stem()
        blocks = BLOCKS[depth]
        self.res2 = _stage(64, 64, blocks[0], 1, stride_in_1x1)
        self.res3 = _stage(256, 128, blocks[1], 2, stride_in_1x1)
        self.res4 = _stage(512, 256, blocks[2], 2, stride_in_1x1)
        self.res5 = _stage(1024, 512, blocks[3], 2, stride_in_1x1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        c3 = self.res3(self.res2(self.stem(x)))
        c4 = self.res4(c3)
        return c3, c4, self.res5(c4)


def _stage(inputs: int, width: int, blocks: int, stride: int, stride_in_1x1: bool) -> nn.Sequential:
    first = Bottleneck(inputs, width, stride, stride_in_1x1)
    return nn.Sequential(first, *(Bottleneck(width * 4, width, 1, stride_in_1x1) for _ in range(blocks - 1)))
