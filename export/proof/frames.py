"""The frames that an export is proven on, and what PyTorch float32 makes of them."""

from __future__ import annotations

from importlib.resources import as_file, files
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stc.benchmarks.reference import FrameOutputs, Reference, valid_rows
from stc.errors import InputError
from stc.model.config import ModelConfig
from stc.model.network import STC, STCDeploy
from stc.runtime.native.library import available

FRAMES = 12
MIN_FRAMES = 8  # fewer say nothing about ids
CALIBRATION_FRAMES, CALIBRATION_SPAN = 32, 256
_PAN = 32  # pixels that the camera moves between two frames of the default scene
_WINDOW = (504, 896)  # (H, W) of its picture

Array = NDArray[Any]


def reference_frames(config: ModelConfig, video: Path | None) -> Array:
    """uint8 (T, H, W, 3) BGR as the model takes them: the first frames of `video`, else a camera moved over two
    photographs.

    Raises InputError when the video is unreadable or has fewer than 8 frames.
    """
    pictures = default_frames() if video is None else _video_frames(video)
    _check_number(pictures, video, "--frames")
    return np.stack([_letterbox(picture, config) for picture in pictures])


def calibration_frames(config: ModelConfig, video: Path) -> Array:
    """uint8 (T, H, W, 3) BGR as the model takes them: up to 32 frames, evenly from the first 256 of `video`.

    Raises InputError when the video is unreadable or has fewer than 8 frames.
    """
    from stc.runtime.video.sources import open_source

    pictures = [_letterbox(frame.image, config) for frame in islice(open_source(video), CALIBRATION_SPAN)]
    _check_number(pictures, video, "--calib")
    return np.stack(pictures[:: -(-len(pictures) // CALIBRATION_FRAMES)])


def _check_number(pictures: list[Array], video: Path | None, option: str) -> None:
    if len(pictures) < MIN_FRAMES:
        raise InputError(
            f"{video}: {len(pictures)} frames, at least {MIN_FRAMES} are needed; pass a longer one with: {option} VIDEO"
        )


def default_frames() -> list[Array]:
    """A camera that moves right over `assets/scene.jpg` (a person, a cat), 12 pictures of 504x896."""
    from stc.runtime.video.pictures import read_picture

    with as_file(files("stc.assets") / "scene.jpg") as path:
        scene = read_picture(path)
    height, width = _WINDOW
    return [scene[:height, x : x + width] for x in range(0, FRAMES * _PAN, _PAN)]


def _video_frames(video: Path) -> list[Array]:
    from stc.runtime.video.sources import open_source

    return [frame.image for frame in islice(open_source(video), FRAMES)]


def _letterbox(picture: Array, config: ModelConfig) -> Array:
    return config.letterbox(picture.shape[:2]).apply(picture, available(threads=1))


def run(model: STC, frames: Array) -> tuple[Reference, dict[str, Array]]:
    """Outputs of all frames (uint8 (T, H, W, 3) at the input size), and every intermediate tensor of the first one."""
    deploy = STCDeploy(model.eval())
    outputs: list[FrameOutputs] = []
    first_stages: dict[str, Array] = {}
    with torch.inference_mode():
        for frame in frames:
            stages, tensors = deploy.trace(torch.from_numpy(np.ascontiguousarray(frame))[None])
            outputs.append(valid_rows({name: value.numpy() for name, value in tensors.items()}))
            first_stages = first_stages or {name: value.numpy() for name, value in stages.items()}
    return Reference(frames, tuple(outputs)), first_stages
