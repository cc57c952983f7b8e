"""What the rest of the product asks of a backbone: features at three strides, and how weight files name them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from stc.model.config import ModelConfig


class BackboneNetwork(nn.Module):
    """images (B, 3, H, W), H and W multiples of 32 -> C2, C3, C4, C5 at strides 4, 8, 16, 32."""

    def early(self) -> list[nn.Module]:
        """The layers up to stride 4, which fine-tuning leaves as they are."""
        raise NotImplementedError


@dataclass(frozen=True)
class ImageNet:
    """How one code base names the weights of a bare backbone that was trained to classify.

    `mark`: how a name starts that only its files have. `rename`: their name to ours below `backbone.`, None where the
    network has no such weight. `ignored`: a pattern, matched from the start, of weights that only classifying needs.
    `style`: the strides and pixels it was trained with, where its names tell.
    """

    source: str
    mark: str
    rename: Callable[[str], str | None]
    ignored: str
    style: Literal["msra", "torchvision"] | None = None


@dataclass(frozen=True)
class Backbone:
    """One choice of `ModelConfig.backbone`.

    `channels` of C2 to C5. `parts`: its attributes that hold weights, the first words of its weights' names. `mark`:
    a pattern, matched from the start, of names (`backbone.` left out) that only this one has. `styled`: whether weights
    of it come in several strides, pixels and decode rules, so that `--backbone-style` and `--decode-rule` apply.
    `part_of`: the backbone that this is the beginning of, whose ImageNet weights serve here.
    """

    name: str
    build: Callable[[ModelConfig], BackboneNetwork]
    channels: tuple[int, int, int, int]
    parts: tuple[str, ...]
    mark: str
    imagenet: tuple[ImageNet, ...] = ()
    styled: bool = False
    part_of: str | None = None
