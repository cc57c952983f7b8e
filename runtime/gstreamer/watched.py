"""A video on its way through an element: which of its frames are looked at, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stc.runtime.gstreamer.settings import TrackSettings
from stc.runtime.gstreamer.told import Place, to_json
from stc.runtime.letterbox import AnyFrame
from stc.runtime.result import Result
from stc.runtime.session import Session
from stc.runtime.stream import Stream
from stc.runtime.tracking.tracker import TrackEvent
from stc.runtime.zones import Zone, Zones


class Watched:
    """The frames of one pad, one thread at a time.

    At a cut, after a seek or when time goes back, all tracks end: what is where the video goes on may be anything. Ids
    go on behind those given, so that no id names two objects. Counts of zones go on too.
    """

    def __init__(self, session: Session, settings: TrackSettings, zones: Sequence[Zone], name: str) -> None:
        """Raises InputError for a score, class or zone that cannot be."""
        self._session, self._settings, self._name = session, settings, name
        self._zones = Zones(zones)
        self._fps = 30.0
        self._time: float | None = None
        self._seen = 0  # frames
        self._ids, self._handles = 0, 0  # given before the last cut
        self._ended: tuple[TrackEvent, ...] = ()
        self._stream = self._begin()

    def at_rate(self, fps: float) -> None:
        """Frames without a time are 1 / `fps` seconds apart from now on; 0 (not known) is 30."""
        self._fps = fps if fps > 0 else 30.0
        self._stream.fps = self._fps

    def cut(self) -> None:
        """What comes next does not follow what came before."""
        if self._time is None:
            return
        events = self._stream.close()
        self._ended = tuple(_renumbered(event, self._ids, self._handles) for event in events)
        self._ids, self._handles = self._given
        self._time = None
        self._stream = self._begin()

    def __call__(self, read: Callable[[], AnyFrame], time: float | None) -> str | None:
        """The JSON of the frame at `time` seconds (None: 1 / fps after the one before); None for one in between.

        `read` is called for those that are looked at. Raises InputError for what is no frame.
        """
        index, self._seen = self._seen, self._seen + 1
        if index % self._settings.every:
            return None
        if time is not None and self._time is not None and time < self._time:
            self.cut()
        result = self._numbered(self._stream(read(), time))
        self._time = result.time
        result = replace(result, zones=self._zones.update(result))
        return to_json(Place(result.time, index, self._name), result)

    def close(self) -> None:
        self._stream.close()

    def _begin(self) -> Stream:
        config, settings = self._session.tracker_config, self._settings
        stream = self._session.stream(
            self._name,
            self._fps,
            config if settings.rule is None else replace(config, rule=settings.rule),
            score_threshold=settings.least_score,
            classes=settings.wanted,
        )
        self._given = self._ids, self._handles
        return stream

    def _numbered(self, result: Result) -> Result:
        """With ids and handles behind those of before the cut, and with what ended there."""
        ended, self._ended = self._ended, ()
        events = (_renumbered(event, self._ids, self._handles) for event in result.events)
        result = replace(
            result,
            track_ids=_behind(result.track_ids, self._ids),
            handles=_behind(result.handles, self._handles),
            events=(*ended, *events),
        )
        ids, handles = self._given
        self._given = (
            max([ids, *result.track_ids.tolist(), *(event.track_id for event in result.events)]),
            max([handles, *(handle + 1 for handle in result.handles.tolist())]),
        )
        return result


def _behind(numbers: NDArray[np.int64], given: int) -> NDArray[np.int64]:
    """-1, none, stays."""
    return np.where(numbers < 0, numbers, numbers + given)


def _renumbered(event: TrackEvent, ids: int, handles: int) -> TrackEvent:
    return replace(event, track_id=event.track_id + ids, handle=event.handle + handles)
