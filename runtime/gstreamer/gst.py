"""GStreamer for Python, as a system brings it: its users read what to install where there is none."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from pathlib import Path

from stc.errors import MissingDependencyError

PACKAGES = "python3-gst-1.0 gstreamer1.0-python3-plugin-loader gstreamer1.0-tools gstreamer1.0-plugins-base"
INSTALL = f"apt-get install {PACKAGES}"  # as Debian and Ubuntu call them
OF_THE_SYSTEM = Path("/usr/lib/python3/dist-packages/gi/overrides/Gst.py")
UNSEEN = "make the virtual environment with: python3 -m venv --system-site-packages"
NEEDED = (1, 20)  # custom metas

# Debian's GStreamer brings libunwind, which takes libgcc's place for whatever is loaded after it. An exception that one
# of them began and the other goes on with, such as ONNX Runtime's of a damaged model, ends the process: libgcc stays.
with suppress(OSError):
    ctypes.CDLL("libgcc_s.so.1", ctypes.RTLD_GLOBAL)
try:
    import gi

    for _name in ("Gst", "GstBase", "GstVideo"):
        gi.require_version(_name, "1.0")
    from gi.repository import GLib, GObject, Gst, GstBase, GstVideo
except (ImportError, ValueError) as error:
    raise MissingDependencyError(
        f"GStreamer for Python is not installed ({error}); fix: {UNSEEN if OF_THE_SYSTEM.is_file() else INSTALL}"
    ) from error
if not hasattr(Gst, "TIME_ARGS"):  # of gst-python; PyGObject alone maps no buffer without a copy
    raise MissingDependencyError(f"gst-python is not installed; fix: {UNSEEN if OF_THE_SYSTEM.is_file() else INSTALL}")
Gst.init(None)
if Gst.version()[:2] < NEEDED:
    raise MissingDependencyError(f"{Gst.version_string()} is too old; {NEEDED[0]}.{NEEDED[1]} or newer is needed")

__all__ = ["GLib", "GObject", "Gst", "GstBase", "GstVideo"]
