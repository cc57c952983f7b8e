"""Small valid annotations and results of both kinds, and what mutates their masks, for the fuzzers."""

from __future__ import annotations

import json
import random
from typing import Any

from tests.benchmarks.evaluation import scenes
from tests.mutations import EXTREMES, ODD, damaged, odd_json
from tests.run_lengths import compressed, wrapping

SIZE = (60, 96)
BOXES: list[scenes.Box | None] = [(8, 8, 20, 10), None, (10, 8, 20, 12)]
POLYGON = [10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0]


def videos() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    objects = [
        {"boxes": BOXES, "occlusion": ["no_occlusion", None, "severe_occlusion"]},
        {"category": 2, "boxes": BOXES, "crowd": 1, "occlusion": [None, None, None]},
        {"category": 2, "boxes": [BOXES[0]] * 2, "video": 2, "occlusion": [None, "slight_occlusion"]},
    ]
    truth = scenes.annotations(SIZE, [3, 2], objects, ("cat", "dog"))
    truth["annotations"][0]["segmentations"][0] = [POLYGON]
    truth["annotations"][1]["segmentations"][2] = scenes.uncompressed(scenes.rle(BOXES[2], SIZE))
    found = scenes.results(SIZE, [{"score": s, "boxes": BOXES} for s in (0.5, 1)])
    return truth, found + scenes.results(SIZE, [{"score": 0.25, "boxes": [BOXES[0]] * 2, "video": 2, "category": 2}])


def pictures() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    size = {"height": SIZE[0], "width": SIZE[1]}
    masks = [scenes.rle((8, 8, 20, 10), SIZE), [POLYGON], scenes.uncompressed(scenes.rle((3, 3, 9, 9), SIZE))]
    annotations = [
        {"id": i, "image_id": image, "category_id": 1 + i % 2, "segmentation": mask, "area": 190.5, "iscrowd": i % 2}
        for i, (image, mask) in enumerate(zip((2, 2, 5), masks, strict=True))
    ]
    found = [
        {"image_id": image, "category_id": 1, "score": 0.5, "segmentation": mask}
        for image, mask in zip((2, 5, 5), masks, strict=True)
    ]
    return {
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "images": [{"id": id, "file_name": f"{id}.png", **size} for id in (2, 5)],
        "annotations": annotations,
    }, found


def mutated(r: random.Random, content: Any) -> bytes:
    """The file of a JSON value with something odd in it: a part of another kind, a mask of impossible runs, bytes."""
    changed = json.loads(json.dumps(content))
    for _ in range(r.choice((0, 0, 1, 1, 2))):
        masks = [mask for mask in _masks(changed) if mask]
        if masks:
            _change_mask(r, r.choice(masks))
    if r.random() < 0.6:
        changed = odd_json(r, changed)
    text = json.dumps(changed).encode()
    match r.randrange(40):
        case 0:
            return b"[" * r.choice((500, 100_000)) + b"]" * 500
        case 1 | 2:
            return damaged(r, text)
        case 3:
            return text.replace(b"0.5", b"9" * r.choice((400, 5000)))
        case 4:
            return b"\xef\xbb\xbf" + text
        case 5:  # a part so deep that the parser takes it, and nothing that walks through it by recursion
            return text.replace(b'"cat"', b"[" * 900 + b"]" * 900).replace(
                b'"counts"', b'"counts": ' + b"[" * 900 + b"]" * 900 + b', "c"'
            )
    return text


def _masks(value: Any) -> list[Any]:
    """Everything that is a mask: RLEs and lists of polygons."""
    found = []
    left = [value]
    while left:
        here = left.pop()
        if isinstance(here, dict):
            found += [here] if "counts" in here else []
            left += here.values()
            found += [here["segmentation"]] if isinstance(here.get("segmentation"), list) else []
        elif isinstance(here, list):
            left += here
    return found


def _change_mask(r: random.Random, mask: Any) -> None:
    pixels = SIZE[0] * SIZE[1]
    if isinstance(mask, list):
        corners = [r.choice((0, 1, 50.5, -7, 999, -999, 1e3, *EXTREMES)) for _ in range(r.choice((2, 6, 8, 600)))]
        mask[0] = r.choice((corners, [r.uniform(-9, 99) for _ in range(r.choice((6, 20)))], r.choice(ODD)))
        return
    runs = [r.choice((0, 0, 1, 5, 96, pixels, *EXTREMES)) for _ in range(r.choice((1, 2, 5, 40)))]
    valid = sorted(r.sample(range(pixels), r.choice((1, 4, 30))))
    filling = [end - start for start, end in zip([0, *valid], [*valid, pixels], strict=True)]
    for _ in range(r.choice((0, 0, 1, 5))):
        filling[r.randrange(1, len(filling) + 1) : 0] = [0, 0]
    chosen = r.choice((runs, filling, filling, filling))
    text = compressed(wrapping(pixels)) if r.random() < 0.02 else compressed(chosen)
    mask["counts"] = r.choice((chosen, text, text, damaged(r, text.encode()).decode("latin-1"), r.choice(ODD)))
