"""Frames in, tracked pictures and records out: sources, drawing and the writers of `stc-track`.

Importing this package loads nothing but numpy; PyAV, OpenCV and Pillow come with the first source or writer that needs
them.
"""

from stc.runtime.video.frame import Frame, Gap, Image, Source, State, Stats
from stc.runtime.video.lifecycle import ReconnectPolicy
from stc.runtime.video.sources import open_source

__all__ = ["Frame", "Gap", "Image", "ReconnectPolicy", "Source", "State", "Stats", "open_source"]
