"""Run an exported model on video: `Session` owns the model, a `Stream` owns the tracker of one video.

Importing this package loads numpy and the standard library only; OpenCV, Pillow, PyAV, SciPy, pycocotools and the
inference engine are imported where they are first used, and PyTorch never is.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stc.runtime.backends.tensorrt.device_array import DeviceArray
    from stc.runtime.bundle.passport import Passport
    from stc.runtime.letterbox import Letterbox
    from stc.runtime.masks.masks import Masks
    from stc.runtime.result import Result
    from stc.runtime.session import Session
    from stc.runtime.stream import Stream
    from stc.runtime.tracking.config import TrackerConfig
    from stc.runtime.tracking.detections import Detections
    from stc.runtime.tracking.tracker import Tracker, TrackEvent, TrackUpdate

__all__ = [
    "Detections",
    "DeviceArray",
    "Letterbox",
    "Masks",
    "Passport",
    "Result",
    "Session",
    "Stream",
    "TrackEvent",
    "TrackUpdate",
    "Tracker",
    "TrackerConfig",
]

_HOMES = {
    "Detections": "tracking.detections",
    "DeviceArray": "backends.tensorrt.device_array",
    "Letterbox": "letterbox",
    "Masks": "masks.masks",
    "Passport": "bundle.passport",
    "Result": "result",
    "Session": "session",
    "Stream": "stream",
    "TrackEvent": "tracking.tracker",
    "TrackUpdate": "tracking.tracker",
    "Tracker": "tracking.tracker",
    "TrackerConfig": "tracking.config",
}

# A library is silent unless its user configures logging.
logging.getLogger("stc").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
