"""`--data`: annotated clips or pictures that an export or a benchmark scores its models on, beside float32."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stc.errors import InputError

if TYPE_CHECKING:
    from stc.annotations.videos import VideoAnnotations
    from stc.benchmarks.evaluation.frames import Frames
    from stc.benchmarks.evaluation.loss import Score
    from stc.runtime.session import Session

FPS = 30.0  # of pictures


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("ground truth", "what precisions below float32 lose of float32's own score")
    group.add_argument("--data", type=Path, metavar="JSON", help="YouTube-VIS, OVIS or COCO annotations")
    group.add_argument("--data-frames", type=Path, metavar="DIR", help="folder that their file names start from")
    group.add_argument("--clips", metavar="A,B", help="only these clips, by the folder name of their frames")
    group.add_argument("--split", help="only what has this value as its `split` (default: everything)")


OPTIONS = ("data", "data_frames", "clips", "split")


@dataclass(frozen=True)
class Annotated:
    """annotations: with at least one object. frames: of each video, by its id. name: in words."""

    name: str
    annotations: VideoAnnotations
    frames: dict[int, Frames]

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Annotated | None:
        """None without --data. Raises InputError for half of the options, and as the readers of both do."""
        if arguments.data is None:
            if given := [name for name in OPTIONS[1:] if getattr(arguments, name) is not None]:
                flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
                raise InputError(f"{flags}: of annotations, and there are none: add --data JSON")
            return None
        if arguments.data_frames is None:
            raise InputError("--data needs the pictures: add --data-frames DIR")
        from stc.annotations.file import read_annotations
        from stc.benchmarks.evaluation.evaluate import Evaluation
        from stc.benchmarks.evaluation.frames import find_frames

        found = read_annotations(arguments.data, split=arguments.split)
        found = found.only(arguments.clips.split(",")) if arguments.clips else found
        Evaluation(found)  # says what cannot be scored before the work
        pictures = all(video.picture for video in found.videos)
        name = f"{len(found.videos)} {'pictures' if pictures else 'clips'} in {arguments.data.name}"
        return cls(name, found, find_frames(found, arguments.data_frames, FPS))

    def check(self, classes: tuple[str, ...]) -> None:
        """Raises InputError when a model of these classes has none in common with the annotations."""
        from stc.benchmarks.evaluation.predict import category_ids

        category_ids(classes, self.annotations.categories)

    def score(self, session: Session, asked: Callable[[], bool] = lambda: False) -> Score | None:
        """Run the session on every clip; None when `asked()` to stop before the end."""
        from stc.benchmarks.evaluation.evaluate import Evaluation
        from stc.benchmarks.evaluation.loss import Score
        from stc.benchmarks.evaluation.predict import category_ids, predict
        from stc.progress import bar

        categories = category_ids(session.passport.classes, self.annotations.categories)
        evaluation = Evaluation(self.annotations)
        with bar("scoring", sum(len(video.files) for video in self.annotations.videos)) as advance:
            for video in self.annotations.videos:
                if asked():
                    return None
                evaluation.add(video, predict(session, video, self.frames[video.id], categories, advance))
        return Score.of(evaluation)
