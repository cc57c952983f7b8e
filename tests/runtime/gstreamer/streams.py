"""Frames of the tiny model for pipelines: a cat that walks, and a dog."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.runtime import tiny_model

SIZE = (60, 96)
FPS = 25


def raw(format: str, size: tuple[int, int] = SIZE, more: str = f"framerate={FPS}/1") -> str:
    return f"video/x-raw,format={format},height={size[0]},width={size[1]},{more}"


def walk(step: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """BGR: a cat that walks to the right, and a dog that stays."""
    cat, dog = (2 + 6 * step, 12, 22 + 6 * step, 40), (70, 44, 90, 56)
    return tiny_model.frame((0, cat), (1, dog), size=size)


def walks(count: int) -> list[tuple[bytes, float | None]]:
    return [(walk(step).tobytes(), step / FPS) for step in range(count)]
