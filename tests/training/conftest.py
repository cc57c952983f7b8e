"""A tiny data set on disk: two stills in COCO form and one clip in YTVIS form, coloured blobs on noise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pycocotools import mask as coco

from stc.training.data.annotations import Source

CATEGORIES = [{"id": 4, "name": "disc"}, {"id": 9, "name": "square"}]
SIZE = (96, 128)  # (H, W)


def blob(kind: str, x: float, y: float, radius: float, size: tuple[int, int] = SIZE) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    if kind == "disc":
        return np.asarray((columns - x) ** 2 + (rows - y) ** 2 < radius**2)
    return np.asarray(np.maximum(abs(columns - x), abs(rows - y)) < radius)


def encode(mask: NDArray[np.bool_]) -> dict[str, object]:
    rle = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(rle["size"]), "counts": rle["counts"].decode()}


def draw(path: Path, masks: list[NDArray[np.bool_]], seed: int) -> None:
    picture = np.random.default_rng(seed).integers(90, 120, (*SIZE, 3), dtype=np.uint8)
    for mask, colour in zip(masks, [(30, 30, 220), (220, 60, 20)], strict=False):
        picture[mask] = colour
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Pictures here are tiny: a second thread only waits, and spins when the machine is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def stills(tmp_path: Path) -> Source:
    """Three pictures: disc and square, square with a crowd, and one of split `val`."""
    folder = tmp_path / "stills"
    first = [blob("disc", 40, 50, 22), blob("square", 95, 40, 18)]
    second = [blob("square", 64, 48, 30)]
    crowd = np.zeros(SIZE, dtype=bool)
    crowd[80:, :40] = True
    draw(folder / "a.png", first, 0)
    draw(folder / "b.png", second, 1)
    draw(folder / "c.png", second, 2)
    polygon = [[34.0, 18.0, 94.0, 18.0, 94.0, 78.0, 34.0, 78.0]]
    data = {
        "categories": CATEGORIES[::-1],  # labels follow the ids, not the order in the file
        "images": [
            {"id": i, "file_name": f"{name}.png", "height": SIZE[0], "width": SIZE[1], "split": split}
            for i, (name, split) in enumerate([("a", "train"), ("b", "train"), ("c", "val")])
        ],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 4, "iscrowd": 0, "segmentation": encode(first[0])},
            {"id": 2, "image_id": 0, "category_id": 9, "iscrowd": 0, "segmentation": encode(first[1])},
            {"id": 3, "image_id": 1, "category_id": 9, "iscrowd": 0, "segmentation": polygon},
            {"id": 4, "image_id": 1, "category_id": 9, "iscrowd": 1, "segmentation": encode(crowd)},
            {"id": 5, "image_id": 2, "category_id": 9, "iscrowd": 0, "segmentation": encode(second[0])},
        ],
    }
    (folder / "annotations.json").write_text(json.dumps(data))
    return Source(folder / "annotations.json", folder)


@pytest.fixture
def clips(tmp_path: Path) -> Source:
    """Two clips, `moving` (4 frames, the object absent from the last) and `secret` (2 frames)."""
    folder = tmp_path / "clips"
    videos, annotations = [], []
    for video, (name, length) in enumerate([("moving", 4), ("secret", 2)], start=1):
        masks = [blob("disc", 30 + 8 * index, 48, 20) for index in range(length)]
        files = [f"{name}/{index:05d}.png" for index in range(length)]
        for index, file in enumerate(files):
            draw(folder / file, [masks[index]], index)
        segmentations: list[object] = [encode(mask) for mask in masks]
        if name == "moving":
            segmentations[-1] = None
        videos.append({"id": video, "height": SIZE[0], "width": SIZE[1], "length": length, "file_names": files})
        annotations.append({"id": video, "video_id": video, "category_id": 4, "segmentations": segmentations})
    data = {"categories": CATEGORIES, "videos": videos, "annotations": annotations}
    (folder / "annotations.json").write_text(json.dumps(data))
    return Source(folder / "annotations.json", folder)
