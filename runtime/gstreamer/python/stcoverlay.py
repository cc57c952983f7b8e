"""What GStreamer's loader of Python plugins reads: a file for each element, in a folder `python` of GST_PLUGIN_PATH."""

from stc.runtime.gstreamer.gst import Gst
from stc.runtime.gstreamer.gst_overlay import Overlay

__gstelementfactory__ = ("stcoverlay", Gst.Rank.NONE, Overlay)
