"""The worst frames and instances of a comparison, to look at."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.agreement.matching import match, thresholds
from stc.benchmarks.agreement.metrics import BUDGETS
from stc.benchmarks.agreement.parity import mask_iou
from stc.benchmarks.agreement.proof import Proof
from stc.benchmarks.reference import FrameOutputs
from stc.benchmarks.report.structure import Report
from stc.errors import InputError
from stc.files import check_folder, write_bytes
from stc.runtime.bundle.passport import Passport
from stc.runtime.masks.axis import MASK_THRESHOLD
from stc.runtime.video.sinks import made

Array = NDArray[Any]
WORST = 6
NAMED = r".+-\d+-frame\d{3,}-.+\.png"  # how `write` calls its files: model, rank, frame, class and row
SIDE = 360  # pixels of a picture's longer side
MARGIN = 0.25  # of the box, around it
BOTH, ONLY_EXPECTED, ONLY_FOUND = (96, 168, 80), (0, 140, 255), (200, 60, 200)  # BGR


@dataclass(frozen=True)
class Instance:
    """One object of the comparison, or one that only one run has (then the other's row is None)."""

    frame: int
    expected: int | None
    found: int | None
    iou: float  # of the masks; 0 where one is missing


@dataclass(frozen=True)
class Picture:
    name: str
    caption: str
    pixels: Array  # uint8 (H, W, 3) BGR


def worst(proof: Proof, passport: Passport, precision: str, count: int = WORST) -> list[Instance]:
    """The `count` instances whose masks agree least: those without a partner first. Not those that rounding decided."""
    limits = thresholds(passport, BUDGETS[precision].margin)
    instances = []
    for frame, (expected, found) in enumerate(zip(proof.truth.reference.outputs, proof.outputs, strict=True)):
        matches = match(expected, found, limits)
        instances += [Instance(frame, int(row), None, 0.0) for row in matches.missed]
        instances += [Instance(frame, None, int(row), 0.0) for row in matches.extra]
        a, b = matches.pairs.reshape(-1, 2).T
        ious = mask_iou(expected.masks[a], found.masks[b]).tolist()
        instances += [Instance(frame, *rows) for rows in zip(a.tolist(), b.tolist(), ious, strict=True)]
    return sorted(instances, key=lambda instance: instance.iou)[:count]


def draw(proof: Proof, passport: Passport, instance: Instance) -> Picture:
    """The instance's part of its frame: where both masks are, and where only one is."""
    expected = _row(proof.truth.reference.outputs[instance.frame], instance.expected)
    found = _row(proof.outputs[instance.frame], instance.found)
    shown = expected or found
    assert shown is not None
    label, score, box = shown[:3]
    frame = proof.truth.reference.frames[instance.frame]
    pixels = _crop(_blend(frame, _enlarged(expected, frame), _enlarged(found, frame)), box)
    name = passport.classes[label] if 0 <= label < len(passport.classes) else f"label {label}"
    which = (
        "only in PyTorch" if found is None else "not in PyTorch" if expected is None else f"mask IoU {instance.iou:.4f}"
    )
    return Picture(
        f"frame{instance.frame:03d}-{name}-{instance.expected if instance.expected is not None else instance.found}",
        f"frame {instance.frame}, {name} {score:.2f}: {which}",
        pixels,
    )


def of_report(report: Report) -> dict[str, list[Picture]]:
    """By the model's label; the most telling first. Nothing for a model without a reference."""
    return {
        model.label: [draw(model.proof, model.passport, i) for i in worst(model.proof, model.passport, model.precision)]
        for model in report.models
        if model.proof is not None
    }


def check(folder: Path, beside: Iterable[Path]) -> None:
    """Raise InputError when `write` could not write into `folder`, or would mix with files that it did not write.

    beside: files that may be there.
    """
    check_folder(folder)
    if others := made.foreign(folder, beside, NAMED):
        raise InputError(
            f"{folder}: holds files that stc-bench did not write ({made.shown(others)}); choose an empty folder for "
            "the pictures, such as: --explain worst"
        )


def write(pictures: dict[str, list[Picture]], folder: Path) -> None:
    """PNG files, each with what it shows in its name, in place of those of an earlier run.

    Raises InputError when the folder cannot be written.
    """
    from stc.runtime.drawing.encode import encoded

    made.remove(folder, NAMED)
    for label, drawn in pictures.items():
        for rank, picture in enumerate(drawn, 1):
            name = re.sub(r"[^\w.-]+", "_", f"{label}-{rank}-{picture.name}")
            path = folder / f"{name}.png"
            write_bytes(path, made.marked(encoded(picture.pixels, path)))


Row = tuple[int, float, Array, Array]


def _row(outputs: FrameOutputs, row: int | None) -> Row | None:
    if row is None:
        return None
    return int(outputs.labels[row]), float(outputs.scores[row]), outputs.boxes[row], outputs.masks[row]


def _enlarged(row: Row | None, frame: Array) -> Array:
    """The mask on the input's pixels: bool (H, W)."""
    height, width = frame.shape[:2]
    if row is None:
        return np.zeros((height, width), np.bool_)
    from PIL import Image

    cells = np.nan_to_num(row[3]).astype(np.float32)
    stride = round(width / cells.shape[1]) or 1
    size = (cells.shape[1] * stride, cells.shape[0] * stride)
    large = np.asarray(Image.fromarray(cells).resize(size, Image.Resampling.BILINEAR))
    mask = np.zeros((height, width), np.bool_)
    part = large[:height, :width] > MASK_THRESHOLD
    mask[: part.shape[0], : part.shape[1]] = part
    return mask


def _blend(frame: Array, expected: Array, found: Array) -> Array:
    pixels = frame.astype(np.float32)
    for where, colour, strength in (
        (expected & found, BOTH, 0.45),
        (expected & ~found, ONLY_EXPECTED, 0.85),
        (found & ~expected, ONLY_FOUND, 0.85),
    ):
        pixels[where] = (1 - strength) * pixels[where] + strength * np.array(colour, np.float32)
    return pixels.round().astype(np.uint8)


def _crop(pixels: Array, box: Array) -> Array:
    """Around `box`, enlarged so that the longer side has `SIDE` pixels; the whole picture for a box that is no box."""
    from PIL import Image

    height, width = pixels.shape[:2]
    if np.isfinite(box).all() and box[2] > box[0] and box[3] > box[1]:
        space = MARGIN * max(box[2] - box[0], box[3] - box[1]) + 4
        x1, y1 = (int(max(0, value - space)) for value in box[:2])
        x2, y2 = int(min(width, box[2] + space)), int(min(height, box[3] + space))
        if x2 > x1 and y2 > y1:
            pixels = pixels[y1:y2, x1:x2]
    scale = SIDE / max(pixels.shape[:2])
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.NEAREST))
