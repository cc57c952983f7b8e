"""What `stctrack` tells of a frame, as one line of JSON, and what can be drawn of it again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stc.annotations.masks import decode
from stc.runtime.video.frame import Gap
from stc.runtime.video.sinks.jsonl import record
from stc.runtime.zones.count import ZoneReport
from stc.runtime.zones.zone import Zone

if TYPE_CHECKING:
    from stc.runtime.result import Result


@dataclass(frozen=True)
class Place:
    """A frame's place in its video: seconds, number from 0, and the name of the element that saw it."""

    time: float
    index: int
    source: str
    gaps: tuple[Gap, ...] = ()


def to_json(place: Place, result: Result) -> str:
    """The line that `stc-track --jsonl` writes of this frame, with what drawing needs besides: `frame_size` (H, W), and
    the `points` of each zone.
    """
    told = record(place, result) | {"frame_size": list(result.frame_size)}
    if result.zones:
        told["zones"] = [report.to_dict() | {"points": report.zone.points} for report in result.zones]
    return json.dumps(told, allow_nan=False)


@dataclass(frozen=True, eq=False)
class RunLengths:
    """Masks as JSON has them: COCO's compressed run lengths of frames of `size` (H, W)."""

    size: tuple[int, int]
    counts: tuple[str, ...]

    def __getitem__(self, index: NDArray[np.intp]) -> RunLengths:
        return RunLengths(self.size, tuple(self.counts[row] for row in index))

    def dense(self) -> NDArray[np.bool_]:
        """All pixels: bool (n, H, W)."""
        pixels = np.zeros((len(self.counts), *self.size), np.bool_)
        for target, counts in zip(pixels, self.counts, strict=True):
            target[:] = decode({"size": list(self.size), "counts": counts})
        return pixels


@dataclass(frozen=True, eq=False)
class Told:
    """The objects of a frame of `frame_size` (H, W), as `stc.runtime.drawing` takes them: arrays as in `Result`."""

    frame_size: tuple[int, int]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    names: tuple[str, ...]
    track_ids: NDArray[np.int64]
    masks: RunLengths
    zones: tuple[ZoneReport, ...] = field(default=())


def from_json(text: str) -> Told:
    """What `to_json` told."""
    told: dict[str, Any] = json.loads(text)
    objects = told["objects"]
    size = told["frame_size"][0], told["frame_size"][1]
    return Told(
        size,
        boxes=np.array([item["box"] for item in objects], np.float32).reshape(-1, 4),
        scores=np.array([item["score"] for item in objects], np.float32),
        names=tuple(item["label"] for item in objects),
        track_ids=np.array([item["track_id"] for item in objects], np.int64),
        masks=RunLengths(size, tuple(item["rle"]["counts"] for item in objects)),
        zones=tuple(map(_report, told.get("zones", ()))),
    )


def _report(zone: dict[str, Any]) -> ZoneReport:
    points = tuple((x, y) for x, y in zone["points"])
    return ZoneReport(Zone(zone["name"], points), zone["entered"], zone["left"], zone["inside"] or 0)
