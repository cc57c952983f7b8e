"""`python -m stc.benchmarks.association`: how often the nearest of the same-class objects of an earlier frame is the
object itself, for each weight of the appearance (`TrackerConfig.appearance_weight`).

An object is detected where a detection of its class covers its true mask with an IoU above 0.5. For every object in two
frames `gap` apart, with another of its class in the earlier one, the detections of the earlier frame are ranked by the
similarity of the default rule. "all": objects that are not detected in both frames count as mistaken.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.annotations import masks as segmentation
from stc.annotations.file import read_annotations
from stc.annotations.videos import Video
from stc.benchmarks.evaluation.frames import Frames, find_frames
from stc.benchmarks.evaluation.predict import category_ids
from stc.cli import Parser, command
from stc.errors import InputError
from stc.runtime.session import Session

GAPS = (5, 15, 30)  # frames
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
IOU = 0.5


@dataclass(frozen=True)
class Seen:
    """The objects of one frame: `there` (their indices) and, of those detected, what the model says by index."""

    there: frozenset[int]
    embeddings: dict[int, NDArray[Any]]
    appearance: dict[int, NDArray[Any]]
    scores: dict[int, float]


def main(argv: Sequence[str]) -> int:
    p = Parser(
        prog="python -m stc.benchmarks.association", description="Top-1 association by the weight of the appearance."
    )
    p.add_argument("--model", required=True, metavar="DIR", help="a bundle of stc-export --appearance")
    p.add_argument("--data", type=Path, required=True, metavar="JSON", help="YouTube-VIS annotations")
    p.add_argument("--frames", type=Path, required=True, metavar="DIR", help="their frames")
    arguments = p.parse_args(argv)
    _print(arguments)
    return 0


def _print(arguments: argparse.Namespace) -> None:
    annotations = read_annotations(arguments.data)
    frames = find_frames(annotations, arguments.frames, 30.0)
    with Session(arguments.model) as session:
        if not session.passport.appearance_dim or not session.passport.has_tracking_head:
            raise InputError(f"{arguments.model}: gives no appearance or no embedding; export with --appearance")
        categories = category_ids(session.passport.classes, annotations.categories)
        clips = [(v, list(watch(session, v, frames[v.id], categories))) for v in annotations.videos]
    print("| gap | weight | all | detected |\n| --- | --- | --- | --- |")
    for gap in GAPS:
        for weight in WEIGHTS:
            right, detected, every = np.sum([hits(video, seen, gap, weight) for video, seen in clips], axis=0)
            shares = " | ".join(f"{right / max(asked, 1):.3f} ({asked})" for asked in (every, detected))
            print(f"| {gap} | {weight} | {shares} |")


def watch(session: Session, video: Video, frames: Frames, categories: dict[int, int]) -> Iterator[Seen]:
    """What the model sees of the objects of a clip, frame by frame."""
    stream = session.stream(video.name)
    for index, frame in enumerate(frames()):
        result = stream(frame.image, frame.time)
        there = [i for i, track in enumerate(video.tracks) if track.masks[index] is not None and not track.crowd]
        seen = Seen(frozenset(there), {}, {}, {})
        if len(result) and there:
            truth: list[Any] = [video.tracks[i].masks[index] for i in there]
            overlap = np.array(segmentation.iou(truth, result.masks.rle()))
            classes = np.array([categories.get(int(label) + 1, -1) for label in result.labels])
            own = np.array([video.tracks[i].category for i in there])
            overlap = np.where(own[:, None] == classes, overlap, 0)
            assert result.appearance is not None
            for row, column in enumerate(overlap.argmax(axis=1)):
                if overlap[row, column] > IOU and overlap[:, column].argmax() == row:
                    i = there[row]
                    seen.embeddings[i], seen.appearance[i] = result.embeddings[column], result.appearance[column]
                    seen.scores[i] = float(result.scores[column])
        yield seen
    stream.close()


def hits(video: Video, seen: Sequence[Seen], gap: int, weight: float) -> tuple[int, int, int]:
    """Right answers, questions whose object is detected in both frames, and all questions."""
    right = detected = every = 0
    for before, now in zip(seen, seen[gap:], strict=False):
        for i in now.there & before.there:
            rivals = [j for j in before.there if video.tracks[j].category == video.tracks[i].category]
            if len(rivals) < 2:
                continue
            every += 1
            if i not in now.scores or i not in before.scores:
                continue
            detected += 1
            known = [j for j in rivals if j in before.scores]
            values = [similarity(now, i, before, j, weight) for j in known]
            right += known[int(np.argmax(values))] == i
    return right, detected, every


def similarity(now: Seen, i: int, before: Seen, j: int, weight: float) -> float:
    """As the default rule has it: cosines, that of the embeddings drawn towards the appearances' by weight x score."""
    share = weight * now.scores[i]
    looks = _cosine(now.appearance[i], before.appearance[j])
    return (1 - share) * _cosine(now.embeddings[i], before.embeddings[j]) + share * looks


def _cosine(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))


entry = command(main)

if __name__ == "__main__":
    entry()
