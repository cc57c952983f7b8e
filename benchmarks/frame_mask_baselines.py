"""Masks at frame size as AdelaiDet computes them: baselines of `benchmarks/kernels.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from stc.runtime.masks import Masks
from stc.runtime.native import Library
from stc.runtime.preprocess import Letterbox

FRAME = (720, 1280)
STRIDE = 4


@dataclass(frozen=True)
class Case:
    """Mask probabilities (n, Hm, Wm) float32 of one frame, and how the frame fits the input."""

    probabilities: NDArray[np.float32]
    letterbox: Letterbox

    def __len__(self) -> int:
        return len(self.probabilities)

    def masks(self, library: Library) -> Callable[[], Masks]:
        """New masks on every call: they keep their runs."""
        return lambda: Masks(self.probabilities, self.letterbox, STRIDE, library)


def _fit(input_size: tuple[int, int]) -> Letterbox:
    return Letterbox.fit(FRAME, input_size, "linear", (0, 0, 0))


def noise() -> Case:
    """Twenty masks of noise over the whole frame, as large as R-50's: the worst case."""
    rng = np.random.default_rng(0)
    return Case(rng.random((20, 96, 160), np.float32), _fit((360, 640)))


def objects() -> Case:
    """The demo model's detections on its own picture at 1280x720, the best 20."""
    raise NotImplementedError


def adelaidet(case: Case) -> Callable[[], torch.Tensor]:
    """Its post-process as released: enlarge by the stride, crop, resize to the frame, threshold."""
    probabilities = torch.from_numpy(case.probabilities)[:, None]
    rows, cols = case.probabilities.shape[1:]
    height, width = case.letterbox.resized_size

    def call() -> torch.Tensor:
        with torch.inference_mode():
            x = F.pad(probabilities, (0, 1, 0, 1), mode="replicate")
            x = F.interpolate(x, (rows * STRIDE + 1, cols * STRIDE + 1), mode="bilinear", align_corners=True)
            x = F.pad(x, (STRIDE // 2, 0, STRIDE // 2, 0), mode="replicate")[:, :, :height, :width]
            return F.interpolate(x, FRAME, mode="bilinear", align_corners=False)[:, 0] > 0.5

    return call


def adelaidet_rle(case: Case) -> Callable[[], Any]:
    """The same, then COCO's encoder on all masks at once, as detectron2's evaluator does."""
    from pycocotools import mask

    dense = adelaidet(case)

    def call() -> Any:
        pixels = dense().numpy().view(np.uint8)
        return [mask.encode(np.asfortranarray(one[:, :, None]))[0] for one in pixels]

    return call
