"""Frames in, tracked pictures and records out: sources, drawing and the writers of `stc-track`.

Importing this package loads nothing but numpy; PyAV, OpenCV and Pillow come with the first source or writer that needs
them.
"""

from stc.runtime.video.frame import Frame, Image, Source
from stc.runtime.video.sources import open_source

__all__ = ["Frame", "Image", "Source", "open_source"]
