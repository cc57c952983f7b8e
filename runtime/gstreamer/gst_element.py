"""What both elements have in common: pads, properties, the layout of their caps, and errors that reach the bus."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from stc.boundary import reason
from stc.cli import not_installed
from stc.errors import InputError, StcError
from stc.runtime.gstreamer.gst import GLib, Gst, GstVideo
from stc.runtime.gstreamer.layout import Format, Layout

Method = TypeVar("Method", bound=Callable[..., Any])


def guarded(failed: Any) -> Callable[[Method], Method]:
    """An element's method whose errors are the element's: posted on the bus, in our words; it then returns `failed`.

    Out of Python, PyGObject would print a traceback and go on as if nothing had happened.
    """

    def wrapped(method: Method) -> Method:
        @functools.wraps(method)
        def call(self: Any, *arguments: Any) -> Any:
            try:
                return method(self, *arguments)
            except Exception as error:  # also a fault of ours: the pipeline must not go on without it
                refuse(self, *_words(error))
                return failed

        return cast(Method, call)

    return wrapped


def _words(error: Exception) -> tuple[str, str]:
    """What to tell, and details, which a fault of ours alone has."""
    if isinstance(error, StcError):
        return str(error), ""
    if isinstance(error, ModuleNotFoundError) and (missing := not_installed(error)):
        return missing, ""
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {reason(error)}; check paths and free space with: df -h", ""
    return f"a fault of stc ({reason(error)}); report it with the details beside this", traceback.format_exc()


def refuse(element: Any, words: str, details: str = "") -> None:
    """End the pipeline with an error message of `element` that says `words`."""
    error = GLib.Error.new_literal(Gst.StreamError.quark(), words, Gst.StreamError.FAILED)
    element.post_message(Gst.Message.new_error(element, error, details))


def templates(formats: Sequence[Format]) -> tuple[Any, Any]:
    """Pads for raw video in these formats, in the memory of the CPU."""
    caps = Gst.Caps.from_string(f"video/x-raw,format={{{','.join(formats)}}}")
    ends = (("sink", Gst.PadDirection.SINK), ("src", Gst.PadDirection.SRC))
    sink, source = (Gst.PadTemplate.new(name, way, Gst.PadPresence.ALWAYS, caps) for name, way in ends)
    return sink, source


def explain_caps(element: Any, formats: Sequence[Format]) -> None:
    """Have caps that `element` does not take told of in its own words; GStreamer says "not-negotiated" alone."""
    taken = element.sinkpad.get_pad_template_caps()

    def look(pad: Any, info: Any) -> Any:
        event = info.get_event()
        if event.type == Gst.EventType.CAPS and not (caps := event.parse_caps()).can_intersect(taken):
            refuse(element, f"takes raw video as {', '.join(formats)}; got {_found(caps)}")
        return Gst.PadProbeReturn.OK

    element.sinkpad.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, look)


def _found(caps: Any) -> str:
    """What the caps are, and which element makes others of them."""
    structure, memory = caps.get_structure(0), caps.get_features(0)
    format = structure.get_string("format")
    name = structure.get_name() + (f" {format}" if format else "")
    if memory is not None and not memory.is_equal(Gst.CapsFeatures.from_string("memory:SystemMemory")):
        return f"{name} in {memory.to_string()}; put before it what brings that to the CPU: cudadownload, vapostproc, …"
    return f"{name}; put before it: {'videoconvert' if structure.get_name() == 'video/x-raw' else 'decodebin'}"


def layout_of(caps: Any) -> tuple[Layout, float]:
    """How frames with these caps lie in memory, and how many there are in a second (0: not known)."""
    info = GstVideo.VideoInfo.new_from_caps(caps)
    if info is None:
        raise InputError(f"caps that are no raw video: {caps.to_string()}; put before it: videoconvert")
    planes = info.finfo.n_planes
    modern = info.colorimetry.matrix in (GstVideo.VideoColorMatrix.BT709, GstVideo.VideoColorMatrix.BT2020)
    layout = Layout(
        caps.get_structure(0).get_string("format"),
        (info.height, info.width),
        tuple(info.stride[:planes]),
        tuple(info.offset[:planes]),
        "bt709" if modern else "bt601",
        info.colorimetry.range == getattr(GstVideo.VideoColorRange, "0_255"),
    )
    return layout, info.fps_n / info.fps_d if info.fps_d else 0.0


def placed(layout: Layout, buffer: Any) -> Layout:
    """The layout of one buffer, which may say itself where its planes are, as those of decoders and cameras do."""
    meta = GstVideo.buffer_get_video_meta(buffer)
    if meta is None:
        return layout
    planes = len(layout.strides)
    return Layout(
        layout.format, layout.size, tuple(meta.stride[:planes]), tuple(meta.offset[:planes]), layout.matrix,
        layout.full_range,
    )  # fmt: skip


def get_property(settings: dict[str, Any], prop: Any) -> Any:
    return settings[_field(prop)]


def set_property(settings: dict[str, Any], prop: Any, value: Any) -> None:
    """None, as text, is empty."""
    settings[_field(prop)] = "" if value is None else value


def _field(prop: Any) -> str:
    return str(prop.name).replace("-", "_")
