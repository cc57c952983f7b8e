"""Frames as the bytes of a picture file."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError

JPEG_QUALITY = 95
# By suffix: Pillow's name of a format and how it is written. Without loss, but for JPEG; a PNG soon rather than small.
JPEG: tuple[str, dict[str, Any]] = ("JPEG", {"quality": JPEG_QUALITY})
TIFF: tuple[str, dict[str, Any]] = ("TIFF", {"compression": "tiff_lzw"})
FORMATS = {
    ".png": ("PNG", {"compress_level": 1}),
    ".jpg": JPEG,
    ".jpeg": JPEG,
    ".webp": ("WEBP", {"lossless": True}),
    ".bmp": ("BMP", {}),
    ".tif": TIFF,
    ".tiff": TIFF,
}


def encoded(picture: NDArray[np.uint8], path: Path, **options: Any) -> bytes:
    """`picture` uint8 (H, W, 3) BGR in the format that the suffix of `path` names. options: of the format, Pillow's.

    Raises InputError for an unknown suffix, and when the format cannot hold it.
    """
    from PIL import Image

    if (suffix := path.suffix.lower()) not in FORMATS:
        raise InputError(f"{path}: cannot be encoded (known are {', '.join(FORMATS)}); use a .png")
    kind, usual = FORMATS[suffix]
    content = BytesIO()
    try:
        Image.fromarray(np.ascontiguousarray(picture[..., ::-1])).save(content, kind, **(usual | options))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be encoded at {picture.shape[1]}x{picture.shape[0]} ({error}); use a .png"
        ) from error
    return content.getvalue()
