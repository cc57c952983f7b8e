"""Annotations and results painted as rectangles, as files and as their readers give them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco

from stc.annotations.file import read_annotations
from stc.benchmarks.evaluation.evaluate import Evaluation, EvaluationReport
from stc.benchmarks.evaluation.results import read_results

Box = tuple[int, int, int, int]  # x, y, width, height


def rle(box: Box | None, size: tuple[int, int]) -> dict[str, Any] | None:
    """Compressed, as JSON holds it; None for a box without a pixel in the picture."""
    if box is None:
        return None
    mask = np.zeros(size, np.uint8, order="F")
    x, y, width, height = box
    mask[y : y + height, x : x + width] = 1
    encoded = coco.encode(mask)
    return {"size": list(size), "counts": encoded["counts"].decode()} if mask.any() else None


def uncompressed(segmentation: dict[str, Any] | None) -> dict[str, Any] | None:
    if segmentation is None:
        return None
    flat = coco.decode(segmentation).flatten(order="F")
    counts = np.diff([0, *(np.flatnonzero(np.diff(flat)) + 1), flat.size]).tolist()
    return {"size": segmentation["size"], "counts": [0, *counts] if flat[0] else counts}


def annotations(
    size: tuple[int, int],
    lengths: Sequence[int],
    objects: Sequence[dict[str, Any]],
    classes: Sequence[str] = ("c1",),
) -> dict[str, Any]:
    """objects: {"video", "category", "boxes": one per frame or None, "crowd", "occlusion"}; ids count from 1."""
    entries = []
    for index, item in enumerate(objects, 1):
        masks = [rle(box, size) for box in item["boxes"]]
        areas = [None if mask is None else int(coco.area(mask)) for mask in masks]
        entry = {"id": index, "video_id": item.get("video", 1), "category_id": item.get("category", 1)}
        entry |= {"iscrowd": int(item.get("crowd", 0)), "height": size[0], "width": size[1]}
        entry |= {"segmentations": masks, "areas": areas}
        entries.append(entry | ({"occlusion": item["occlusion"]} if "occlusion" in item else {}))
    return {
        "videos": [
            {"id": i, "height": size[0], "width": size[1], "file_names": [f"v{i}/{t:05d}.png" for t in range(length)]}
            for i, length in enumerate(lengths, 1)
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(classes, 1)],
        "annotations": entries,
    }


def results(size: tuple[int, int], tracks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """tracks: {"video", "category", "score", "boxes"}."""
    return [
        {
            "video_id": item.get("video", 1),
            "category_id": item.get("category", 1),
            "score": item["score"],
            "segmentations": [rle(box, size) for box in item["boxes"]],
        }
        for item in tracks
    ]


def evaluate(
    folder: Path, truth: dict[str, Any], found: list[dict[str, Any]], min_area: float = 0.0
) -> EvaluationReport:
    """Through the files, as the command does."""
    (folder / "gt.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(found))
    read = read_annotations(folder / "gt.json")
    predictions = read_results(folder / "results.json", read)
    evaluation = Evaluation(read, min_area)
    for video in read.videos:
        evaluation.add(video, predictions.get(video.id, []))
    return evaluation.report()


LEVELS = ("no_occlusion", "slight_occlusion", "severe_occlusion")
SIDES = (20, 60, 128, 160, 256, 300)  # areas on both sides of the limits of the ranges, and on them


def random_scene(
    seed: int, *, crowds: bool = False, occlusion: bool = False, length: int | None = None
) -> tuple[tuple[int, int], dict[str, Any], list[dict[str, Any]]]:
    """Size, annotations and results of a few videos: objects that move and vanish, tracks that follow, swap or invent.

    Scores come from few values, so that they tie.
    """
    rng = np.random.default_rng(seed)
    size = (320, 340)
    lengths = [length or int(rng.integers(1, 6)) for _ in range(3)]
    objects, tracks = [], []
    for video, frames in enumerate(lengths, 1):
        here = [_object(rng, video, frames, crowds, occlusion) for _ in range(rng.integers(0, 5))]
        objects += here
        for item in here:
            tracks += [_follow(rng, item, here) for _ in range(rng.integers(0, 4))]
        tracks += [_follow(rng, _object(rng, video, frames, False, False), []) for _ in range(rng.integers(0, 3))]
    if not objects:
        objects.append(_object(rng, 1, lengths[0], False, occlusion))
    order = rng.permutation(len(tracks))
    classes = ("c1", "c2", "c3")
    return size, annotations(size, lengths, objects, classes), results(size, [tracks[i] for i in order])


def _object(rng: np.random.Generator, video: int, frames: int, crowds: bool, occlusion: bool) -> dict[str, Any]:
    w, h = (int(v) for v in rng.choice(SIDES, 2))
    x, y = int(rng.integers(0, 340 - w)), int(rng.integers(0, 320 - h))
    boxes: list[Box | None] = [(x + 2 * t, y + t, w, h) if rng.random() < 0.8 else None for t in range(frames)]
    if not any(boxes):
        boxes[0] = (x, y, w, h)
    item: dict[str, Any] = {"video": video, "category": int(rng.integers(1, 3)), "boxes": boxes}
    if crowds:
        item["crowd"] = rng.random() < 0.3
    if occlusion:
        item["occlusion"] = [None if box is None else str(rng.choice(LEVELS)) for box in boxes]
    return item


def _follow(rng: np.random.Generator, item: dict[str, Any], others: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A track of `item`: shifted by a little or more, with gaps, sometimes going over to another object."""
    shift = int(rng.choice((0, 0, 3, 10, 30)))
    turn = int(rng.integers(0, len(item["boxes"]) + 1)) if len(others) > 1 and rng.random() < 0.4 else None
    target = others[int(rng.integers(0, len(others)))] if others else item
    boxes: list[Box | None] = []
    for t, own in enumerate(item["boxes"]):
        box = target["boxes"][t] if turn is not None and t >= turn else own
        visible = box is not None and rng.random() < 0.85
        boxes.append((box[0] + shift, box[1] + shift // 2, box[2], box[3]) if visible and box is not None else None)
    category = item["category"] if rng.random() < 0.85 else int(rng.integers(1, 4))
    return {
        "video": item["video"],
        "category": category,
        "score": float(rng.choice((0.3, 0.5, 0.5, 0.9))),
        "boxes": boxes,
    }
