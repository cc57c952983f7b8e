"""Frames to the demo model's input as OpenCV and Pillow resize them, one thread: baselines of `__main__.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.frames.yuv import YuvFrame
from stc.runtime.letterbox import Letterbox, resize_frame
from stc.runtime.masks.masks import Masks
from stc.runtime.native.library import Library

INPUT = (256, 448)  # (H, W)
FRAMES = {"720p": (720, 1280), "1080p": (1080, 1920), "4K": (2160, 3840)}
HALVES = (50, 128, 224)  # masks of a half precision engine


@dataclass(frozen=True)
class ResizeCase:
    """A frame of noise, uint8 (H, W, 3 or 4), BGR or RGBA, resized to the largest picture that fits the input."""

    size: tuple[int, int]
    rule: str
    rgba: bool = False

    @property
    def name(self) -> str:
        return f"{self.rule}, RGBA" if self.rgba else self.rule

    def frame(self) -> NDArray[np.uint8]:
        return np.random.default_rng(0).integers(0, 256, (*self.size, 4 if self.rgba else 3), np.uint8)

    def native(self, library: Library) -> Callable[[], Any]:
        frame, fit = self.frame(), Letterbox.fit(self.size, INPUT, self.rule, (0, 0, 0)).resized_size
        picture = frame[..., 2::-1] if self.rgba else frame
        return lambda: resize_frame(picture, fit, self.rule, library)

    def peer(self) -> tuple[str, Callable[[], Any]]:
        """The name of what else makes the same picture, and its call."""
        import cv2

        cv2.setNumThreads(1)
        frame, fit = self.frame(), Letterbox.fit(self.size, INPUT, self.rule, (0, 0, 0)).resized_size
        if self.rule == "pil-bilinear":
            return "Pillow", lambda: resize_frame(frame, fit, self.rule)
        if self.rgba:
            return "OpenCV cvtColor + resize", lambda: resize_frame(
                np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGBA2BGR), np.uint8), fit, self.rule
            )
        return "OpenCV", lambda: resize_frame(frame, fit, self.rule)


def cases() -> list[ResizeCase]:
    plain = [ResizeCase(size, rule) for rule in ("area", "linear", "pil-bilinear") for size in FRAMES.values()]
    return [*plain, ResizeCase(FRAMES["1080p"], "area", rgba=True)]


def nv12(library: Library) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """A 1080p frame as decoders give it, resized by area; and FFmpeg's conversion, then OpenCV's resize."""
    import av

    height, width = FRAMES["1080p"]
    levels = np.random.default_rng(0).integers(85, 170, (height * 3 // 2, width), np.uint8)
    uv = levels[height:].reshape(height // 2, width // 2, 2)
    frame = YuvFrame(levels[:height], uv[..., 0], uv[..., 1])
    letterbox = Letterbox.fit(frame.size, INPUT, "area", (0, 0, 0))
    decoded = av.VideoFrame.from_ndarray(levels, format="nv12")

    def today() -> Any:
        picture: Any = decoded.to_ndarray(format="bgr24")
        return letterbox.apply(picture)

    return lambda: letterbox.apply(frame, library), today


def unasked_masks(library: Library) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """`Masks` of half precision that nobody looks at, and their conversion to float32 by NumPy."""
    halves = np.random.default_rng(0).random(HALVES, np.float32).astype(np.float16)
    letterbox = Letterbox.fit(FRAMES["1080p"], (4 * HALVES[1], 4 * HALVES[2]), "area", (0, 0, 0))
    return lambda: Masks(halves, letterbox, 4, library), lambda: halves.astype(np.float32)
