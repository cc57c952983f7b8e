"""`stctrack`: finds and tracks objects in the frames that pass, tells of them, and leaves the pixels as they are."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from stc.runtime.gstreamer import gst_meta
from stc.runtime.gstreamer.gst import GObject, Gst, GstBase
from stc.runtime.gstreamer.gst_element import (
    explain_caps,
    get_property,
    guarded,
    layout_of,
    placed,
    set_property,
    templates,
)
from stc.runtime.gstreamer.layout import FORMATS
from stc.runtime.gstreamer.sessions import SESSIONS
from stc.runtime.gstreamer.settings import TrackSettings, properties
from stc.runtime.gstreamer.watched import Watched
from stc.runtime.video.sinks.jsonl import lines
from stc.runtime.zones import read_zones

log = logging.getLogger(__name__)
NO_TIME = Gst.CLOCK_TIME_NONE


class Track(GstBase.BaseTransform):  # type: ignore[misc]  # GStreamer's types are not known to mypy
    """Each frame that was looked at carries its JSON (`gst_meta`); the same goes to the bus and into `jsonl`."""

    __gtype_name__ = "StcTrack"  # elements without a name of their own are stctrack0, …
    __gstmetadata__ = ("stctrack", "Filter/Analyzer/Video", "Finds and tracks objects with masks", "stc")
    __gsttemplates__ = templates(FORMATS)
    __gproperties__ = properties(TrackSettings, GObject.ParamFlags.READWRITE)

    def __init__(self) -> None:
        super().__init__()
        self._set = dict(vars(TrackSettings()))
        self._open = ExitStack()
        explain_caps(self, FORMATS)

    def do_get_property(self, prop: Any) -> Any:
        return get_property(self._set, prop)

    def do_set_property(self, prop: Any, value: Any) -> None:
        set_property(self._set, prop, value)

    @guarded(False)
    def do_start(self) -> bool:
        self._settings = settings = TrackSettings(**self._set).read()
        zones = read_zones(Path(settings.zones)) if settings.zones else ()
        with ExitStack() as opened:
            session = opened.enter_context(SESSIONS.borrowed(settings.loading))
            self._watched = Watched(session, settings, zones, self.get_name())
            opened.callback(self._watched.close)
            self._lines = opened.enter_context(lines(Path(settings.jsonl))) if settings.jsonl else None
            self._open = opened.pop_all()
        return True

    @guarded(False)
    def do_stop(self) -> bool:
        self._open.close()
        return True

    @guarded(False)
    def do_set_caps(self, caps: Any, _: Any) -> bool:
        self._layout, fps = layout_of(caps)
        self._watched.at_rate(fps)
        return True

    @guarded(False)
    def do_sink_event(self, event: Any) -> bool:
        if event.type == Gst.EventType.FLUSH_STOP:
            self._watched.cut()
        return bool(GstBase.BaseTransform.do_sink_event(self, event))

    @guarded(Gst.FlowReturn.ERROR)
    def do_transform_ip(self, buffer: Any) -> Any:
        text = self._look(buffer) if self._is_shown(buffer) else None
        if text is not None:
            gst_meta.attach(buffer, text)
            if self._lines is not None:
                self._lines(text)
            if self._settings.post_messages:
                self.post_message(gst_meta.message(self, text))
        return Gst.FlowReturn.OK

    def _look(self, buffer: Any) -> str | None:
        """The frame is a view, and gone before its buffer is unmapped."""
        layout = placed(self._layout, buffer)
        with buffer.map(Gst.MapFlags.READ) as mapped:
            return self._watched(lambda: layout.frame(mapped.data), self._time_of(buffer))

    def _is_shown(self, buffer: Any) -> bool:
        """Not so what a decoder needs before the place that was sought."""
        pts = buffer.pts
        return bool(pts == NO_TIME or self.segment.clip(Gst.Format.TIME, pts, pts)[0])

    def _time_of(self, buffer: Any) -> float | None:
        """Where the frame is in its video, seconds; played backwards, when it is shown: a tracker's time must grow."""
        if buffer.pts == NO_TIME:
            return None
        segment = self.segment
        where = segment.to_stream_time if segment.rate > 0 else segment.to_running_time
        found = where(Gst.Format.TIME, buffer.pts)
        return None if found == NO_TIME else found / Gst.SECOND


GObject.type_register(Track)
