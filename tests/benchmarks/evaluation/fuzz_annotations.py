"""Annotation files of videos and of pictures: read, scored against valid results, every mask decoded."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

from stc.annotations import masks
from stc.annotations.file import read_annotations
from stc.benchmarks.evaluation.evaluate import Evaluation
from stc.benchmarks.evaluation.main import main
from tests.benchmarks.evaluation import annotated


def cases(folder: Path) -> Callable[[random.Random], object]:
    both = annotated.videos(), annotated.pictures()
    data, results, scores = (folder / name for name in ("data.json", "results.json", "scores.json"))
    Evaluation(read_annotations(_written(data, both[0][0])))

    def case(r: random.Random) -> None:
        truth, found = r.choice(both)
        results.write_text(json.dumps(found))
        data.write_bytes(annotated.mutated(r, truth))
        for video in read_annotations(data).videos:
            for rle in (rle for track in video.tracks for rle in track.masks if rle is not None):
                assert masks.decode(rle).shape == video.size
                assert masks.decode(rle).sum() == masks.areas([rle])[0] > 0
                assert min(masks.box(rle)[2:]) > 0
        main(["--data", str(data), "--results", str(results), "--json", str(scores)])

    return case


def _written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path
