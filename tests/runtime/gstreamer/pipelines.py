"""Pipelines with what came over their bus: a plugin of the pytest that runs the files `in_*.py` (test_pipelines.py).

It is imported before all else, see there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stc.runtime.gstreamer.gst import Gst
from stc.runtime.gstreamer.gst_meta import NAME
from stc.runtime.gstreamer.gst_overlay import Overlay
from stc.runtime.gstreamer.gst_track import Track

PATIENCE = 30  # seconds: what does not come until then does not come


@dataclass
class Pipeline:
    """A running pipeline. told: the JSON of element messages so far; errors: texts and details; ended: by EOS."""

    gst: Any
    told: list[dict[str, Any]] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)
    ended: bool = False

    def __getitem__(self, name: str) -> Any:
        return self.gst.get_by_name(name)

    def listen(self, *, until: int | None = None) -> Pipeline:
        """Take messages until the end, an error, or so many frames were told of."""
        bus = self.gst.get_bus()
        while not (self.ended or self.errors or (until is not None and len(self.told) >= until)):
            message = bus.timed_pop(PATIENCE * Gst.SECOND)
            assert message is not None, f"nothing came for {PATIENCE} s; so far {len(self.told)} frames"
            self._take(message)
        return self

    def _take(self, message: Any) -> None:
        if message.type == Gst.MessageType.EOS:
            self.ended = True
        elif message.type == Gst.MessageType.ERROR:
            error, details = message.parse_error()
            self.errors.append((error.message, details or ""))
        elif message.type == Gst.MessageType.ELEMENT and message.get_structure().get_name() == NAME:
            self.told.append(json.loads(message.get_structure().get_string("json")))

    @property
    def failed(self) -> bool:
        """Whether it did not even start."""
        return bool(self.gst.get_state(0)[0] == Gst.StateChangeReturn.FAILURE)

    def play(self) -> Pipeline:
        self.gst.set_state(Gst.State.PLAYING)
        return self

    def preroll(self) -> Pipeline:
        """Wait until the first frame has reached the sink."""
        assert self.gst.get_state(PATIENCE * Gst.SECOND)[0] == Gst.StateChangeReturn.SUCCESS
        return self

    def again(self) -> None:
        """Stop, and start from the beginning."""
        assert self.gst.set_state(Gst.State.NULL) == Gst.StateChangeReturn.SUCCESS
        self.told, self.errors, self.ended = [], [], False
        self.play()

    def seek(self, seconds: float) -> Pipeline:
        flags = Gst.SeekFlags.FLUSH | Gst.SeekFlags.ACCURATE
        assert self.gst.seek_simple(Gst.Format.TIME, flags, round(seconds * Gst.SECOND))
        return self

    def flush(self, name: str) -> None:
        """Send a flush through the element, as a seek does, and the segment that follows it."""
        segment = Gst.Segment()
        segment.init(Gst.Format.TIME)
        for event in (Gst.Event.new_flush_start(), Gst.Event.new_flush_stop(True), Gst.Event.new_segment(segment)):
            assert self[name].get_static_pad("sink").send_event(event)

    def pull(self, name: str = "out") -> NDArray[np.uint8] | None:
        """The next picture of an appsink, BGR or RGB as its caps say; None at the end."""
        sample = self[name].emit("try-pull-sample", PATIENCE * Gst.SECOND)
        if sample is None:
            return None
        caps = sample.get_caps().get_structure(0)
        height, width = caps.get_value("height"), caps.get_value("width")
        with sample.get_buffer().map(Gst.MapFlags.READ) as mapped:
            rows = np.frombuffer(mapped.data, np.uint8).reshape(height, -1)[:, : 3 * width]
            picture = rows.reshape(height, width, 3).copy()
            del rows
        return picture

    def push(self, content: Iterable[tuple[bytes, float | None]], caps: str, start: float | None = None) -> None:
        """Buffers, each with its time in seconds, into the appsrc `in`, by which they then have these caps.

        start: what is shown begins at this time, seconds; None: with the first buffer.
        """
        segment = None
        if start is not None:
            segment = Gst.Segment()
            segment.init(Gst.Format.TIME)
            segment.start = segment.time = round(start * Gst.SECOND)
        for data, time in content:
            buffer = Gst.Buffer.new_wrapped(data)
            if time is not None:
                buffer.pts = round(time * Gst.SECOND)
            sample = Gst.Sample.new(buffer, Gst.Caps.from_string(caps), segment, None)
            assert self["in"].emit("push-sample", sample) == Gst.FlowReturn.OK

    def end(self) -> Pipeline:
        self["in"].emit("end-of-stream")
        return self


class Pipelines:
    """Runs pipelines of gst-launch's syntax; `stctrack` and `stcoverlay` are those of this process."""

    def __init__(self) -> None:
        for name, kind in (("stctrack", Track), ("stcoverlay", Overlay)):
            assert Gst.Element.register(None, name, Gst.Rank.NONE, kind)

    @contextmanager
    def started(self, description: str, *, paused: bool = False) -> Iterator[Pipeline]:
        pipeline = Gst.parse_launch(description)
        try:
            pipeline.set_state(Gst.State.PAUSED if paused else Gst.State.PLAYING)
            yield Pipeline(pipeline)
        finally:
            assert pipeline.set_state(Gst.State.NULL) == Gst.StateChangeReturn.SUCCESS

    def run(self, description: str) -> Pipeline:
        """To the end or the first error."""
        with self.started(description) as pipeline:
            return pipeline.listen()


@pytest.fixture(scope="session")
def pipelines() -> Pipelines:
    return Pipelines()
