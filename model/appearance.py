"""What an object looks like: the mean of C3 under its own mask, beside the embedding of its location.

C3 holds what pyramid levels have lost of an identity (texture, colour), and a mean over a mask needs no training.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import avg_pool2d

from stc.model.backbones import known as backbones
from stc.model.config import ModelConfig
from stc.model.layers import widen
from stc.model.mask_head import mask_logits


def appearance_dim(config: ModelConfig) -> int:
    """Length of an appearance: the channels of C3, or 0 for a model that gives none."""
    return backbones.find(config.backbone).channels[1] if config.appearance else 0


def mean_under_mask(
    c3: Tensor, mask_feats: Tensor, params: Tensor, locations: Tensor, sizes: Tensor, config: ModelConfig
) -> Tensor:
    """For each of K instances sum(w c3) / sum(w) over the cells of C3, w = p²: (B, K, C), in float32 at least.

    c3: (B, C, h, w). p: the probability of the instance's mask at the centre of a cell, by its filters on mask_feats at
    the stride of C3 (finer ones are averaged over a cell). Squared, the faint probabilities of a whole background weigh
    less than a small object, which a threshold might leave without a cell. The other arguments are those of
    `mask_logits`.

    The filters run a second time, on the coarse grid, so that the op stays the last node of a graph: where a native
    library or a plugin computes it, for valid rows alone, nothing waits for its masks.
    """
    stride = config.strides[0]
    if config.mask_feats_stride < stride:
        mask_feats = avg_pool2d(mask_feats, stride // config.mask_feats_stride)
    logits = mask_logits(
        mask_feats,
        params,
        locations,
        sizes,
        channels=config.mask_channels,
        layers=config.mask_layers,
        stride=stride,
        upsample=1,
    )
    weights = logits.flatten(2).sigmoid().square()
    shares = weights / weights.sum(dim=2, keepdim=True).clamp(min=1e-6)  # each a number that float16 rounds little
    mean: Tensor = shares @ widen(c3, "appearance").flatten(2).transpose(1, 2)
    return mean
