"""The part of preprocessing that belongs to the graph: colour order, normalisation, padding to 32."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from stc.model.config import DIVISOR, ModelConfig
from stc.model.layers import widen


def normalise(frames: Tensor, config: ModelConfig) -> Tensor:
    """uint8 (B, H, W, 3) BGR -> float32 (B, 3, Hp, Wp), zero-padded right and bottom after normalising."""
    images = widen(frames, "normalise").permute(0, 3, 1, 2)  # in this order: TensorRT transposes no uint8
    if config.channel_order == "rgb":
        images = images.flip(1)
    mean = torch.tensor(config.pixel_mean, device=frames.device).view(3, 1, 1)
    std = torch.tensor(config.pixel_std, device=frames.device).view(3, 1, 1)
    images = (images - mean) / std
    height, width = frames.shape[1:3]
    right, bottom = -width % DIVISOR, -height % DIVISOR
    return pad(images, (0, right, 0, bottom)) if right or bottom else images
