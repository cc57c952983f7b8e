"""Damaged and hostile pictures, as files: of the promised formats, and of others that are named like them."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stc.runtime.video import open_source
from stc.runtime.video.frame import PICTURE_SUFFIXES
from stc.runtime.video.pictures import picture_size, read_picture
from tests.runtime.video.mutations import mutated

PROMISED: list[tuple[str, str, dict[str, Any]]] = [
    ("PNG", "RGB", {}), ("PNG", "RGBA", {}), ("PNG", "P", {}), ("PNG", "I;16", {}), ("PNG", "L", {"optimize": True}),
    ("PNG", "1", {}), ("JPEG", "RGB", {}), ("JPEG", "L", {}), ("JPEG", "CMYK", {}),
    ("JPEG", "RGB", {"progressive": True}),
    ("WEBP", "RGB", {}), ("WEBP", "RGBA", {"lossless": True}), ("BMP", "RGB", {}), ("BMP", "P", {}),
    ("TIFF", "RGB", {}), ("TIFF", "RGB", {"compression": "tiff_lzw"}), ("TIFF", "L", {"compression": "tiff_deflate"}),
    ("TIFF", "I;16", {}), ("TIFF", "F", {}), ("TIFF", "RGB", {"compression": "jpeg"}),
    ("TIFF", "1", {"compression": "group4"}),
]  # fmt: skip
OTHERS = ("GIF", "PPM", "EPS", "PCX", "TGA", "ICO", "ICNS", "DDS", "SGI", "IM", "MSP", "JPEG2000", "PDF")


def cases(folder: Path) -> Callable[[random.Random], object]:
    rng = np.random.default_rng(0)
    pixels = Image.fromarray(np.kron(rng.integers(0, 255, (6, 8, 3), np.uint8), np.ones((6, 6, 1), np.uint8)))
    promised = [_stored(pixels, *kind) for kind in PROMISED]
    promised += [_animated(pixels, name) for name in ("PNG", "WEBP", "TIFF")]
    contents = promised + [_stored(pixels, name, "1" if name == "MSP" else "RGB", {}) for name in OTHERS]

    def case(r: random.Random) -> None:
        content = mutated(r.choice(promised if r.random() < 0.8 else contents), contents, r)
        path = folder / f"case{r.choice(PICTURE_SUFFIXES)}"
        path.write_bytes(content)
        frames = list(open_source(path))
        for frame in frames:
            assert frame.image.dtype == np.uint8 and frame.image.shape[2:] == (3,) and frame.image.flags.c_contiguous
        if len(frames) == 1:
            assert read_picture(path).shape[1::-1] == picture_size(path)

    return case


def _stored(picture: Image.Image, name: str, mode: str, options: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    elif mode != picture.mode:
        picture = picture.convert(mode)
    if name in ("PNG", "JPEG", "WEBP", "TIFF"):
        options = {**options, "exif": exif}
    picture.save(file, name, **options)
    return file.getvalue()


def _animated(picture: Image.Image, name: str) -> bytes:
    file = io.BytesIO()
    frames = [picture.rotate(90 * i, expand=False) for i in range(4)]
    frames[0].save(file, name, save_all=True, append_images=frames[1:], **({} if name == "TIFF" else {"duration": 40}))
    return file.getvalue()
