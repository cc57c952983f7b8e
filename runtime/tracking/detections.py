"""The detections of one frame: what the tracker sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import IncompatibleError
from stc.runtime.letterbox import Letterbox
from stc.runtime.masks.containment import Containment


@dataclass(frozen=True, eq=False)
class Detections:
    """n detections, in any order.

    `boxes` float32 (n, 4) xyxy frame pixels, `scores` float32 (n,) in 0..1, `labels` int64 (n,) class indices,
    `embeddings` float32 (n, D), not normalised; D = 0 for a model without tracking head. `masks` probabilities
    (n, Hm, Wm), which only the tracker rule "idol" looks at; else None. `appearance` float32 (n, C): the mean of C3
    under the own mask, None for a model that gives none. `containment` tells the default rule which masks lie inside
    each other; without it the rule goes by boxes alone.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    embeddings: NDArray[np.float32]
    masks: NDArray[Any] | None = None
    appearance: NDArray[np.float32] | None = None
    containment: Containment | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: NDArray[Any]) -> Detections:
        masks = None if self.masks is None else self.masks[index]
        look = None if self.appearance is None else self.appearance[index]
        inside = None if self.containment is None else self.containment[index]
        return Detections(
            self.boxes[index], self.scores[index], self.labels[index], self.embeddings[index], masks, look, inside
        )


def select(
    outputs: dict[str, NDArray[Any]],
    row: int,
    letterbox: Letterbox,
    score_threshold: float,
    wanted: NDArray[np.bool_],
) -> tuple[Detections, NDArray[Any]]:
    """Picture `row` of a batch of graph outputs: its detections in frame pixels, their mask probabilities (n, Hm, Wm).

    Keeps the graph's order (by score). Detections below `score_threshold`, of classes not in `wanted` (bool, one per
    class), or whose box is empty after clipping to the frame are dropped. Raises IncompatibleError for a label beyond
    the classes.
    """
    count = int(outputs["num_detections"][row])
    labels = outputs["labels"][row, :count].astype(np.int64)
    if count and not 0 <= labels.min() <= labels.max() < len(wanted):
        raise IncompatibleError(
            f"the model gave labels {labels.min()}..{labels.max()}, its passport lists {len(wanted)} classes; "
            "re-export with: stc-export --ckpt FILE"
        )
    scores = outputs["scores"][row, :count]
    boxes = letterbox.to_frame(outputs["boxes"][row, :count])
    rows = kept(boxes, scores, score_threshold)
    rows = rows[wanted[labels[rows]]]
    embeddings = outputs["embeddings"][row, rows] if "embeddings" in outputs else np.empty((len(rows), 0), np.float32)
    look = outputs["appearance"][row, rows] if "appearance" in outputs else None
    found = Detections(boxes[rows], scores[rows], labels[rows], embeddings, appearance=look)
    return found, outputs["masks"][row, rows]


def kept(boxes: NDArray[np.float32], scores: NDArray[np.float32], score_threshold: float) -> NDArray[np.intp]:
    """Rows of boxes (n, 4) xyxy, clipped to the frame, that are not empty and whose score reaches the threshold."""
    # Comparisons with NaN are false, so a broken row is dropped here too; an infinite score is as broken.
    filled = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return np.flatnonzero(filled & (scores >= score_threshold) & np.isfinite(scores))
