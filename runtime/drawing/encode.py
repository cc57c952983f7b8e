"""Frames as the bytes of a picture file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.opencv import cv2

JPEG_QUALITY = 95


def encoded(picture: NDArray[np.uint8], path: Path) -> bytes:
    """`picture` uint8 (H, W, 3) BGR in the format that the suffix of `path` names.

    Raises InputError for an unknown suffix, and when the format cannot hold it.
    """
    suffix = path.suffix.lower()
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix in (".jpg", ".jpeg") else []
    try:
        written, content = cv2.imencode(suffix, picture, options)
    except cv2.error as error:
        raise InputError(f"{path}: cannot be encoded ({error.err}); use a .png") from error
    if not written:
        raise InputError(f"{path}: cannot be encoded at {picture.shape[1]}x{picture.shape[0]}; use a .png")
    content_bytes: bytes = content.tobytes()
    return content_bytes
