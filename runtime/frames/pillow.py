"""Pictures of Pillow as frames, for whoever has opened one with it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from stc.errors import InputError

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")  # of eight bits or fewer


def as_bgr(frame: Any) -> Any:
    """A `PIL.Image.Image` as uint8 (H, W, 3) BGR; anything else as it is.

    Transparency is left out, and the picture is taken as it is stored: `PIL.ImageOps.exif_transpose` turns one that its
    camera held upright. Raises InputError for modes whose levels are not 0..255 ("I;16", "F"), and for damaged files,
    which Pillow reads only now.
    """
    # None, too, while another thread is still importing Pillow: then nobody can have a picture of it.
    kind = getattr(sys.modules.get("PIL.Image"), "Image", None)
    if kind is None or not isinstance(frame, kind):
        return frame
    if frame.mode not in MODES:
        raise InputError(
            f"a picture of mode {frame.mode!r}, whose levels are not 0..255; scale them, and give one of mode 'L' or "
            "'RGB'"
        )
    try:
        return np.ascontiguousarray(np.asarray(frame.convert("RGB"))[:, :, ::-1])
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"the picture cannot be read ({error}); check the file that it comes from") from error
