"""Which tracks crossed the zones of a video, which way, and how many are inside.

The rules are those of supervision's LineZone and PolygonZone, so that numbers can be compared; other than there, a
track that is not seen for a while keeps the side that it was on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime.tracking.tracker import TrackEvent
from stc.runtime.zones.zone import Zone


class Tracked(Protocol):
    """What is counted of a `Result`."""

    @property
    def boxes(self) -> NDArray[np.float32]: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def track_ids(self) -> NDArray[np.int64]: ...

    @property
    def events(self) -> tuple[TrackEvent, ...]: ...

    @property
    def time(self) -> float: ...


@dataclass(frozen=True)
class ZoneEvent:
    """A confirmed track came "in" or went "out", or "ended" inside an area. label: its class, None at its end."""

    kind: Literal["in", "out", "ended"]
    track_id: int
    label: str | None
    time: float


@dataclass(frozen=True)
class ZoneReport:
    """A zone after a frame: how many came in and went out since the start, tracks inside (an area), and what happened
    in this frame.
    """

    zone: Zone
    entered: int = 0
    left: int = 0
    inside: int = 0
    events: tuple[ZoneEvent, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it: `name`, `entered`, `left`, `inside` (None for a line) and `events`."""
        return {
            "name": self.zone.name,
            "entered": self.entered,
            "left": self.left,
            "inside": None if self.zone.is_line else self.inside,
            "events": [{**asdict(event), "time": round(event.time, 6)} for event in self.events],
        }


class Zones:
    """The zones of one video, and where its tracks are. One thread at a time."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        """Raises InputError where two have one name."""
        names = [zone.name for zone in zones]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(f"zones of one name: {', '.join(map(repr, twice))}")
        self._reports = [ZoneReport(zone) for zone in zones]
        self._sides: list[dict[int, bool]] = [{} for _ in zones]

    def update(self, result: Tracked) -> tuple[ZoneReport, ...]:
        """What the frame of `result` brings to each zone. Frames in the order of time.

        A track that was first seen inside an area came in there; the first side of a line is no crossing.
        """
        self._reports = [self._after(*each, result) for each in zip(self._reports, self._sides, strict=True)]
        return tuple(self._reports)

    def _after(self, report: ZoneReport, sides: dict[int, bool], result: Tracked) -> ZoneReport:
        zone, events = report.zone, []
        for track_id, name, side in zip(result.track_ids.tolist(), result.names, zone.sides(result.boxes), strict=True):
            before = sides.get(track_id, None if zone.is_line else False)
            if track_id < 0 or side is None:
                continue
            sides[track_id] = side
            if before is not None and before != side:
                events.append(ZoneEvent("in" if side else "out", track_id, name, result.time))
        ended = [event.track_id for event in result.events if event.kind == "ended"]
        left_inside = [track_id for track_id in ended if sides.pop(track_id, False) and not zone.is_line]
        events += [ZoneEvent("ended", track_id, None, result.time) for track_id in left_inside]
        kinds = [event.kind for event in events]
        return ZoneReport(
            zone,
            entered=report.entered + kinds.count("in"),
            left=report.left + kinds.count("out"),
            inside=0 if zone.is_line else sum(sides.values()),
            events=tuple(events),
        )
