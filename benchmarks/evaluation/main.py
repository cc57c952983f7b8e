"""`stc-eval`: AP, AR, HOTA, IDF1 and mean J of a model, or of a result file, on annotated clips."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from stc.cli import Parser, command
from stc.errors import InputError
from stc.runtime.machine import device as devices
from stc.runtime.machine import engine_names
from stc.runtime.tracking.config import RULE_NAMES

if TYPE_CHECKING:
    from stc.annotations.videos import Video, VideoAnnotations
    from stc.benchmarks.evaluation.evaluate import EvaluationReport
    from stc.benchmarks.evaluation.results import Prediction
    from stc.benchmarks.evaluation.submission import Submission
    from stc.benchmarks.timing.intervals import Interval
    from stc.runtime.session import Session

# Options that only --model has, and why results need none.
OF_A_MODEL = {
    "frames": "are scored without pictures",
    "tracker": "have their ids",
    "device": "are computed already",
    "engine": "are computed already",
    "write_results": "are written already",
}


def parser() -> Parser:
    p = Parser(
        prog="stc-eval",
        description="Score tracks against YouTube-VIS, OVIS or COCO annotations; docs/evaluating.md has the columns.",
        examples=(
            "stc-eval --model model-fp16 --data val.json --frames frames",
            "stc-eval --model model-fp16 --data test.json --frames frames --write-results results.zip",
            "stc-eval --results results.json --data val.json --intervals --json scores.json",
        ),
        codes={2: "the model is not for this machine"},
    )
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", metavar="MODEL", help="a bundle, or a model file in one: run it on the frames")
    what.add_argument("--results", type=Path, metavar="JSON", help="a YouTube-VIS result file: score what it holds")
    p.add_argument("--data", type=Path, required=True, metavar="JSON", help="annotations with ground truth")
    p.add_argument("--frames", type=Path, metavar="DIR", help="folder that their file names start from; or a video")
    p.add_argument("--clips", metavar="A,B", help="only these clips, by the folder name of their frames")
    p.add_argument("--split", help="only what has this value as its `split` (default: everything)")
    p.add_argument(
        "--min-area", type=float, default=0.0, metavar="PX", help="objects below so many pixels do not count in AP"
    )
    p.add_argument("--intervals", action="store_true", help="95 %% intervals of AP and AP50, by resampling the videos")
    p.add_argument(
        "--fps", type=float, default=30.0, metavar="F", help="rate of pictures, for the tracker (default 30)"
    )
    devices.add_option(p)
    engine_names.add_option(p)
    p.add_argument("--tracker", choices=RULE_NAMES, help="tracking rule of --model (default: its own)")
    p.add_argument(
        "--write-results",
        type=Path,
        metavar="FILE",
        help="write the tracks that --model finds: results.json, or a .zip of it for a challenge server; the data need "
        "no annotations then; an interrupted run goes on",
    )
    p.add_argument("--json", type=Path, metavar="FILE", help="write all numbers, per class and per clip (-: to stdout)")
    return p


def main(argv: Sequence[str]) -> int:
    arguments = parser().parse_args(argv)
    if arguments.model and not arguments.frames:
        raise InputError("--model needs the pictures: add --frames DIR")
    for name, why in OF_A_MODEL.items():
        if arguments.results and getattr(arguments, name):
            raise InputError(f"--results {why}: leave out --{name.replace('_', '-')}")
    if not (math.isfinite(arguments.fps) and arguments.fps > 0):
        raise InputError(f"--fps must be a positive number; got {arguments.fps}")
    if not (math.isfinite(arguments.min_area) and arguments.min_area >= 0):
        raise InputError(f"--min-area must be a number of pixels; got {arguments.min_area}")

    from stc.annotations.file import read_annotations
    from stc.benchmarks import columns
    from stc.benchmarks.evaluation import scores
    from stc.benchmarks.evaluation.evaluate import Evaluation
    from stc.benchmarks.evaluation.submission import check_name
    from stc.files import check_outputs, messages, write_json
    from stc.runtime.bundle.files import read_with

    if arguments.write_results:
        check_name(arguments.write_results)
    read = [arguments.data, arguments.results, *(read_with(arguments.model) if arguments.model else [])]
    check_outputs([arguments.json, arguments.write_results], read)
    annotations = read_annotations(arguments.data, split=arguments.split, hidden=bool(arguments.write_results))
    chosen = annotations.only(arguments.clips.split(",")) if arguments.clips else annotations
    if arguments.write_results and not any(video.tracks for video in chosen.videos):
        if arguments.json:
            raise InputError(f"{arguments.data}: holds no annotations, so there are no scores: leave out --json")
        tracks = sum(len(predictions) for _, predictions in _run(arguments, chosen))
        print(f"{len(chosen.videos)} videos, {tracks} tracks -> {arguments.write_results} (no annotations: not scored)")
        return 0
    found = _run(arguments, chosen) if arguments.model else _read(arguments.results, annotations, chosen)
    evaluation = Evaluation(chosen, arguments.min_area)
    for video, predictions in found:
        evaluation.add(video, predictions)
    report = evaluation.report()
    intervals = evaluation.intervals() if arguments.intervals else {}
    # Of hundreds of pictures only the sum says something.
    clips = report.clips[-1:] if all(video.picture for video in chosen.videos) else report.clips
    columns.show(partial(scores.lines, report, clips, intervals), messages(arguments.json))
    if arguments.json:
        write_json(arguments.json, _plain(report, intervals), allow_nan=False)
    return 0


entry = command(main)


def _run(arguments: argparse.Namespace, annotations: VideoAnnotations) -> Iterator[tuple[Video, list[Prediction]]]:
    from stc.benchmarks.evaluation.frames import find_frames
    from stc.benchmarks.evaluation.predict import category_ids, predict
    from stc.progress import bar
    from stc.runtime.session import Session

    frames = find_frames(annotations, arguments.frames, arguments.fps)
    with Session(arguments.model, device=arguments.device, engine=arguments.engine) as session:
        if arguments.tracker:
            session.tracker_config = replace(session.tracker_config, rule=arguments.tracker)
        print(f"tracker {session.tracker_config.rule}, {session.engine}", file=sys.stderr)
        categories = category_ids(session.passport.classes, annotations.categories)
        for name in (name for i, name in enumerate(session.passport.classes, 1) if i not in categories):
            print(f"class {name} of the model is not in the annotations: its tracks are not scored", file=sys.stderr)
        submission = _submission(arguments, session)
        with bar("running", sum(len(video.files) for video in annotations.videos)) as advance:
            for video in annotations.videos:
                found = None if submission is None else submission.finished(video, annotations)
                if found is not None:
                    advance(len(video.files))
                else:
                    found = predict(session, video, frames[video.id], categories, advance)
                    if submission is not None:
                        submission.add(video, found)
                yield video, found
        if submission is not None:
            submission.write(annotations.videos)


def _submission(arguments: argparse.Namespace, session: Session) -> Submission | None:
    if arguments.write_results is None:
        return None
    from stc.benchmarks.evaluation.submission import Submission
    from stc.files import sha256

    settings = {
        "passport": session.passport.to_json(),
        "engine": session.engine,
        "mask_head": session.mask_head,
        "tracker": asdict(session.tracker_config),
        "data": sha256(arguments.data),
        "frames": str(arguments.frames.resolve()),
        "fps": arguments.fps,
    }
    return Submission(arguments.write_results, settings)


def _read(
    path: Path, annotations: VideoAnnotations, chosen: VideoAnnotations
) -> Iterator[tuple[Video, list[Prediction]]]:
    from stc.benchmarks.evaluation.results import read_results
    from stc.progress import bar

    results = read_results(path, annotations)
    with bar("scoring", len(chosen.videos)) as advance:
        for video in chosen.videos:
            yield video, results.pop(video.id, [])
            advance()


def _plain(report: EvaluationReport, intervals: dict[str, Interval]) -> dict[str, object]:
    """As JSON: null where a class has no object in a range."""
    return {
        "classes": {name: _known(row) for name, row in report.classes.items()},
        "mean": _known(report.mean),
        "clips": [asdict(clip) for clip in report.clips],
        "intervals": {name: asdict(found) for name, found in intervals.items()},
    }


def _known(row: dict[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in row.items()}


if __name__ == "__main__":
    entry()
