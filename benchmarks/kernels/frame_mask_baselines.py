"""Masks at frame size as AdelaiDet computes them: baselines of `benchmarks/kernels/__main__.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from stc.benchmarks.reference import valid_rows
from stc.model.checkpoint.load import load
from stc.model.network import STCDeploy
from stc.runtime.letterbox import Letterbox
from stc.runtime.masks.axis import MASK_THRESHOLD
from stc.runtime.masks.masks import Masks
from stc.runtime.masks.pixel_buffer import PixelBuffer
from stc.runtime.native.library import Library, available
from stc.runtime.video.pictures import read_picture

FRAME = (720, 1280)  # (H, W)
MOST = 20  # masks
PAGE = 4096  # bytes


@dataclass(frozen=True)
class FrameMaskCase:
    """Mask probabilities (n, Hm, Wm) of one frame, and how the frame fits the input."""

    probabilities: NDArray[Any]
    letterbox: Letterbox
    stride: int = 4

    def __len__(self) -> int:
        return len(self.probabilities)

    def native(self, library: Library | None, form: str) -> Callable[[], Any]:
        """`Masks.dense`, `bits`, `rle` or `polygons`, of new masks on every call: they keep their runs."""

        def call() -> Any:
            return getattr(Masks(self.probabilities, self.letterbox, self.stride, library), form)()

        return call


def cases() -> dict[str, FrameMaskCase]:
    return {"frame masks, noise": noise(), "frame masks, demo's objects": objects()}


def noise() -> FrameMaskCase:
    """Twenty masks of noise over the whole frame, as large as R-50's: the worst case."""
    probabilities = np.random.default_rng(0).random((MOST, 96, 160), np.float32)
    return FrameMaskCase(probabilities, Letterbox.fit(FRAME, (360, 640), "linear", (0, 0, 0)))


def objects() -> FrameMaskCase:
    """What the demo model finds in its own picture, shown at frame size: at most the best 20.

    Raises InputError when the picture or the weights are missing.
    """
    import cv2

    with as_file(files("stc.assets") / "scene.jpg") as path:
        scene = read_picture(path)
    with as_file(files("stc.assets") / "stc-lite-2.safetensors") as path:
        model = load(path).model
    rows = scene.shape[1] * FRAME[0] // FRAME[1]
    frame = np.asarray(cv2.resize(scene[:rows], FRAME[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    config = model.config
    letterbox = Letterbox.fit(FRAME, config.input_size, config.resize, config.border_bgr)
    with torch.inference_mode():
        _, outputs = STCDeploy(model).trace(torch.from_numpy(letterbox.apply(frame))[None])
    found = valid_rows({name: value.numpy() for name, value in outputs.items()})
    return FrameMaskCase(np.ascontiguousarray(found.masks[:MOST]), letterbox)


def at_4k() -> FrameMaskCase:
    """Twenty round objects of 70 to 340 pixels' radius in a frame of 3840x2160, from a half precision engine."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:128, :224]
    logits = np.stack([rng.uniform(4, 20) - np.hypot(y - cy * 128, x - cx * 224) for cy, cx in rng.random((MOST, 2))])
    probabilities = 1 / (1 + np.exp(-logits.clip(-30, 30)))
    return FrameMaskCase(probabilities.astype(np.float16), Letterbox.fit((2160, 3840), (512, 896), "area", (0, 0, 0)))


def opencv_outlines(case: FrameMaskCase) -> Callable[[], Any]:
    """Dense masks, each followed by OpenCV: what serves without the native library, but for its slower masks."""
    from stc.runtime.masks.outlines import outlines

    native = available(threads=1)
    return lambda: [outlines(mask) for mask in Masks(case.probabilities, case.letterbox, case.stride, native).dense()]


def used_again(case: FrameMaskCase, library: Library) -> Callable[[], Any]:
    """Dense masks into memory that holds those of the frame before."""
    buffer = PixelBuffer()
    return lambda: Masks(case.probabilities, case.letterbox, case.stride, library).dense(into=buffer)


def in_fresh_memory(case: FrameMaskCase, library: Library) -> Callable[[], Any]:
    """Dense masks into memory that the system gives, and gets back: what the first frame of a video costs."""
    return lambda: Masks(case.probabilities, case.letterbox, case.stride, library).dense(into=PixelBuffer())


def pages_alone(case: FrameMaskCase, library: Library) -> Callable[[], Any]:
    """A byte to every page of fresh memory that these masks lie on: the system's part of `in_fresh_memory`."""
    pixels = Masks(case.probabilities, case.letterbox, case.stride, library).dense()
    pages = np.unique(np.flatnonzero(pixels) // PAGE) * PAGE

    def call() -> None:
        np.zeros(pixels.size, np.uint8)[pages] = 1

    return call


def adelaidet(case: FrameMaskCase) -> Callable[[], torch.Tensor]:
    """Its post-process as released: enlarge by the stride, crop, resize to the frame, threshold."""
    probabilities = torch.from_numpy(case.probabilities)[:, None]
    stride, (rows, cols) = case.stride, case.probabilities.shape[1:]
    (height, width), frame = case.letterbox.resized_size, case.letterbox.frame_size

    def call() -> torch.Tensor:
        with torch.inference_mode():
            x = F.pad(probabilities, (0, 1, 0, 1), mode="replicate")
            x = F.interpolate(x, (rows * stride + 1, cols * stride + 1), mode="bilinear", align_corners=True)
            x = F.pad(x, (stride // 2, 0, stride // 2, 0), mode="replicate")[:, :, :height, :width]
            return F.interpolate(x, frame, mode="bilinear", align_corners=False)[:, 0] > MASK_THRESHOLD

    return call


def adelaidet_rle(case: FrameMaskCase) -> Callable[[], Any]:
    """The same, then COCO's encoder on all masks at once, as detectron2's evaluator does."""
    from pycocotools import mask

    dense = adelaidet(case)

    def call() -> Any:
        pixels = dense().numpy().view(np.uint8)
        return [mask.encode(np.asfortranarray(one[:, :, None]))[0] for one in pixels]

    return call


FORMS: dict[str, tuple[str, Callable[[FrameMaskCase], Callable[[], Any]]]] = {
    "dense": ("adelaidet post-process", adelaidet),
    "bits": ("adelaidet post-process", adelaidet),
    "RLE": ("adelaidet post-process + pycocotools", adelaidet_rle),
}
