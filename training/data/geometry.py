"""Where a picture lands in the model's input: one 3x3 matrix for picture, masks and cut-outs alike.

Matrices act on column vectors (x, y, 1) with pixel edges at integers, so a pixel's centre is at index + 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from stc.model.config import ModelConfig
from stc.runtime.letterbox import resize_frame, resized_size
from stc.runtime.native.library import available
from stc.training.config import TrainConfig

Matrix = NDArray[np.float64]
Size = tuple[int, int]  # (H, W)
SHARP = 3.0  # pixels of the input per pixel of the picture, at most, in a close-up


def shift(x: float, y: float) -> Matrix:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def scaling(x: float, y: float) -> Matrix:
    return np.diag([x, y, 1.0])


def rotation(degrees: float) -> Matrix:
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def about(matrix: Matrix, x: float, y: float) -> Matrix:
    """`matrix` with (x, y) as its origin."""
    return shift(x, y) @ matrix @ shift(-x, -y)


def mirror(width: float) -> Matrix:
    return shift(width, 0.0) @ scaling(-1.0, 1.0)


def letterbox(frame: Size, target: Size) -> Matrix:
    """The letterbox of inference: as large as fits, rounded to whole pixels, at the top left."""
    height, width = resized_size(frame, target)
    return scaling(width / frame[1], height / frame[0])


def random_view(
    rng: np.random.Generator,
    frame: Size,
    target: Size,
    anchors: Sequence[tuple[float, ...]],
    config: TrainConfig,
    upright: bool = False,
) -> Matrix:
    """A random mirrored, scaled, slightly stretched and rotated view of a frame.

    anchors: xyxy boxes; if there are any, the centre of a random one stays inside the view. A side of the picture
    that is longer than the target's covers it, a shorter one lies wholly inside. upright: not rotated.
    """
    kind = rng.random()
    plain, close = kind < config.plain_share, kind >= 1 - config.closeup_share
    if plain:
        matrix = letterbox(frame, target)
    elif close and (filled := _closeup(rng, target, anchors, config)) is not None:
        return filled
    else:
        matrix = _random_scale(rng, frame, target, config)
    width, height = frame[1] * matrix[0, 0], frame[0] * matrix[1, 1]
    if rng.random() < 0.5:
        matrix = mirror(width) @ matrix
    if plain:
        return matrix
    focus = None
    if anchors:
        x1, y1, x2, y2 = anchors[int(rng.integers(len(anchors)))][:4]
        focus = matrix @ np.array([(x1 + x2) / 2, (y1 + y2) / 2, 1.0])
    x = _offset(rng, width, target[1], None if focus is None else float(focus[0]))
    y = _offset(rng, height, target[0], None if focus is None else float(focus[1]))
    turned = rng.random() < 0.3 and not upright
    turn = float(rng.uniform(-config.max_rotation, config.max_rotation)) if turned else 0.0
    return about(rotation(turn), target[1] / 2, target[0] / 2) @ shift(x, y) @ matrix


def random_motion(rng: np.random.Generator, target: Size, config: TrainConfig, strength: float = 1.0) -> Matrix:
    """A small similarity about the middle of the input: what camera or object do between two frames."""
    height, width = target
    scale = math.exp(strength * float(rng.uniform(-config.motion_scale, config.motion_scale)))
    turn = strength * float(rng.uniform(-config.motion_rotation, config.motion_rotation))
    dx, dy = strength * rng.uniform(-config.motion_shift, config.motion_shift, 2) * (width, height)
    return shift(float(dx), float(dy)) @ about(scaling(scale, scale) @ rotation(turn), width / 2, height / 2)


def show(picture: NDArray[np.uint8], matrix: Matrix, model: ModelConfig) -> NDArray[np.uint8]:
    """An (H, W, 3) BGR picture through `matrix` as the model's input: (H, W, 3), the border in the model's colour.

    For the matrix of `letterbox`, mirrored or not, these are the pixels that inference shows; any other view is
    reduced by the model's resize rule and then moved by bilinear interpolation.
    """
    height, width = picture.shape[:2]
    fitted = int(height * abs(matrix[1, 1]) + 0.5), int(width * abs(matrix[0, 0]) + 0.5)
    plain = scaling(fitted[1] / width, fitted[0] / height)
    mirrored = bool(np.allclose(matrix, mirror(fitted[1]) @ plain, atol=1e-6))
    whole = 0 < fitted[0] <= model.input_size[0] and 0 < fitted[1] <= model.input_size[1]
    if not whole or not (mirrored or np.allclose(matrix, plain, atol=1e-6)):
        return warp(picture, matrix, model.input_size, model.border_bgr, model.resize)
    fit = resize_frame(picture, fitted, model.resize, available(threads=1))
    shown = np.full((*model.input_size, 3), model.border_bgr, dtype=np.uint8)
    shown[: fitted[0], : fitted[1]] = fit[:, ::-1] if mirrored else fit
    return shown


def warp(
    picture: NDArray[np.uint8], matrix: Matrix, target: Size, border: tuple[int, ...] = (0,), reduce_by: str = "area"
) -> NDArray[np.uint8]:
    """Resample an (H, W) or (H, W, 3) uint8 picture into `target`; what lies outside it gets the border colour.

    Reduction is by the resize rule `reduce_by` first, so that nothing aliases where the rule averages; the rest is
    bilinear.
    """
    height, width = picture.shape[:2]
    scale_x, scale_y = (float(np.hypot(matrix[0, axis], matrix[1, axis])) for axis in (0, 1))
    reduced = max(1, int(width * min(scale_x, 1.0) + 0.5)), max(1, int(height * min(scale_y, 1.0) + 0.5))
    if reduced != (width, height):
        picture = resize_frame(picture, (reduced[1], reduced[0]), reduce_by, available(threads=1))
        matrix = matrix @ scaling(width / reduced[0], height / reduced[1])
    indices = shift(-0.5, -0.5) @ matrix @ shift(0.5, 0.5)
    warped = cv2.warpAffine(
        picture,
        indices[:2],
        (target[1], target[0]),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=border,
    )
    return np.asarray(warped, dtype=np.uint8)


def _random_scale(rng: np.random.Generator, frame: Size, target: Size, config: TrainConfig) -> Matrix:
    fit, cover = sorted((target[0] / frame[0], target[1] / frame[1]))
    scale = math.exp(float(rng.uniform(math.log(config.zoom_out * fit), math.log(config.zoom_in * cover))))
    stretch = math.exp(float(rng.uniform(-config.aspect_jitter, config.aspect_jitter)) / 2)
    return scaling(scale * stretch, scale / stretch)


def _closeup(
    rng: np.random.Generator, target: Size, anchors: Sequence[tuple[float, ...]], config: TrainConfig
) -> Matrix | None:
    """The largest object as large as the input, or up to `closeup_zoom` times so: what is seen of it is one object.

    None where there is none that could be shown so and still be more than a blur.
    """
    if not anchors:
        return None
    x1, y1, x2, y2 = max(anchors, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))[:4]
    fit = min(target[1] / max(x2 - x1, 1), target[0] / max(y2 - y1, 1))
    if fit > SHARP:
        return None
    scale = min(SHARP, fit * math.exp(float(rng.uniform(0, math.log(config.closeup_zoom)))))
    x, y = (float(low + (high - low) * rng.uniform(0.3, 0.7)) for low, high in ((x1, x2), (y1, y2)))
    matrix = shift(target[1] / 2, target[0] / 2) @ scaling(scale, scale) @ shift(-x, -y)
    return mirror(target[1]) @ matrix if rng.random() < 0.5 else matrix


def _offset(rng: np.random.Generator, length: float, target: float, focus: float | None) -> float:
    """Where a picture side of `length` starts inside `target`, with `focus` (from its start) kept inside."""
    low, high = min(0.0, target - length), max(0.0, target - length)
    if focus is not None:
        low, high = (min(max(share * target - focus, low), high) for share in (0.1, 0.9))
    return float(rng.uniform(low, high))
