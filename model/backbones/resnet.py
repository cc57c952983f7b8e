"""ResNet-50 and -101 with frozen batch norm, C2 to C5."""

from __future__ import annotations

import re

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from stc.model.backbones.backbone import Backbone, BackboneNetwork, ImageNet
from stc.model.layers import FrozenBatchNorm2d
from stc.model.renaming import Pairs, Renaming

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


class ResNet(BackboneNetwork):
    """images (B, 3, H, W) -> C2, C3, C4, C5 with 256, 512, 1024, 2048 channels at strides 4, 8, 16, 32."""

    def __init__(self, depth: str, stride_in_1x1: bool) -> None:
        super().__init__()
        self.stem = Stem()
        blocks = BLOCKS[depth]
        self.res2 = _stage(64, 64, blocks[0], 1, stride_in_1x1)
        self.res3 = _stage(256, 128, blocks[1], 2, stride_in_1x1)
        self.res4 = _stage(512, 256, blocks[2], 2, stride_in_1x1)
        self.res5 = _stage(1024, 512, blocks[3], 2, stride_in_1x1)

    def early(self) -> list[nn.Module]:
        return [self.stem, self.res2]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        c2 = self.res2(self.stem(x))
        c3 = self.res3(c2)
        c4 = self.res4(c3)
        return c2, c3, c4, self.res5(c4)


def _stage(inputs: int, width: int, blocks: int, stride: int, stride_in_1x1: bool) -> nn.Sequential:
    first = Bottleneck(inputs, width, stride, stride_in_1x1)
    return nn.Sequential(first, *(Bottleneck(width * 4, width, 1, stride_in_1x1) for _ in range(blocks - 1)))


# How code bases name the weights; layouts of whole models have these names below a root.
TORCHVISION: Pairs = (
    ("conv1.{p}", "stem.conv.{p}"),
    ("bn1.{p}", "stem.bn.{p}"),
    *(
        pair
        for s in range(1, 5)
        for pair in (
            (f"layer{s}.{{k}}.conv{{c}}.{{p}}", f"res{s + 1}.{{k}}.conv{{c}}.{{p}}"),
            (f"layer{s}.{{k}}.bn{{c}}.{{p}}", f"res{s + 1}.{{k}}.bn{{c}}.{{p}}"),
            (f"layer{s}.{{k}}.downsample.0.{{p}}", f"res{s + 1}.{{k}}.shortcut.conv.{{p}}"),
            (f"layer{s}.{{k}}.downsample.1.{{p}}", f"res{s + 1}.{{k}}.shortcut.bn.{{p}}"),
        )
    ),
)
DETECTRON2: Pairs = (
    ("stem.conv1.norm.{p}", "stem.bn.{p}"),
    ("stem.conv1.{p}", "stem.conv.{p}"),
    ("res{s}.{k}.conv{c}.norm.{p}", "res{s}.{k}.bn{c}.{p}"),
    ("res{s}.{k}.conv{c}.{p}", "res{s}.{k}.conv{c}.{p}"),
    ("res{s}.{k}.shortcut.norm.{p}", "res{s}.{k}.shortcut.bn.{p}"),
    ("res{s}.{k}.shortcut.{p}", "res{s}.{k}.shortcut.conv.{p}"),
)
_CAFFE_FIELDS = {"w": "conv.weight", "bn_s": "bn.weight", "bn_b": "bn.bias", "bn_rm": "bn.running_mean"}
_CAFFE_FIELDS |= {"bn_gamma": "bn.weight", "bn_beta": "bn.bias", "bn_riv": "bn.running_var"}


def _caffe2(key: str) -> str | None:
    """MSRA's blobs: conv1_w, res_conv1_bn_s, res2_0_branch2a_w, res2_0_branch1_bn_b, ..."""
    if match := re.fullmatch(r"(?:res_)?conv1_(w|bn_\w+)", key):
        return f"stem.{_CAFFE_FIELDS[match[1]]}" if match[1] in _CAFFE_FIELDS else None
    match = re.fullmatch(r"res([2-5])_(\d+)_branch(1|2a|2b|2c)_(w|bn_\w+)", key)
    if not match or match[4] not in _CAFFE_FIELDS:
        return None
    part, _, field = _CAFFE_FIELDS[match[4]].partition(".")
    place = f"shortcut.{part}" if match[3] == "1" else f"{part}{'abc'.index(match[3][1]) + 1}"
    return f"res{match[1]}.{match[2]}.{place}.{field}"


def _resnet(name: str, mark: str) -> Backbone:
    return Backbone(
        name,
        lambda config: ResNet(name, config.stride_in_1x1),
        channels=(256, 512, 1024, 2048),
        parts=("stem", "res2", "res3", "res4", "res5"),
        mark=mark,
        imagenet=(
            ImageNet("torchvision", "layer1.0.", Renaming(TORCHVISION), r"fc\.|.*num_batches_tracked$", "torchvision"),
            # detectron2's names carry weights of both styles.
            ImageNet("detectron2", "res2.0.", Renaming(DETECTRON2), r"(linear|stem\.fc|fc)\.|.*num_batches_tracked$"),
            ImageNet("caffe2", "res2_0_", _caffe2, r"(fc1000|pred)_|.*_momentum$|weight_order$|conv1_b$", "msra"),
        ),
        styled=True,
    )


RESNET50 = _resnet("resnet50", r"res[2-5]\.")
RESNET101 = _resnet("resnet101", r"res4\.([6-9]|[1-9]\d)\.")  # its fourth stage has 23 blocks, R-50's 6
