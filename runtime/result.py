"""What a stream gives for one frame."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError, MissingDependencyError
from stc.runtime.frames.pillow import as_bgr
from stc.runtime.masks.masks import Masks
from stc.runtime.masks.pixel_buffer import PixelBuffer
from stc.runtime.objects import TrackedObject, number
from stc.runtime.tracking.tracker import TrackEvent

if TYPE_CHECKING:
    from stc.runtime.drawing.style import Style
    from stc.runtime.zones.count import ZoneReport


class HasImage(Protocol):
    """A `Frame` of `stc.runtime.video`."""

    @property
    def image(self) -> NDArray[np.uint8]: ...


@dataclass(frozen=True, eq=False)
class Result:
    """n objects of one frame, best score first. Iterating gives them one by one, as `TrackedObject`.

    Attributes:
        boxes: float32 (n, 4), xyxy frame pixels, inside the frame, never empty.
        scores: float32 (n,), 0..1.
        labels: int64 (n,), indices into `classes`: this frame's opinion.
        track_ids: int64 (n,), from 1, unique in a frame; -1 while the track is not confirmed.
        handles: int64 (n,), name of the tracklet from its first detection on, confirmed or not; -1 for a detection
            that belongs to none (its score is too low to start one, or it is a duplicate of a better detection). An
            unconfirmed handle that is absent from one result never comes back.
        ages: float64 (n,), seconds since the tracklet's first detection; 0 for a detection that belongs to none.
        voted: int64 (n,), indices into `classes`: what most frames of the tracklet say, weighted by their scores.
        embeddings: float32 (n, D), not normalised; D = 0 without tracking head.
        masks: the masks of the n objects, computed when asked for.
        classes: names of all classes of the model.
        frame_size: (H0, W0) of the frame.
        time: presentation time in seconds.
        events: what happened to tracks in this frame.
        appearance: float32 (n, C), the mean of C3 under the own mask; None where the model gives none.
        zones: lines and areas after this frame, where `stc.runtime.zones` counted.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    track_ids: NDArray[np.int64]
    handles: NDArray[np.int64]
    ages: NDArray[np.float64]
    voted: NDArray[np.int64]
    embeddings: NDArray[np.float32]
    masks: Masks
    classes: tuple[str, ...]
    frame_size: tuple[int, int]
    time: float
    events: tuple[TrackEvent, ...] = ()
    zones: tuple[ZoneReport, ...] = ()
    appearance: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: Any) -> Result:
        """The objects at `index`: an integer (one object), a slice, a boolean or an integer array; or those of a class,
        by its name. Events stay.

        Raises InputError for a name that is none of `classes`, IndexError beyond the objects.
        """
        if isinstance(index, str):
            if index not in self.classes:
                raise InputError(f"unknown class {index!r}; this model knows {', '.join(self.classes)}")
            index = np.array([name == index for name in self.names], np.bool_)
        chosen = np.atleast_1d(np.arange(len(self))[index])
        return replace(
            self,
            boxes=self.boxes[chosen],
            scores=self.scores[chosen],
            labels=self.labels[chosen],
            track_ids=self.track_ids[chosen],
            handles=self.handles[chosen],
            ages=self.ages[chosen],
            voted=self.voted[chosen],
            embeddings=self.embeddings[chosen],
            masks=self.masks[chosen],
            appearance=None if self.appearance is None else self.appearance[chosen],
        )

    def __iter__(self) -> Iterator[TrackedObject]:
        for i in range(len(self)):
            yield TrackedObject(
                box=self.boxes[i],
                score=float(self.scores[i]),
                label=int(self.labels[i]),
                name=self.classes[self.labels[i]],
                track_id=int(self.track_ids[i]),
                handle=int(self.handles[i]),
                age=float(self.ages[i]),
                embedding=self.embeddings[i],
                masks=self.masks[i],
                appearance=None if self.appearance is None else self.appearance[i],
            )

    def __repr__(self) -> str:
        height, width = self.frame_size
        return f"<Result at {self.time:.3f} s, {width}x{height}: {', '.join(map(repr, self)) or 'no objects'}>"

    def tracks(self) -> Result:
        """The confirmed objects, each of the class that its track has been voted to be: ids and names for a screen.

        for track in result.tracks():
            print(track.track_id, track.name, f"{track.age:.1f} s")
        """
        return replace(self, labels=self.voted)[self.track_ids >= 0]

    @property
    def names(self) -> tuple[str, ...]:
        """The class of each object, by name."""
        return tuple(self.classes[label] for label in self.labels)

    @property
    def xywh(self) -> NDArray[np.float32]:
        """Boxes as (left, top, width, height), float32 (n, 4), frame pixels, as COCO has them."""
        return np.concatenate([self.boxes[:, :2], self.boxes[:, 2:] - self.boxes[:, :2]], axis=1)

    @property
    def xyxyn(self) -> NDArray[np.float32]:
        """Boxes as shares of the frame's width and height: float32 (n, 4) in 0..1."""
        height, width = self.frame_size
        return np.asarray(self.boxes / np.array([width, height, width, height]), np.float32)

    def draw(self, frame: NDArray[np.uint8] | HasImage, style: Style | None = None) -> NDArray[np.uint8]:
        """A copy of `frame`, uint8 (H0, W0, 3) BGR or a `Frame`, with the confirmed objects in their tracks' colours.

        Raises InputError when `frame` is of another size.
        """
        from stc.runtime.drawing.draw import annotate
        from stc.runtime.drawing.style import Style

        return annotate(self._picture(frame), self, style or Style())

    def crop(self, frame: NDArray[np.uint8] | HasImage, *, masked: bool = False) -> list[NDArray[np.uint8]]:
        """The part of `frame` uint8 (H0, W0, 3) in each object's box: copies, at least one pixel wide and high.

        masked: pixels outside the object's mask are black. Raises InputError when `frame` is of another size.
        """
        picture = self._picture(frame)
        parts = []
        for item in self:
            left, top = np.floor(item.box[:2]).astype(int)
            right, bottom = np.ceil(item.box[2:]).astype(int)
            area = slice(top, bottom), slice(left, right)
            part = picture[area].copy()
            if masked:
                part[~item.mask[area]] = 0
            parts.append(part)
        return parts

    def save(self, path: str | Path, frame: NDArray[np.uint8] | HasImage, style: Style | None = None) -> None:
        """Write `draw(frame)` as a picture whose format the suffix names, whole or not at all.

        Raises InputError for an unknown suffix and where it cannot be written, and what `draw` raises.
        """
        from stc.files import write_bytes
        from stc.runtime.drawing.encode import encoded

        write_bytes(Path(path), encoded(self.draw(frame, style), Path(path)))

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it: `time` (s), `frame_size` (H0, W0), `objects` (`TrackedObject.to_dict`), `events`, and
        `zones` where there are some: each `name`, `entered`, `left`, `inside` and the `events` of this frame.
        """
        self.masks.rle()  # of all at once; each object's are taken from them
        told = {
            "time": number(self.time, 6),
            "frame_size": list(self.frame_size),
            "objects": [item.to_dict() for item in self],
            "events": [{**asdict(event), "time": number(event.time, 6)} for event in self.events],
        }
        return told | ({"zones": [report.to_dict() for report in self.zones]} if self.zones else {})

    def to_json(self) -> str:
        """`to_dict` as one line of JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with one row per object: the time of the frame, and `TrackedObject.to_dict` in columns.

        Raises MissingDependencyError when pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise MissingDependencyError("pandas is not installed; fix: pip install pandas") from error
        return pandas.DataFrame(self._columns())

    def to_polars(self) -> Any:
        """As `to_pandas`, a `polars.DataFrame`. Raises MissingDependencyError when polars is not installed."""
        try:
            import polars
        except ImportError as error:
            raise MissingDependencyError("polars is not installed; fix: pip install polars") from error
        return polars.DataFrame(self._columns())

    def _columns(self) -> dict[str, Any]:
        """Types are those of the arrays, so tables of frames without objects can be joined to others."""
        sides = dict(zip(("x0", "y0", "x1", "y1"), self.boxes.T, strict=True))
        return {
            "time": np.full(len(self), self.time),
            "track_id": self.track_ids,
            "handle": self.handles,
            "label": np.array(self.names, dtype=object),
            "score": self.scores,
            **sides,
            "area": self.masks.areas(),
            "rle": np.array([mask["counts"] for mask in self.masks.rle()], dtype=object),
        }

    def _picture(self, frame: NDArray[np.uint8] | HasImage) -> NDArray[np.uint8]:
        """The pixels of `frame`. Raises InputError unless they are of the size that this result is of."""
        frame = as_bgr(frame)
        picture = frame if isinstance(frame, np.ndarray) else getattr(frame, "image", None)
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.shape != (*self.frame_size, 3):
            found = f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(frame).__name__
            raise InputError(
                f"this result is of a frame uint8 {(*self.frame_size, 3)}; got {found}: give the one that it came from"
            )
        return picture

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
        pixels = self.masks.dense(into=PixelBuffer())
        pixels.flags.writeable = True  # of a buffer of their own: whoever gets them may change them
        return supervision.Detections(
            xyxy=self.boxes,
            mask=pixels,
            confidence=self.scores,
            class_id=self.labels,
            tracker_id=self.track_ids,
            data={"class_name": np.array(self.names, dtype=np.str_)},
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
