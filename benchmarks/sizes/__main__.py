"""`python -m stc.benchmarks.sizes`: recall by the size of the objects, and false tracks, as rows for a model card.

An object counts as found in a frame where a track of its class (of a picture: a detection) has its mask with an IoU of
0.5. Its size is the square root of what is seen of it, pixels of the frame. A track is false where most of its frames
have no object, of whatever class or crowd, at 0.5; of classes that are annotated in part none is.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stc.annotations.videos import Video
from stc.benchmarks.evaluation.clip_score import FOUND, clip_score
from stc.benchmarks.evaluation.overlap import overlap
from stc.benchmarks.evaluation.results import Prediction
from stc.benchmarks.timing.intervals import CONFIDENCE, interval, picks
from stc.cli import Parser, command
from stc.errors import InputError
from stc.runtime.tracking import config as tracker_config

if TYPE_CHECKING:
    from stc.benchmarks.evaluation.frames import Frames
    from stc.runtime.session import Session
    from stc.runtime.tracking.config import TrackerConfig
    from stc.runtime.video.frame import Frame

EDGES = (0.0, 16.0, 32.0, 96.0, math.inf)  # pixels
BANDS = ("below 16 px", "16 to 32", "32 to 96", "from 96", "all")
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tally:
    """Of one video: objects by band, those found, int64 (5,); frames (and their minutes), false tracks, changes of the
    track that covers an object.
    """

    there: Counts
    found: Counts
    minutes: float
    false: int
    changes: int


def tally(video: Video, predictions: Sequence[Prediction], minutes: float) -> Tally:
    """Of the tracks (or detections, of a picture) that were found in `video`."""
    seen = overlap([t.masks for t in video.tracks], [p.masks for p in predictions], len(video.files))
    crowd = np.array([track.crowd for track in video.tracks], np.bool_)
    kinds = np.array([track.category for track in video.tracks]), np.array([p.category for p in predictions])
    own = np.where(kinds[0][:, None] == kinds[1], seen.iou, 0).max(axis=2, initial=0) >= FOUND
    sizes = np.sqrt(seen.object_areas[:, ~crowd])
    bands = [(sizes > 0) & (sizes >= low) & (sizes < high) for low, high in pairwise(EDGES)]
    bands.append(sizes > 0)
    inside = seen.intersection / np.maximum(seen.track_areas, 1)[:, None]
    real = (np.where(crowd[:, None], inside, seen.iou) >= FOUND).any(axis=1)
    shown = seen.track_areas > 0
    known = np.array([p.category not in video.incomplete for p in predictions], np.bool_)
    objects = np.flatnonzero(~crowd)
    return Tally(
        np.array([band.sum() for band in bands]),
        np.array([(band & own[:, ~crowd]).sum() for band in bands]),
        minutes,
        int((known & (2 * (real & shown).sum(axis=0) < shown.sum(axis=0))).sum()),
        clip_score(video.name, seen.of(objects, np.arange(len(predictions)))).id_switches,
    )


def thinned(video: Video, every: int) -> Video:
    """Every `every`-th frame of it."""
    tracks = tuple(replace(track, masks=track.masks[::every]) for track in video.tracks)
    return replace(video, files=video.files[::every], tracks=tracks)


def row(tallies: Sequence[Tally]) -> list[str]:
    """Cells: recall of each band with its 95 % interval over resampled videos and how many there were; the rest."""
    there, found = (np.array([getattr(one, name) for one in tallies]) for name in ("there", "found"))
    draws = np.array([[found[pick].sum(axis=0), there[pick].sum(axis=0)] for pick in picks(len(tallies))])
    cells = []
    for band in range(len(BANDS)):
        total = int(there[:, band].sum())
        if not total:
            cells.append("-")
            continue
        asked = draws[:, 1, band] > 0
        share = interval(found[:, band].sum() / total, draws[asked, 0, band] / draws[asked, 1, band], CONFIDENCE)
        cells.append(f"{share.value:.2f} [{share.low:.2f}, {share.high:.2f}] of {total}")
    false, minutes = sum(one.false for one in tallies), sum(one.minutes for one in tallies)
    if minutes:
        return [*cells, f"{false / minutes:.1f} a minute", str(sum(one.changes for one in tallies))]
    return [*cells, f"{false / len(tallies):.2f} a picture", "-"]


def watch(
    session: Session, videos: Sequence[Video], frames: dict[int, Frames], every: int, fps: float, named: dict[int, str]
) -> Iterator[Tally]:
    """What the session finds in each video, of which it is given every `every`-th frame."""
    from stc.benchmarks.evaluation.predict import category_ids, predict
    from stc.progress import bar

    categories = category_ids(session.passport.classes, named)
    with bar("running", len(videos)) as advance:
        for whole in videos:
            video, read = thinned(whole, every), frames[whole.id]
            minutes = 0.0 if len(whole.files) == 1 else len(video.files) * every / fps / 60
            found = predict(session, video, partial(_thinned, read, every), categories, lambda: None)
            yield tally(video, found, minutes)
            advance()


def _thinned(frames: Frames, every: int) -> Iterator[Frame]:
    return islice(frames(), 0, None, every)


def settings(given: Sequence[str], config: TrackerConfig) -> TrackerConfig:
    """`config` with settings as NAME=VALUE. Raises InputError for one that is none, or out of range."""
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if name not in tracker_config.FIELDS or not equals:
            raise InputError(f"--set {text}: give NAME=VALUE with one of {', '.join(tracker_config.FIELDS)}")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return replace(config, **values)


def parser() -> Parser:
    p = Parser(
        prog="python -m stc.benchmarks.sizes", description="Recall by the size of the objects, and false tracks."
    )
    p.add_argument("--model", required=True, metavar="DIR", help="a bundle")
    p.add_argument("--data", type=Path, required=True, metavar="JSON", help="YouTube-VIS or COCO annotations")
    p.add_argument("--frames", type=Path, required=True, metavar="DIR", help="their frames")
    p.add_argument("--clips", metavar="A,B", help="only these clips")
    p.add_argument("--split", help="only what has this value as its `split`")
    p.add_argument("--fps", type=float, default=30.0, metavar="F", help="rate of frames that are pictures (default 30)")
    p.add_argument("--every", default="1", metavar="N,N", help="give the model every N-th frame; several: a row each")
    p.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="of the tracker; repeatable")
    return p


def main(argv: Sequence[str]) -> int:
    arguments = parser().parse_args(argv)
    steps = [int(text) if text.isdecimal() else 0 for text in arguments.every.split(",")]
    if min(steps) < 1:
        raise InputError(f"--every {arguments.every}: whole numbers from 1, with commas between")
    if not (math.isfinite(arguments.fps) and arguments.fps > 0):
        raise InputError(f"--fps must be a positive number; got {arguments.fps}")
    print("\n".join(lines(arguments, steps)))
    return 0


def lines(arguments: argparse.Namespace, steps: Sequence[int]) -> Iterator[str]:
    """The table, row by row."""
    from stc.annotations.file import read_annotations
    from stc.benchmarks.evaluation.frames import find_frames
    from stc.runtime.session import Session

    read = read_annotations(arguments.data, split=arguments.split)
    chosen = read.only(arguments.clips.split(",")) if arguments.clips else read
    if not any(video.tracks for video in chosen.videos):
        raise InputError(f"{arguments.data}: no annotated object; check --split and --clips")
    frames = find_frames(chosen, arguments.frames, arguments.fps)
    with Session(arguments.model) as session:
        session.tracker_config = settings(arguments.set, session.tracker_config)
        yield "| " + " | ".join(["frames a second", *BANDS, "false", "cover changes"]) + " |"
        yield "|" + " --- |" * (len(BANDS) + 3)
        for every in steps:
            tallies = list(watch(session, chosen.videos, frames, every, arguments.fps, chosen.categories))
            rate = f"{arguments.fps / every:g}" if any(one.minutes for one in tallies) else "pictures"
            yield "| " + " | ".join([rate, *row(tallies)]) + " |"


entry = command(main)

if __name__ == "__main__":
    entry()
