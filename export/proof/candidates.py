"""All that a model might find in a frame: every pair of a cell and a class, before any of them is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stc.benchmarks.reference import FrameOutputs
from stc.model.appearance import mean_under_mask
from stc.model.config import ModelConfig
from stc.model.decode import cells, join_levels
from stc.model.mask_head import dynamic_mask_head
from stc.model.network import STC
from stc.model.normalise import normalise

Array = NDArray[Any]


@dataclass(frozen=True)
class Candidates:
    """Of the N cells of all levels and C classes, in the type of the model's weights.

    boxes: (N, 4) xyxy in input pixels. scores: (N, C). params: (N, P), locations: (N, 2), sizes: (N,), mask_feats: as
    the dynamic mask head takes them. embeddings: (N, D). c3: (1, C, h, w).
    """

    config: ModelConfig
    boxes: Tensor
    scores: Tensor
    params: Tensor
    embeddings: Tensor
    locations: Tensor
    sizes: Tensor
    mask_feats: Tensor
    c3: Tensor

    @classmethod
    def of(cls, model: STC, frame: Array) -> Candidates:
        """frame: uint8 (H, W, 3) BGR as it goes into the model."""
        config = model.config
        stages, raw = model.trace(normalise(torch.from_numpy(np.ascontiguousarray(frame))[None], config))
        logits, centerness, ltrb, params = (
            join_levels(levels)[0] for levels in (raw.logits, raw.centerness, raw.ltrb, raw.params)
        )
        shapes = [(level.shape[2], level.shape[3]) for level in raw.logits]
        points, strides, sizes = cells(shapes, config, logits.dtype)
        reach = ltrb * strides[:, None]
        boxes = torch.cat([points - reach[:, :2], points + reach[:, 2:]], dim=1)
        if config.clip_boxes:
            height, width = frame.shape[:2]
            boxes = boxes.clamp(min=0).minimum(boxes.new_tensor([width, height, width, height]))
        quality = logits.sigmoid() * centerness.sigmoid()
        scores = quality.sqrt() if config.score_form == "sqrt" else quality
        embeddings = join_levels(raw.embeddings)[0] if raw.embeddings else boxes[:, :0]
        return cls(config, boxes, scores, params, embeddings, points, sizes, raw.mask_feats, stages["c3"])

    def outputs(self, places: Array, labels: Array) -> FrameOutputs:
        """What the graph gives for the candidates at cells `places` (n,) of classes `labels` (n,)."""
        index = torch.from_numpy(places)
        head = self.mask_feats, self.params[None, index], self.locations[None, index], self.sizes[None, index]
        masks = dynamic_mask_head(*head, torch.tensor([len(places)], dtype=torch.int32), **self.config.mask_head)
        look = mean_under_mask(self.c3, *head, self.config)[0] if self.config.appearance else self.boxes[index, :0]
        return FrameOutputs(
            boxes=self.boxes[index].numpy(),
            scores=self.scores[index, torch.from_numpy(labels.astype(np.int64))].numpy(),
            labels=labels,
            embeddings=self.embeddings[index].numpy(),
            masks=masks[0].numpy(),
            appearance=look.numpy(),
        )

    def places(self, rows: FrameOutputs) -> Array:
        """(n,) the cells nearest to `rows`, by boxes and score: those that they came from, if they are this model's."""
        found = [self._distance(rows, row) for row in range(len(rows))]
        return np.array([int((near + scores).argmin()) for near, scores in found], np.int64)

    def same(self, rows: FrameOutputs, row: int, near: float, margin: float) -> int | None:
        """The cell with the box of `rows[row]`, to `near` pixels, and its score, to `margin`; None where there is
        none."""
        boxes, scores = self._distance(rows, row)
        place = int(torch.where(scores <= margin, boxes, torch.inf).argmin())
        return place if float(boxes[place]) <= near and float(scores[place]) <= margin else None

    def _distance(self, rows: FrameOutputs, row: int) -> tuple[Tensor, Tensor]:
        """(N,) pixels of the side that differs most, and (N,) difference of the score for the row's class."""
        boxes = (self.boxes - torch.from_numpy(rows.boxes[row])).abs().amax(dim=1)
        return boxes, (self.scores[:, int(rows.labels[row])] - float(rows.scores[row])).abs()
