"""Run an exported model on video: `Session` owns the model, a `Stream` owns the tracker of one video.

Importing this package loads numpy and the standard library only; OpenCV, Pillow, PyAV, pycocotools and the
inference engine are imported where they are first used, and PyTorch never is.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from stc.lazy import names_of

if TYPE_CHECKING:
    from stc.runtime.backends.tensorrt.device_array import DeviceArray as DeviceArray
    from stc.runtime.backends.tensorrt.resident.frame import DeviceFrame as DeviceFrame
    from stc.runtime.bundle.passport import Passport as Passport
    from stc.runtime.drawing.style import Style as Style
    from stc.runtime.frames.yuv import YuvFrame as YuvFrame
    from stc.runtime.letterbox import Letterbox as Letterbox
    from stc.runtime.masks.masks import Masks as Masks
    from stc.runtime.objects import TrackedObject as TrackedObject
    from stc.runtime.overlap import Handle as Handle
    from stc.runtime.result import Result as Result
    from stc.runtime.session import Session as Session
    from stc.runtime.stream import Stream as Stream
    from stc.runtime.tracking.config import TrackerConfig as TrackerConfig
    from stc.runtime.tracking.detections import Detections as Detections
    from stc.runtime.tracking.tracker import Tracker as Tracker
    from stc.runtime.tracking.tracker import TrackEvent as TrackEvent
    from stc.runtime.tracking.tracker import TrackUpdate as TrackUpdate

# A library is silent unless its user configures logging.
logging.getLogger("stc").addHandler(logging.NullHandler())

__all__, __getattr__, __dir__ = names_of(
    __name__,
    {
        "Detections": "tracking.detections",
        "DeviceArray": "backends.tensorrt.device_array",
        "DeviceFrame": "backends.tensorrt.resident.frame",
        "Handle": "overlap",
        "Letterbox": "letterbox",
        "Masks": "masks.masks",
        "Passport": "bundle.passport",
        "Result": "result",
        "Session": "session",
        "Stream": "stream",
        "Style": "drawing.style",
        "TrackEvent": "tracking.tracker",
        "TrackUpdate": "tracking.tracker",
        "TrackedObject": "objects",
        "Tracker": "tracking.tracker",
        "TrackerConfig": "tracking.config",
        "YuvFrame": "frames.yuv",
    },
)
