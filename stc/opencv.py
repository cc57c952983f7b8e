"""OpenCV, whichever is here: with windows or without, a system's, JetPack's, conda's.

No package of ours requires one, since installing it could replace the user's: all write into the same folder. What is
used as a library imports it from here, so that its users read what to do where there is none.
"""

from __future__ import annotations

from stc.errors import MissingDependencyError

try:
    import cv2
except ModuleNotFoundError as error:
    if error.name != "cv2":
        raise MissingDependencyError(f"OpenCV does not import ({error}); see: stc-doctor") from error
    raise MissingDependencyError(
        "OpenCV (the module cv2) is not installed; fix: pip install opencv-python-headless"
    ) from error
except ImportError as error:  # such as libGL.so.1, which opencv-python needs and a container lacks
    raise MissingDependencyError(f"OpenCV does not import ({error}); see: stc-doctor") from error

__all__ = ["cv2"]
