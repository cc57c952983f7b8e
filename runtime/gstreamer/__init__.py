"""Elements for GStreamer pipelines: `stctrack` finds and tracks, `stcoverlay` draws what it found (docs/gstreamer.md).

Files that name `gst` need GStreamer's Python bindings; the others are plain functions of bytes, numbers and text. The
elements themselves, `stc.runtime.gstreamer.gst_track` and `stc.runtime.gstreamer.gst_overlay`, are loaded by GStreamer,
which reads the files in `python/`.
"""
