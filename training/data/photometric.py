"""Random light, colour and blur: everything that changes a picture and not where things are."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def distort(rng: np.random.Generator, picture: Picture, strength: float = 1.0) -> Picture:
    """(H, W, 3) uint8 BGR -> the same, with random brightness, contrast, saturation, hue, and now and then grey or
    blurred. `strength` 0 leaves the picture as it is."""
    gain = 1 + strength * rng.uniform(-0.35, 0.35)
    offset = strength * rng.uniform(-30, 30)
    levels = np.clip((np.arange(256) - 128) * gain + 128 + offset, 0, 255).astype(np.uint8)
    picture = np.asarray(cv2.LUT(picture, levels), dtype=np.uint8)
    if rng.random() < 0.5 * strength:
        picture = _shift_hue(picture, int(rng.integers(-9, 10)), 1 + strength * rng.uniform(-0.5, 0.5))
    if rng.random() < 0.05 * strength:
        picture = np.asarray(cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)
    if rng.random() < 0.15 * strength:
        picture = _blur(rng, picture)
    return picture


def _shift_hue(picture: Picture, hue: int, saturation: float) -> Picture:
    """hue in steps of 2 degrees (OpenCV's 0..179), saturation as a factor."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)
    hues = ((np.arange(256) + hue) % 180).astype(np.uint8)
    saturations = np.clip(np.arange(256) * saturation, 0, 255).astype(np.uint8)
    tables = np.stack([hues, saturations, np.arange(256, dtype=np.uint8)], axis=-1)[None]
    return np.asarray(cv2.cvtColor(cv2.LUT(hsv, tables), cv2.COLOR_HSV2BGR), dtype=np.uint8)


def _blur(rng: np.random.Generator, picture: Picture) -> Picture:
    """Defocus, or motion along one axis."""
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.5, 1.5))), dtype=np.uint8)
    length = int(rng.integers(2, 8))
    size = (length, 1) if rng.random() < 0.7 else (1, length)
    return np.asarray(cv2.blur(picture, size), dtype=np.uint8)
