"""A pair of views small enough to check losses on: two discs and a square that move, one of them in one frame only."""

from __future__ import annotations

import numpy as np
import torch

from stc.model.config import STC_LITE, ModelConfig
from stc.model.decode import RawOutputs
from stc.training.config import TrainConfig
from stc.training.data.views import View
from stc.training.losses.targets import Batch, collate
from tests.training.conftest import blob

MODEL = STC_LITE.with_(input_size=(64, 96), classes=("disc", "square"), track_dim=6)
SIZE = MODEL.input_size
COLOURS = ((30, 30, 220), (220, 60, 20), (20, 200, 60))


def view(objects: list[tuple[str, float, float, float, int]], seed: int = 0) -> View:
    """objects: kind, x, y, radius, identity."""
    masks = [blob(kind, x, y, radius, SIZE) for kind, x, y, radius, _ in objects]
    picture = np.random.default_rng(seed).integers(90, 120, (*SIZE, 3), dtype=np.uint8)
    for mask, (*_, identity) in zip(masks, objects, strict=True):
        picture[mask] = COLOURS[identity % 3]
    stack = np.stack(masks) if masks else np.zeros((0, *SIZE), bool)
    return View(
        picture,
        stack,
        np.array([("disc", "square").index(kind) for kind, *_ in objects], dtype=np.int64),
        np.array([identity for *_, identity in objects], dtype=np.int64),
        stack.sum(axis=(1, 2)).astype(float),
        np.zeros(SIZE, bool),
    )


def pair_batch(config: TrainConfig, model: ModelConfig = MODEL) -> Batch:
    """Objects 7 and 8 are in both frames, 9 is in the second only."""
    key = view([("disc", 24, 30, 16, 7), ("square", 70, 30, 14, 8)])
    reference = view([("disc", 28, 34, 16, 7), ("square", 66, 26, 14, 8), ("disc", 48, 54, 7, 9)], seed=1)
    return collate([(key, reference)], model, config)


def random_outputs(model: ModelConfig = MODEL, seed: int = 0, views: int = 2) -> RawOutputs:
    """Predictions in float64 that need gradients, of the size of an untrained network's."""
    generator = torch.Generator().manual_seed(seed)
    height, width = model.padded_size
    shapes = [(-(-height // stride), -(-width // stride)) for stride in model.strides]

    def level(channels: int, shape: tuple[int, int], scale: float = 1.0) -> torch.Tensor:
        values = torch.randn(views, channels, *shape, generator=generator, dtype=torch.float64) * scale
        return values.requires_grad_()

    def levels(channels: int, scale: float = 1.0) -> list[torch.Tensor]:
        return [level(channels, shape, scale) for shape in shapes]

    ltrb = [(x.detach().abs() + 0.5).requires_grad_() for x in levels(4)]
    return RawOutputs(
        logits=levels(model.num_classes),
        ltrb=ltrb,
        centerness=levels(1),
        params=levels(model.num_mask_params, 0.3),
        embeddings=levels(model.track_dim) if model.track_dim else [],
        mask_feats=level(model.mask_channels, shapes[0]),
    )


def leaves(raw: RawOutputs) -> list[torch.Tensor]:
    return [*raw.logits, *raw.ltrb, *raw.centerness, *raw.params, *raw.embeddings, raw.mask_feats]
