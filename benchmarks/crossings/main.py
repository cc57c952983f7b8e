"""`python -m stc.benchmarks.crossings`: composites with crossings, as a YouTube-VIS folder that stc-eval scores."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stc.cli import Parser, command
from stc.errors import InputError
from stc.files import write_text
from stc.folders import Folder, find

if TYPE_CHECKING:
    from stc.benchmarks.crossings.cutouts import Cutout, Material
    from stc.benchmarks.evaluation.frames import Frames

FPS = 30.0
ANNOTATIONS = "annotations.json"


def parser() -> argparse.ArgumentParser:
    p = Parser(
        prog="python -m stc.benchmarks.crossings",
        description="Make scenes in which annotated objects cross in front of each other, to count id switches with: "
        "stc-eval --model M --data OUT/annotations.json --frames OUT",
    )
    p.add_argument(
        "--data", type=Path, action="append", required=True, metavar="JSON", help="YouTube-VIS or COCO; repeatable"
    )
    p.add_argument(
        "--frames", type=Path, action="append", required=True, metavar="DIR", help="their frames; one per --data"
    )
    p.add_argument("--clips", metavar="A,B", help="of clips only these; pictures without objects are the backgrounds")
    p.add_argument("--split", help="only what has this value as its `split`, where files have it")
    p.add_argument("--scenes", type=int, default=20, metavar="N", help="default 20")
    p.add_argument("--seed", type=int, default=0, help="equal seeds make equal scenes (default 0)")
    p.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="a new folder")
    return p


def main(argv: Sequence[str]) -> int:
    arguments = parser().parse_args(argv)
    if len(arguments.data) != len(arguments.frames):
        raise InputError(f"{len(arguments.data)} --data but {len(arguments.frames)} --frames: give one for each")
    if arguments.scenes < 1 or arguments.seed < 0:
        raise InputError("--scenes must be 1 or more, --seed 0 or more")
    if arguments.output.exists():
        raise InputError(f"{arguments.output} exists; remove it or choose another --output")
    output = find(arguments.output, "-o OUT")
    crossings, objects = make(output, *_read(arguments), arguments.scenes, arguments.seed)
    print(f"{arguments.scenes} scenes, {objects} objects, {crossings} crossings, in {arguments.output}")
    return 0


def make(
    output: Path, material: Sequence[Material], categories: dict[int, str], scenes: int, seed: int
) -> tuple[int, int]:
    """Fill `output` with scenes; equal seeds make equal ones. Returns the numbers of crossings and of objects.

    Raises InputError when `material` has too little to make them of.
    """
    from stc.benchmarks.crossings.cutouts import find_backgrounds, find_cutouts
    from stc.progress import bar

    cutouts, backgrounds = find_cutouts(material, categories), find_backgrounds(material)
    if len(cutouts) < 3 or not backgrounds:
        raise InputError(
            f"{len(cutouts)} objects large enough to cut out and {len(backgrounds)} pictures without objects; three "
            "and one are needed: add a --data file"
        )
    content: dict[str, Any] = {"info": {"seed": seed, "crossings": 0}, "videos": [], "annotations": []}
    content["categories"] = [{"id": id, "name": name} for id, name in categories.items()]
    ids = {name: id for id, name in categories.items()}
    with Folder(output).filled(last=ANNOTATIONS) as folder:
        with bar("composing", scenes) as advance:
            for number in range(scenes):
                _compose(folder, (seed, number), cutouts, backgrounds, ids, content)
                advance()
        write_text(folder / ANNOTATIONS, json.dumps(content))
    return content["info"]["crossings"], len(content["annotations"])


entry = command(main)


def _read(arguments: argparse.Namespace) -> tuple[list[Material], dict[int, str]]:
    from stc.annotations.file import read_annotations
    from stc.benchmarks.crossings.cutouts import Material
    from stc.benchmarks.evaluation.frames import find_frames

    material, categories = [], None
    for data, place in zip(arguments.data, arguments.frames, strict=True):
        read = read_annotations(data, split=arguments.split)
        if categories not in (None, read.categories):
            raise InputError(f"{data}: other categories than {arguments.data[0]}; give all files the same")
        categories = read.categories
        if arguments.clips and not all(video.picture for video in read.videos):
            read = read.only(arguments.clips.split(","))
        material.append(Material(read.videos, find_frames(read, place, FPS)))
    return material, categories or {}


def _compose(
    folder: Path,
    seed: tuple[int, int],
    cutouts: Sequence[Cutout],
    backgrounds: Sequence[Frames],
    ids: dict[str, int],
    content: dict[str, Any],
) -> None:
    """One scene: its frames under `folder`, its video, tracks and crossings into `content`."""
    import cv2
    import numpy as np

    from stc.annotations.masks import encode
    from stc.benchmarks.crossings import scene
    from stc.runtime.drawing.encode import JPEG_QUALITY

    rng = np.random.default_rng(seed)
    name = f"scene-{seed[1]:03d}"
    (folder / name).mkdir(parents=True)
    objects = scene.choose(rng, cutouts)
    background = next(iter(backgrounds[int(rng.integers(len(backgrounds)))]())).image
    wholes, masks = [], []
    for index, frame in enumerate(scene.render(background, objects, scene.lay_out(rng, len(objects)))):
        encoded = cv2.imencode(".jpg", frame.picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        (folder / name / f"{index:05d}.jpg").write_bytes(encoded.tobytes())  # cv2.imwrite is silent about a full disk
        wholes.append(frame.whole)
        masks.append([encode(mask) if mask.any() else None for mask in frame.visible])
    video = seed[1] + 1
    height, width = scene.SIZE
    files = [f"{name}/{index:05d}.jpg" for index in range(scene.LENGTH)]
    content["videos"].append({"id": video, "height": height, "width": width, "file_names": files})
    for index, cutout in enumerate(objects):
        entry = {"id": len(content["annotations"]) + 1, "video_id": video, "category_id": ids[cutout.name]}
        content["annotations"].append(entry | {"segmentations": [row[index] for row in masks]})
    content["info"]["crossings"] += scene.crossed(wholes)
