"""Checkpoints with seeded random weights, in the published layouts, whose networks really detect something.

Names and shapes are those of the published files, written out by rule. Values are scaled so that activations stay of
order one through the whole network, and so that on most pictures some tens to a few hundred candidates pass the score
threshold, with boxes of many sizes, several classes, and masks around their locations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from stc.model.config import STC_LITE, ModelConfig
from stc.model.network import STC

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
LEVELS = 5
MASK_PARAMS = 169
HEAD = "proposal_generator.fcos_head"
COUNTER = torch.zeros((), dtype=torch.int64)
SIZES_OF_INTEREST = "mask_head.sizes_of_interest"

Entries = Iterator[tuple[str, Tensor]]


class Weights:
    """Random tensors of one generator."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape: int, std: float = 1.0, mean: float = 0.0) -> Tensor:
        return torch.randn(shape, generator=self.generator) * std + mean

    def uniform(self, *shape: int, low: float, high: float) -> Tensor:
        return torch.rand(shape, generator=self.generator) * (high - low) + low

    def conv(self, outputs: int, inputs: int, kernel: int, gain: float = 2.0) -> Tensor:
        """Kaiming: the variance of the output is `gain` / 2 of the mean square of a ReLU's output."""
        return self.normal(outputs, inputs, kernel, kernel, std=math.sqrt(gain / (inputs * kernel**2)))

    def norm(self, name: str, channels: int, *, scale: float = 1.0) -> Entries:
        """Affine terms of a norm."""
        yield f"{name}.weight", scale * self.uniform(channels, low=0.7, high=1.3)
        yield f"{name}.bias", self.normal(channels, std=0.1)

    def batch_norm(self, name: str, channels: int, *, scale: float = 1.0, counted: bool = True) -> Entries:
        yield from self.norm(name, channels, scale=scale)
        yield f"{name}.running_mean", self.normal(channels, std=0.1)
        yield f"{name}.running_var", self.uniform(channels, low=0.7, high=1.3)
        if counted:
            yield f"{name}.num_batches_tracked", COUNTER.clone()


@dataclass(frozen=True)
class Widths:
    """Channels of the pyramid and the mask branch, convolutions of a tower; the published ones by default."""

    fpn: int = 256
    mask: int = 128
    convs: int = 4


PUBLISHED = Widths()
SLIM = Widths(fpn=64, mask=32, convs=2)


class Shapes(Weights):
    """No random numbers: tensors of the right shape around one stored zero each, in no time."""

    def __init__(self) -> None:
        super().__init__(0)

    def normal(self, *shape: int, std: float = 1.0, mean: float = 0.0) -> Tensor:
        return torch.zeros(()).expand(shape)

    def uniform(self, *shape: int, low: float, high: float) -> Tensor:
        return torch.zeros(()).expand(shape)


def adelaidet_state(
    seed: int | None, *, depth: int = 50, num_classes: int = 80, sem: bool = False, widths: Widths = PUBLISHED
) -> dict[str, Tensor]:
    """State dictionary of AdelaiDet's CondInst (372 entries for R-50, 386 with `sem`). seed None: `Shapes`."""
    w = Shapes() if seed is None else Weights(seed)
    state = {
        **dict(_resnet(w, depth)),
        **dict(_fpn(w, widths.fpn)),
        **dict(_fcos(w, num_classes, widths)),
        **dict(_mask_branch(w, widths)),
    }
    state[SIZES_OF_INTEREST] = torch.tensor([64, 128, 256, 512, 1024])
    state["mask_head._iter"] = torch.zeros(1)
    if sem:
        state |= dict(_semantic(w, num_classes))
    return state


def crossvis_state(seed: int | None, num_classes: int = 40, widths: Widths = PUBLISHED) -> dict[str, Tensor]:
    """State dictionary of CrossVIS R-50 (397 entries): AdelaiDet's, a tracking tower and a classifier of tracks."""
    state = adelaidet_state(seed, num_classes=num_classes, widths=widths)
    w = Shapes() if seed is None else Weights(seed + 1)
    state |= dict(_tower(w, "reid_tower", widths))
    state[f"{HEAD}.reid_pred.weight"] = w.conv(256, widths.fpn, 1)
    state[f"{HEAD}.reid_pred.bias"] = w.normal(256, std=0.1)
    state |= dict(w.batch_norm(f"{HEAD}.reid_pred_bn", 256))
    state["cls.weight"] = w.normal(3774, 256, std=0.01)
    state["cls.bias"] = w.normal(3774, std=0.01)
    return state


def settings(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The entries of `state` that are settings and no weights."""
    return {name: tensor for name, tensor in state.items() if name == SIZES_OF_INTEREST}


def stc_lite_model(seed: int, config: ModelConfig = STC_LITE, class_bias: float = -5.3) -> STC:
    """`stc-lite`, or a network of another `config` with its backbone, with seeded weights, in eval mode.

    Its batch norm statistics are those of seeded pictures; the classes are as likely as `class_bias` makes them.
    """
    model = STC(config)
    w = Weights(seed)
    state: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            state |= dict(w.batch_norm(name, module.num_features))
            module.momentum = None  # a plain average over the pictures
        elif isinstance(module, nn.GroupNorm):
            state |= dict(w.norm(name, module.num_channels))
        elif isinstance(module, nn.Conv2d):
            outputs, inputs, kernel, _ = module.weight.shape
            gain = 1.0 if name.startswith("fpn") else 2.0
            state[f"{name}.weight"] = w.conv(outputs, inputs, kernel, gain)
            if module.bias is not None:
                state[f"{name}.bias"] = w.normal(outputs, std=0.1)
    state |= _predictions(w, "head", config.fpn_channels, config.num_classes, class_bias=class_bias)
    state["head.controller.weight"], state["head.controller.bias"] = _controller(w, config.fpn_channels)
    state["head.scales"] = w.uniform(len(config.strides), low=0.9, high=1.1)
    model.load_state_dict(state)
    with torch.no_grad():
        model.train()(_pictures(w, count=4, size=STC_LITE.input_size))
    return model.eval()


def _pictures(w: Weights, count: int, size: tuple[int, int]) -> Tensor:
    """Normalised pictures: soft colour patches with a little noise."""
    height, width = size
    patches = w.uniform(count, 3, height // 32, width // 32, low=-1.5, high=1.5)
    smooth = interpolate(patches, size=size, mode="bicubic", align_corners=False)
    return smooth + w.normal(count, 3, height, width, std=0.3)


def _resnet(w: Weights, depth: int) -> Entries:
    root = "backbone.bottom_up"
    # Pixels minus their mean have a spread of about 60.
    yield f"{root}.stem.conv1.weight", w.conv(64, 3, 7) / 60
    yield from w.batch_norm(f"{root}.stem.conv1.norm", 64, counted=False)
    inputs = 64
    for stage, blocks in enumerate(BLOCKS[depth], 2):
        width = 64 << (stage - 2)
        for k in range(blocks):
            block = f"{root}.res{stage}.{k}"
            if k == 0:
                yield f"{block}.shortcut.weight", w.conv(4 * width, inputs, 1, gain=1.0)
                yield from w.batch_norm(f"{block}.shortcut.norm", 4 * width, counted=False)
            for conv, (outputs, ins, kernel) in enumerate(
                ((width, inputs, 1), (width, width, 3), (4 * width, width, 1)), 1
            ):
                yield f"{block}.conv{conv}.weight", w.conv(outputs, ins, kernel)
                # A residual branch is weakened, or the sum would grow with depth.
                yield from w.batch_norm(
                    f"{block}.conv{conv}.norm", outputs, scale=0.3 if conv == 3 else 1, counted=False
                )
            inputs = 4 * width


def _fpn(w: Weights, out: int) -> Entries:
    for level, channels in ((3, 512), (4, 1024), (5, 2048)):
        yield f"backbone.fpn_lateral{level}.weight", w.conv(out, channels, 1, gain=1.0)
        yield f"backbone.fpn_lateral{level}.bias", w.normal(out, std=0.1)
        yield f"backbone.fpn_output{level}.weight", w.conv(out, out, 3, gain=1.0)
        yield f"backbone.fpn_output{level}.bias", w.normal(out, std=0.1)
    for name in ("p6", "p7"):
        yield f"backbone.top_block.{name}.weight", w.conv(out, out, 3, gain=1.0)
        yield f"backbone.top_block.{name}.bias", w.normal(out, std=0.1)


def _tower(w: Weights, name: str, widths: Widths) -> Entries:
    for i in range(widths.convs):
        yield f"{HEAD}.{name}.{3 * i}.weight", w.conv(widths.fpn, widths.fpn, 3)
        yield f"{HEAD}.{name}.{3 * i}.bias", w.normal(widths.fpn, std=0.1)
        yield from w.norm(f"{HEAD}.{name}.{3 * i + 1}", widths.fpn)


def _fcos(w: Weights, num_classes: int, widths: Widths) -> Entries:
    yield from _tower(w, "cls_tower", widths)
    yield from _tower(w, "bbox_tower", widths)
    yield from _predictions(w, HEAD, widths.fpn, num_classes, class_bias=-7.2, centerness="ctrness").items()
    for level in range(LEVELS):
        yield f"{HEAD}.scales.{level}.scale", w.uniform(1, low=0.9, high=1.1)
    yield from zip(("controller.weight", "controller.bias"), _controller(w, widths.fpn), strict=True)


def _predictions(
    w: Weights, head: str, channels: int, num_classes: int, *, class_bias: float, centerness: str = "centerness"
) -> dict[str, Tensor]:
    """Rare classes, a generous centerness, boxes that reach about three strides to each side."""
    unit = math.sqrt(2 / (channels * 9))  # makes an output of variance about 1
    return {
        f"{head}.cls_logits.weight": _zero_sum(w.normal(num_classes, channels, 3, 3, std=1.6 * unit)),
        f"{head}.cls_logits.bias": w.normal(num_classes, mean=class_bias, std=0.3),
        f"{head}.bbox_pred.weight": _zero_sum(w.normal(4, channels, 3, 3, std=unit)),
        f"{head}.bbox_pred.bias": w.normal(4, mean=3.0, std=0.3),
        f"{head}.{centerness}.weight": _zero_sum(w.normal(1, channels, 3, 3, std=unit)),
        f"{head}.{centerness}.bias": w.normal(1, mean=1.0, std=0.1),
    }


def _controller(w: Weights, channels: int) -> tuple[Tensor, Tensor]:
    """Weight and bias: each location varies one common mask network, which draws a soft diamond with a textured edge.

    Its first four units are relu(+-rel_x) and relu(+-rel_y), the other four look at the mask features.
    """
    first, second, last = torch.zeros(8, 10), torch.eye(8), torch.zeros(1, 8)
    for unit, (axis, sign) in enumerate(((0, 1), (0, -1), (1, 1), (1, -1))):
        first[unit, axis] = sign
    first[4:, 2:] = w.normal(4, 8, std=0.35)
    last[0, :4] = -1.5
    last[0, 4:] = torch.tensor([1.0, -1.0, 1.0, -1.0])
    biases = torch.cat([torch.zeros(16), torch.full((1,), 1.5)])
    common = torch.cat([first.flatten(), second.flatten(), last.flatten(), biases])
    spread = 0.15 * math.sqrt(2 / (channels * 9))
    return _zero_sum(w.normal(MASK_PARAMS, channels, 3, 3, std=spread)), common + w.normal(MASK_PARAMS, std=0.05)


def _zero_sum(weight: Tensor) -> Tensor:
    """Without the response to the common mean of ReLU outputs, so that outputs differ from place to place."""
    return weight - weight.mean(dim=(1, 2, 3), keepdim=True)


def _mask_branch(w: Weights, widths: Widths) -> Entries:
    for i in range(3):
        yield f"mask_branch.refine.{i}.0.weight", w.conv(widths.mask, widths.fpn, 3)
        yield from w.batch_norm(f"mask_branch.refine.{i}.1", widths.mask)
    for i in range(widths.convs):
        yield f"mask_branch.tower.{i}.0.weight", _zero_sum(w.conv(widths.mask, widths.mask, 3))
        yield from w.batch_norm(f"mask_branch.tower.{i}.1", widths.mask)
    yield f"mask_branch.tower.{widths.convs}.weight", _zero_sum(w.conv(8, widths.mask, 1, gain=1.0))
    yield f"mask_branch.tower.{widths.convs}.bias", w.normal(8, std=0.1)


def _semantic(w: Weights, num_classes: int) -> Entries:
    for i, inputs in enumerate((256, 128)):
        yield f"mask_branch.seg_head.{i}.0.weight", w.conv(128, inputs, 3)
        yield from w.batch_norm(f"mask_branch.seg_head.{i}.1", 128)
    yield "mask_branch.logits.weight", w.conv(num_classes, 128, 1)
    yield "mask_branch.logits.bias", w.normal(num_classes, std=0.1)
