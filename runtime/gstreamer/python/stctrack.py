"""What GStreamer's loader of Python plugins reads: a file for each element, in a folder `python` of GST_PLUGIN_PATH."""

import sys
from pathlib import Path

try:
    import stc  # noqa: F401
except ModuleNotFoundError:  # the loader's Python is not that of the environment which this file is installed in
    sys.path.insert(0, str(Path(__file__).parents[4]))
try:
    from stc.runtime.gstreamer.gst import Gst
    from stc.runtime.gstreamer.gst_track import Track
except Exception as error:  # the loader prints a traceback of whatever is raised here
    print(f"stctrack is not there: {error}; see: stc-doctor", file=sys.stderr)  # noqa: T201
else:
    __gstelementfactory__ = ("stctrack", Gst.Rank.NONE, Track)
