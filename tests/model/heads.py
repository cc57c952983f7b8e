"""Random head outputs, and what of a decode must equal a statement of it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from stc.model.config import ModelConfig
from stc.model.decode import Decoded, RawOutputs
from tests.reference.condinst import Detections

CONFIG = ModelConfig(classes=tuple("abcde"), track_dim=6)
LEVELS = ((12, 20), (6, 10), (3, 5), (2, 3), (1, 2))  # a 96x160 input


def random_raw(
    seed: int, *, batch: int = 2, mean: float = -3.0, reach: float = 2.0, embeddings: bool = True
) -> RawOutputs:
    """Head outputs in float64. `mean` of the logits sets how many candidates there are, `reach` how large boxes are."""
    g = torch.Generator().manual_seed(seed)

    def normal(channels: int, scale: float = 1.0, shift: float = 0.0) -> list[Tensor]:
        shape = (batch, channels)
        return [torch.randn(*shape, h, w, generator=g, dtype=torch.float64) * scale + shift for h, w in LEVELS]

    return RawOutputs(
        logits=normal(CONFIG.num_classes, 2, mean),
        centerness=normal(1, 1, 1),
        ltrb=[level.relu() for level in normal(4, 0.5 * reach, reach)],
        params=normal(CONFIG.num_mask_params),
        embeddings=normal(CONFIG.track_dim) if embeddings else [],
        mask_feats=torch.zeros(batch, 8, 12, 20, dtype=torch.float64),
    )


def coarse_raw(seed: int, *, mean: float) -> RawOutputs:
    """Float32, scores of few values and boxes on a lattice: many exact ties of score and of overlap."""
    raw = random_raw(seed, mean=mean)
    return RawOutputs(
        logits=[(level * 0.5).round().float() for level in raw.logits],
        centerness=[torch.full_like(level, 2.0).float() for level in raw.centerness],
        ltrb=[level.round().float() for level in raw.ltrb],
        params=[level.float() for level in raw.params],
        embeddings=[level.float() for level in raw.embeddings],
        mask_feats=raw.mask_feats.float(),
    )


def assert_same(found: Decoded, image: int, expected: Detections, tolerance: float = 1e-12) -> None:
    """Same detections in the same order, and nothing beyond the count."""
    count = int(found.count[image])
    assert count == len(expected)
    assert found.labels[image, :count].tolist() == expected.labels.tolist()
    for name in ("boxes", "scores", "params", "locations", "sizes", "embeddings"):
        values = getattr(found, name)
        if values is not None:
            difference = np.abs(np.asarray(values[image, :count], dtype=np.float64) - getattr(expected, name))
            assert difference.max(initial=0) <= tolerance, name
    assert (found.labels[image, count:] == -1).all()
    for rest in (found.boxes, found.scores, found.params, found.locations):
        assert not rest[image, count:].any()
