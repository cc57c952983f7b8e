"""What a stream gives for one frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import MissingDependencyError
from stc.runtime.masks.masks import Masks
from stc.runtime.tracking.tracker import TrackEvent


@dataclass(frozen=True, eq=False)
class Result:
    """n objects of one frame, best score first.

    Attributes:
        boxes: float32 (n, 4), xyxy frame pixels, inside the frame, never empty.
        scores: float32 (n,), 0..1.
        labels: int64 (n,), indices into `classes`: this frame's opinion; vote over a track for a steady one.
        track_ids: int64 (n,), from 1, unique in a frame; -1 while the track is not confirmed.
        handles: int64 (n,), name of the tracklet from its first detection on, confirmed or not; -1 for a detection
            that belongs to none (its score is too low to start one, or it is a duplicate of a better detection). An
            unconfirmed handle that is absent from one result never comes back.
        embeddings: float32 (n, D), not normalised; D = 0 without tracking head.
        masks: the masks of the n objects, computed when asked for.
        classes: names of all classes of the model.
        frame_size: (H0, W0) of the frame.
        time: presentation time in seconds.
        events: what happened to tracks in this frame.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    track_ids: NDArray[np.int64]
    handles: NDArray[np.int64]
    embeddings: NDArray[np.float32]
    masks: Masks
    classes: tuple[str, ...]
    frame_size: tuple[int, int]
    time: float
    events: tuple[TrackEvent, ...] = ()

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: Any) -> Result:
        """The objects at `index`: an integer (one object), a slice, a boolean or an integer array. Events stay."""
        chosen = np.atleast_1d(np.arange(len(self))[index])
        return replace(
            self,
            boxes=self.boxes[chosen],
            scores=self.scores[chosen],
            labels=self.labels[chosen],
            track_ids=self.track_ids[chosen],
            handles=self.handles[chosen],
            embeddings=self.embeddings[chosen],
            masks=self.masks[chosen],
        )

    def to_supervision(self) -> Any:
        """A `supervision.Detections`: full-frame masks, names in `data["class_name"]`, tracker id -1 where unconfirmed.

        Raises MissingDependencyError when supervision is not installed.
        """
        try:
            import supervision
        except ImportError as error:
            raise MissingDependencyError(
                "supervision is not installed; fix: pip install 'stc-trt[supervision]'"
            ) from error
        return supervision.Detections(
            xyxy=self.boxes,
            mask=self.masks.dense(),
            confidence=self.scores,
            class_id=self.labels,
            tracker_id=self.track_ids,
            data={"class_name": np.array([self.classes[label] for label in self.labels], dtype=np.str_)},
        )

    def to_coco(self, image_id: int) -> list[dict[str, Any]]:
        """COCO result records, ready for JSON: xywh boxes, compressed RLE, category ids from 1 in order of `classes`.

        `track_id` is an extra field, -1 while the track is not confirmed.
        """
        corners = self.boxes.astype(np.float64)
        sizes = corners[:, 2:] - corners[:, :2]
        return [
            {
                "image_id": image_id,
                "category_id": int(label) + 1,
                "bbox": [*corner.tolist(), *size.tolist()],
                "score": float(score),
                "segmentation": mask,
                "track_id": int(track_id),
            }
            for label, corner, size, score, mask, track_id in zip(
                self.labels, corners[:, :2], sizes, self.scores, self.masks.rle(), self.track_ids, strict=True
            )
        ]
