"""Videos of the tiny model for several streams, and its backend under watch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from stc.runtime import Result, Session
from stc.runtime.backends.onnxruntime import OnnxRuntimeBackend
from tests.runtime.tiny_model import frame

OBJECT = frame((0, (8, 8, 40, 40)))
SIZES = [(60, 96), (120, 192), (97, 131), (60, 96)]
Frames = list[np.ndarray[Any, Any]]


class Watched:
    """The tiny model's backend, which notes the size of every batch, and does `damage` to what it gives."""

    def __init__(self, path: Path) -> None:
        self._inner = OnnxRuntimeBackend(path / "model.onnx", threads=1)
        self.sizes: list[int] = []
        self.damage: Callable[[dict[str, Any]], object] = lambda outputs: None
        for name in ("device", "engine", "mask_head", "inputs", "outputs", "batches", "close"):
            setattr(self, name, getattr(self._inner, name))

    def run(self, frames: Any, timings: dict[str, float] | None = None) -> dict[str, Any]:
        self.sizes.append(len(frames))
        outputs = self._inner.run(frames, timings)
        self.damage(outputs)
        return outputs


def videos(count: int, length: int = 12, seed: int = 0) -> list[Frames]:
    """Of different sizes; objects come, move, go and change their colour, so that ids differ from video to video."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        height, width = SIZES[number % len(SIZES)]
        pictures = []
        for _ in range(length):
            slots = rng.permutation(4)[: rng.integers(0, 5)]
            spots = [(int(slot), int(rng.integers(0, 6))) for slot in slots]
            boxes = [(s, (int(s * width / 4), x, int(s * width / 4 + width / 5), x + height // 2)) for s, x in spots]
            pictures.append(frame(*boxes, size=(height, width)))
        found.append(pictures)
    return found


def same(a: Result, b: Result) -> None:
    """All of it, bit by bit: the tiny model computes with whole numbers."""
    for name in ("boxes", "scores", "labels", "track_ids", "handles", "embeddings"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)
    assert (a.events, a.time, a.frame_size) == (b.events, b.time, b.frame_size)
    assert a.masks.rle() == b.masks.rle()


def alone(session: Session, video: Frames) -> list[Result]:
    stream = session.stream()
    return [stream(picture) for picture in video]
