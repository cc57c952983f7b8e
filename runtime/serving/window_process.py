"""The process of a window: OpenCV's windows want a main thread, some end their process where no display answers, and
a slow one (by ssh -X) waits for every picture. What it is sent and answers is in `window`.
"""

from __future__ import annotations

import sys
from typing import Any, BinaryIO

import numpy as np

from stc.boundary import reason
from stc.runtime.serving.window import CLOSED, NO_DISPLAY, NO_OPENCV, NO_WINDOWS, SHOWN, SIZE

LARGEST = (1280, 720)  # width and height at most that the window opens with, pixels; the user may stretch it
KEYS = (ord("q"), 27)  # 27: Esc
LACKING = "not implemented"  # what OpenCV says of windows that it was built without, by no code of its own


def main(title: str) -> None:
    """Until its parent has gone, or the user has closed the window."""
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    try:
        import cv2
    except ImportError as error:
        tell(answers, NO_OPENCV, reason(error))
        return
    try:
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
    except cv2.error as error:
        if LACKING in str(error):
            tell(answers, NO_WINDOWS, f"version {cv2.__version__}")
        else:
            tell(answers, NO_DISPLAY, reason(error))
        return
    tell(answers, SHOWN)
    first = True
    while len(header := asked.read(SIZE.size)) == SIZE.size:
        height, width = SIZE.unpack(header)
        if height:
            picture = np.frombuffer(asked.read(height * width * 3), np.uint8).reshape(height, width, 3)
            if first:
                cv2.resizeWindow(title, *fitted(width, height))
                first = False
            cv2.imshow(title, picture)
        if is_closed(cv2, title):
            tell(answers, CLOSED)
            return
        tell(answers, SHOWN)


def fitted(width: int, height: int) -> tuple[int, int]:
    """The size of a window for pictures of this one."""
    share = min(1.0, LARGEST[0] / width, LARGEST[1] / height)
    return max(1, round(width * share)), max(1, round(height * share))


def is_closed(cv2: Any, title: str) -> bool:
    """Whether the user has pressed a key that ends, or has closed the window."""
    if cv2.waitKey(1) & 0xFF in KEYS:
        return True
    try:
        return bool(cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) < 1)
    except cv2.error:  # of a window that is no more there
        return True


def tell(answers: BinaryIO, answer: bytes, more: str = "") -> None:
    answers.write(answer + (f"{more}\n".encode() if more else b""))
    answers.flush()
