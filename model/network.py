"""STC as a whole: the network, and the network with its decode as it is deployed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from stc.model.appearance import mean_under_mask
from stc.model.backbones import known as backbones
from stc.model.config import ModelConfig
from stc.model.decode import FrameSize, HeadOutputs, RawOutputs, TopK, decode, stable_top_k
from stc.model.head import Head
from stc.model.mask_head import dynamic_mask_head
from stc.model.normalise import normalise
from stc.model.pyramid import FPN, MaskBranch


class STC(nn.Module):
    """CondInst (arXiv 2003.05664) with a tracking tower beside the class and box towers (STC, arXiv 2202.03747)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        backbone = backbones.find(config.backbone)
        self.backbone = backbone.build(config)
        c2_channels, *channels = backbone.channels
        self.fpn = FPN(tuple(channels), config.fpn_channels, config.p6_from, len(config.strides))
        self.head = Head(config)
        self.mask_branch = MaskBranch(
            config.fpn_channels,
            config.mask_branch_channels,
            config.mask_branch_convs,
            config.mask_channels,
            c2_channels if config.mask_feats_stride < config.strides[0] else None,
        )

    def forward(self, images: Tensor, embed: bool = True) -> RawOutputs:
        """images: (B, 3, Hp, Wp), normalised, Hp and Wp multiples of 32. Computes in the dtype of the weights.

        embed: compute the embeddings of a model that has a tracking head; training without them leaves them out.
        """
        return self.trace(images, embed)[1]

    def trace(self, images: Tensor, embed: bool = True) -> tuple[dict[str, Tensor], RawOutputs]:
        """`forward`, with the backbone's C3 to C5 and the pyramid's P3 to P7 by name, for comparison stage by stage."""
        stages, pyramid, c2 = pyramid_of(images, self.backbone, self.fpn)
        return stages, RawOutputs(**self.head(pyramid, embed), mask_feats=self.mask_branch(pyramid, c2))


def pyramid_of(images: Tensor, backbone: nn.Module, fpn: FPN) -> tuple[dict[str, Tensor], list[Tensor], Tensor]:
    """Of images (B, 3, Hp, Wp): C3 to C5 and the pyramid by name, the pyramid, and C2; in the dtype of the weights."""
    features = backbone(images.to(fpn.p6.weight.dtype))
    pyramid = fpn(features[1:])
    stages = {f"c{level}": feature for level, feature in enumerate(features[1:], 3)}
    stages |= {f"p{level}": feature for level, feature in enumerate(pyramid, 3)}
    return stages, pyramid, features[0]


class Deployable(Protocol):
    """What is deployed: an `STC`, or one that computes less (`stc.model.kept`)."""

    @property
    def config(self) -> ModelConfig: ...

    def trace(self, images: Tensor) -> tuple[dict[str, Tensor], HeadOutputs]: ...


class STCDeploy(nn.Module):
    """The graph contract: uint8 frames in, fixed-capacity detections with masks out.

    `mask_head` stands for the op `stc::DynamicMaskHead`; the export puts its own node there. `top_k` orders candidates.
    """

    def __init__(
        self, model: Deployable, mask_head: Callable[..., Tensor] = dynamic_mask_head, top_k: TopK = stable_top_k
    ) -> None:
        super().__init__()
        self.model = model
        self.mask_head = mask_head
        self.top_k = top_k

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """frames: uint8 (B, H, W, 3) BGR at the input size.

        Returns num_detections (B,) int32, boxes (B, K, 4) and scores (B, K) float32, labels (B, K) int32, masks (B,
        K, Hm, Wm) in the dtype of the weights, embeddings (B, K, D) float32 unless the model has no tracking head, and
        appearance (B, K, C) float32 where the config asks for it.
        """
        return self.trace(frames)[1]

    def trace(self, frames: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The intermediate tensors in the order of the computation, and the outputs of `forward`."""
        return self.detect(normalise(frames, self.model.config), (frames.shape[1], frames.shape[2]))

    def detect(self, images: Tensor, size: FrameSize) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """`trace`, from the normalised and padded images (B, 3, Hp, Wp); `size`: (H, W) of the frames in them."""
        config = self.model.config
        stages, raw = self.model.trace(images)
        found = decode(raw, config, self.top_k, size)
        masks = self.mask_head(
            raw.mask_feats,
            found.params,
            found.locations,
            found.sizes,
            found.count,
            **config.mask_head,
        )
        outputs = {
            "num_detections": found.count,
            "boxes": found.boxes,
            "scores": found.scores,
            "labels": found.labels,
            "masks": masks,
        }
        if found.embeddings is not None:
            outputs["embeddings"] = found.embeddings
        if config.appearance:
            means = mean_under_mask(stages["c3"], raw.mask_feats, found.params, found.locations, found.sizes, config)
            there = torch.arange(means.shape[1], device=means.device) < found.count[:, None]
            outputs["appearance"] = torch.where(there[..., None], means, 0)
        stages = {"images": images, **stages, "mask_feats": raw.mask_feats}
        return stages | raw.stages(found), outputs
