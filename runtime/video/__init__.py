"""Frames in, tracked pictures and records out: sources, drawing and the writers of `stc-track`.

Importing this package loads nothing but numpy; PyAV, OpenCV and Pillow come with the first source or writer that needs
them.
"""

from stc.runtime.video.frame import Frame, Gap, Image, Sink, Source, State, Stats, Writer
from stc.runtime.video.live.lifecycle import ReconnectPolicy
from stc.runtime.video.sinks.jsonl import jsonl_sink
from stc.runtime.video.sinks.sinks import drawing, open_writer
from stc.runtime.video.sinks.ytvis import ytvis_sink
from stc.runtime.video.sources import open_source

__all__ = [
    "Frame",
    "Gap",
    "Image",
    "ReconnectPolicy",
    "Sink",
    "Source",
    "State",
    "Stats",
    "Writer",
    "drawing",
    "jsonl_sink",
    "open_source",
    "open_writer",
    "ytvis_sink",
]
