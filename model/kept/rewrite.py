"""An `STC` as it is deployed: mask parameters and embeddings are computed where something was found, and nowhere else.

The answer is the dense network's, to the rounding of its floating point type. Boxes and centerness, which read the same
map, become one convolution for each level, with the level's scale in its weights.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stc.model.config import ModelConfig
from stc.model.decode import Decoded, by_level
from stc.model.head import Head, Tower
from stc.model.kept.chain import ConvLayer, KeptChain
from stc.model.kept.cost import cheapest_start
from stc.model.kept.places import Places
from stc.model.network import STC, pyramid_of


@dataclass(frozen=True)
class KeptOutputs:
    """Like `RawOutputs`, but what only a detection needs is computed when its cell is asked for.

    box_features, track_features: (B, C, h, w) for each level, what the controller and the rest of the tracking tower
    read.
    """

    logits: list[Tensor]
    centerness: list[Tensor]
    ltrb: list[Tensor]
    mask_feats: Tensor
    box_features: list[Tensor]
    track_features: list[Tensor]
    head: KeptHead

    def at(self, cell: Tensor) -> tuple[Tensor, Tensor | None]:
        places = Places.of(cell, [(level.shape[2], level.shape[3]) for level in self.logits])
        params: Tensor = self.head.controller(self.box_features, places)
        track = self.head.track
        return params, None if track is None else track(self.track_features, places)

    def stages(self, found: Decoded) -> dict[str, Tensor]:
        everywhere = by_level(self, ("logits", "centerness", "ltrb"))
        return everywhere | {"cells": found.cells, "params": found.params}


class KeptSTC(nn.Module):
    """The rewrite of `model` for its config's input size and capacity; the parts that stay are shared with it.

    Batch norms of the parts that stay are folded later (`stc.model.fold`).
    """

    def __init__(self, model: STC) -> None:
        super().__init__()
        self.config = model.config
        self.backbone, self.fpn, self.mask_branch = model.backbone, model.fpn, model.mask_branch
        self.head = KeptHead(model.head, model.config)

    def trace(self, images: Tensor) -> tuple[dict[str, Tensor], KeptOutputs]:
        """See `STC.trace`."""
        stages, pyramid, c2 = pyramid_of(images, self.backbone, self.fpn)
        return stages, self.head(pyramid, self.mask_branch(pyramid, c2))


class KeptHead(nn.Module):
    """`Head`, with controller and the last layers of the tracking tower for chosen cells alone.

    A group norm takes its statistics of a whole level: what follows the last one is all that can be kept back.
    """

    def __init__(self, head: Head, config: ModelConfig) -> None:
        super().__init__()
        self.cls_tower, self.box_tower, self.cls_logits = head.cls_tower, head.box_tower, head.cls_logits
        self.box_preds = nn.ModuleList(_box_pred(head, scale) for scale in head.scales.tolist())
        self.controller = KeptChain([ConvLayer(head.controller, nn.Identity(), relu=False)])
        self.track: KeptChain | None = None
        if head.track_tower is not None:
            layers = [*ConvLayer.of_tower(head.track_tower), ConvLayer(head.track_pred, head.track_norm, relu=False)]
            first = 0 if config.head_norm == "batch" else len(layers) - 1
            start = cheapest_start([layer.size for layer in layers], first, _cells(config), config.max_detections)
            self.track_tower = _first(head.track_tower, start)
            self.track = KeptChain(layers[start:])

    def forward(self, pyramid: list[Tensor], mask_feats: Tensor) -> KeptOutputs:
        boxes = [self.box_tower(x, level) for level, x in enumerate(pyramid)]
        preds = [pred(x) for pred, x in zip(self.box_preds, boxes, strict=True)]
        track = [] if self.track is None else [self.track_tower(x, level) for level, x in enumerate(pyramid)]
        return KeptOutputs(
            logits=[self.cls_logits(self.cls_tower(x, level)) for level, x in enumerate(pyramid)],
            centerness=[pred[:, 4:] for pred in preds],
            ltrb=[pred[:, :4].relu() for pred in preds],
            mask_feats=mask_feats,
            box_features=boxes,
            track_features=track,
            head=self,
        )


def _box_pred(head: Head, scale: float) -> nn.Conv2d:
    """Distances times the level's scale, then centerness: 5 channels."""
    boxes, centerness = head.bbox_pred, head.centerness
    both = nn.Conv2d(boxes.in_channels, 5, boxes.kernel_size, padding=boxes.padding)  # type: ignore[arg-type]
    assert boxes.bias is not None
    assert centerness.bias is not None
    assert both.bias is not None
    both.to(boxes.weight.dtype)
    with torch.no_grad():
        both.weight.copy_(torch.cat([boxes.weight.double() * scale, centerness.weight]))
        both.bias.copy_(torch.cat([boxes.bias.double() * scale, centerness.bias]))
    return both.requires_grad_(False)


def _first(tower: Tower, count: int) -> Tower:
    """A tower of the first layers of `tower`."""
    first = copy.deepcopy(tower)
    first.convs, first.norms = first.convs[:count], first.norms[:count]
    return first


def _cells(config: ModelConfig) -> int:
    """Of all levels, for frames of `input_size`."""
    height, width = config.padded_size
    return sum(-(-height // stride) * -(-width // stride) for stride in config.strides)
