"""`stcoverlay`: draws what `stctrack` found into the frames that pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stc.errors import InputError
from stc.runtime.drawing.trails import Point, Trails
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
from stc.runtime.gstreamer.layout import PACKED
from stc.runtime.gstreamer.settings import OverlaySettings, properties
from stc.runtime.gstreamer.told import Told, from_json


class Overlay(GstBase.BaseTransform):  # type: ignore[misc]  # GStreamer's types are not known to mypy
    """A frame that was not looked at (`every`) shows what was found last."""

    __gtype_name__ = "StcOverlay"
    __gstmetadata__ = ("stcoverlay", "Filter/Effect/Video", "Draws the objects that stctrack found", "stc")
    __gsttemplates__ = templates(PACKED)
    __gproperties__ = properties(OverlaySettings, GObject.ParamFlags.READWRITE)

    def __init__(self) -> None:
        super().__init__()
        self._set = dict(vars(OverlaySettings()))
        self._last: Told | None = None
        self._style = OverlaySettings().style
        self._paths: Mapping[int, Sequence[Point]] = {}
        self._trails = Trails(0)
        explain_caps(self, PACKED)

    def do_get_property(self, prop: Any) -> Any:
        return get_property(self._set, prop)

    def do_set_property(self, prop: Any, value: Any) -> None:
        set_property(self._set, prop, value)

    @guarded(False)
    def do_start(self) -> bool:
        from stc.runtime.drawing.draw import annotate  # what is not installed is said before the first frame

        self._annotate = annotate
        self._style = OverlaySettings(**self._set).style
        self._forget()
        return True

    @guarded(False)
    def do_set_caps(self, caps: Any, _: Any) -> bool:
        self._layout = layout_of(caps)[0]
        self._forget()
        return True

    @guarded(False)
    def do_sink_event(self, event: Any) -> bool:
        if event.type == Gst.EventType.FLUSH_STOP:
            self._forget()
        return bool(GstBase.BaseTransform.do_sink_event(self, event))

    @guarded(Gst.FlowReturn.ERROR)
    def do_transform_ip(self, buffer: Any) -> Any:
        text = gst_meta.attached(buffer)
        if text is not None:
            self._last = from_json(text)
            self._paths = self._trails.update(self._last)
        if self._last is not None:
            self._draw(buffer, self._last)
        return Gst.FlowReturn.OK

    def _forget(self) -> None:
        """What was found belongs to another part of the video, or to another video."""
        self._last, self._paths, self._trails = None, {}, Trails(self._style.trails)

    def _draw(self, buffer: Any, told: Told) -> None:
        layout = placed(self._layout, buffer)
        if told.frame_size != layout.size:
            (height, width), (other_h, other_w) = told.frame_size, layout.size
            raise InputError(
                f"objects found in frames of {width}x{height} do not fit on {other_w}x{other_h}; put stcoverlay before "
                "what scales or crops"
            )
        with buffer.map(Gst.MapFlags.READ | Gst.MapFlags.WRITE) as mapped:
            picture = layout.picture(mapped.data)
            picture[:] = self._annotate(picture, told, self._style, self._paths)
            del picture  # a view, gone before its buffer is unmapped


GObject.type_register(Overlay)
