"""Masks and ids against ground truth: `python -m stc.benchmarks.accuracy --model M --data J --frames D`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.annotations import Clip, decode_mask, read_clips
from stc.benchmarks.scoring import Score, overall, overlap, score
from stc.cli import Parser, run
from stc.errors import InputError

if TYPE_CHECKING:
    from stc.runtime.session import Session


def evaluate(session: Session, clip: Clip, folder: Path, advance: Callable[[], None] = lambda: None) -> Score:
    """Run a clip through a fresh stream and score it. Raises InputError when a frame is missing or has another size."""
    from stc.runtime.video.pictures import read_picture

    stream = session.stream(clip.name)
    frames, confirmed = [], set()
    for index, name in enumerate(clip.files):
        picture = read_picture(folder / name)
        if picture.shape[:2] != clip.size:
            raise InputError(f"{folder / name}: {picture.shape[:2]}, but the annotations are for {clip.size}")
        result = stream(picture)
        confirmed |= {event.handle for event in result.events if event.kind == "born"}
        frames.append(overlap(_objects(clip, index), result.masks.dense(), result.handles))
        advance()
    stream.close()
    return score(clip.name, frames, confirmed)


def _objects(clip: Clip, index: int) -> NDArray[np.bool_]:
    """(objects, H, W) of one frame; a clip may have none. Raises InputError for a mask of another size."""
    masks = np.zeros((len(clip.objects), *clip.size), np.bool_)
    try:
        for mask, segmentations in zip(masks, clip.objects, strict=True):
            mask[:] = decode_mask(segmentations[index], clip.size)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{clip.name}, frame {index}: malformed segmentation ({error})") from error
    return masks


def main(argv: Sequence[str]) -> int:
    parser = Parser(
        prog="python -m stc.benchmarks.accuracy", description="Masks and ids of a model against annotated clips."
    )
    parser.add_argument("--model", required=True, metavar="MODEL", help="a bundle, or a model file in one")
    parser.add_argument("--data", required=True, metavar="JSON", help="YouTube-VIS annotations")
    parser.add_argument("--frames", required=True, metavar="DIR", help="folder that their file names start from")
    parser.add_argument("--clips", metavar="A,B", help="only these clips, by the folder name of their frames")
    parser.add_argument("--json", metavar="FILE", help="write the scores as JSON")
    arguments = parser.parse_args(argv)

    from stc.benchmarks.progress import bar
    from stc.files import write_text
    from stc.runtime.session import Session

    clips = read_clips(Path(arguments.data), arguments.clips.split(",") if arguments.clips else None)
    session = Session(arguments.model)
    with bar("running", sum(len(clip.files) for clip in clips)) as advance:
        scores = [evaluate(session, clip, Path(arguments.frames), advance) for clip in clips]
    for line in [*scores, overall(scores)]:
        print(
            f"{line.name:24s} J {line.mean_j:.3f}  recall {line.recall:.3f}  id switches {line.id_switches}  "
            f"({line.objects} objects, {line.frames} annotated frames)"
        )
    if arguments.json:
        write_text(Path(arguments.json), json.dumps([asdict(s) for s in [*scores, overall(scores)]], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
