"""`reference.npz`: frames and what PyTorch made of them, so that agreement is proven on a device without torch."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks import npz
from stc.benchmarks.npz import Wanted
from stc.errors import InputError
from stc.files import atomic_path
from stc.runtime.bundle.passport import FIX

FILE_NAME = "reference.npz"
Array = NDArray[Any]
# What the file holds: T frames, N detections in all of them.
ARRAYS = {
    "frames": Wanted("uint8", ("T", None, None, 3)),
    "counts": Wanted("int64", ("T",)),
    "boxes": Wanted("float32", ("N", 4)),
    "scores": Wanted("float32", ("N",)),
    "labels": Wanted("int32", ("N",)),
    "embeddings": Wanted("float32", ("N", None)),
    "masks": Wanted("float32", ("N", None, None)),
}
APPEARANCE = {"appearance": Wanted("float32", ("N", None))}  # where the model gives it


@dataclass(frozen=True)
class FrameOutputs:
    """Valid rows of the graph's outputs for one frame, n of them.

    boxes (n, 4) float32 xyxy in input pixels, scores (n,) float32, labels (n,) int32, embeddings (n, D) float32 (D = 0
    without tracking head), masks (n, Hm, Wm) float32 probabilities, appearance (n, C) float32 (C = 0 where the
    model gives none).
    """

    boxes: Array
    scores: Array
    labels: Array
    embeddings: Array
    masks: Array
    appearance: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def __post_init__(self) -> None:
        if not self.appearance.size:
            object.__setattr__(self, "appearance", np.zeros((len(self.boxes), 0), np.float32))

    def __len__(self) -> int:
        return len(self.boxes)


def valid_rows(outputs: dict[str, Array], image: int = 0) -> FrameOutputs:
    """Cut the rows beyond `num_detections` off the outputs of one image of a batch."""
    n = int(outputs["num_detections"][image])
    embeddings = outputs["embeddings"][image, :n] if "embeddings" in outputs else np.zeros((n, 0), np.float32)
    return FrameOutputs(
        boxes=outputs["boxes"][image, :n],
        scores=outputs["scores"][image, :n],
        labels=outputs["labels"][image, :n],
        embeddings=embeddings,
        masks=outputs["masks"][image, :n].astype(np.float32),
        appearance=outputs["appearance"][image, :n] if "appearance" in outputs else np.zeros((n, 0), np.float32),
    )


@dataclass(frozen=True)
class Reference:
    """Consecutive frames, uint8 (T, H, W, 3) BGR at the input size, and the PyTorch float32 outputs of each."""

    frames: Array
    outputs: tuple[FrameOutputs, ...]

    @property
    def input_size(self) -> tuple[int, int]:
        """(H, W) of the frames."""
        return self.frames.shape[1], self.frames.shape[2]

    def write(self, path: Path) -> None:
        arrays: dict[str, Any] = {"frames": self.frames, "counts": np.array([len(o) for o in self.outputs], np.int64)}
        for name in (*ARRAYS, *APPEARANCE):
            if name not in arrays:
                arrays[name] = np.concatenate([getattr(o, name) for o in self.outputs])
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, **arrays)


def read(path: Path) -> Reference:
    """Raises InputError when the file is missing, truncated or not a reference."""
    if not path.exists():
        raise InputError(f"{path}: no reference to compare with; make one with: stc-export --ckpt FILE")
    values = npz.read(path, ARRAYS, FIX, APPEARANCE)
    if not len(values["frames"]):
        raise InputError(f"{path}: a reference without frames; {FIX}")
    rows = len(values["boxes"])
    counts = [int(count) for count in values["counts"]]
    if any(count < 0 for count in counts) or sum(counts) != rows:
        raise InputError(f"{path}: an inconsistent reference, of {rows} detections and other counts; {FIX}")
    ends = list(accumulate(counts))
    outputs = tuple(
        FrameOutputs(**{f.name: values[f.name][end - count : end] for f in fields(FrameOutputs) if f.name in values})
        for end, count in zip(ends, counts, strict=True)
    )
    return Reference(values["frames"], outputs)
