"""What a model finds in an annotated clip, exactly as `stc-track --json` would write it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from stc.annotations.videos import Video, VideoAnnotations
from stc.benchmarks.evaluation.results import Prediction, read_results
from stc.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stc.benchmarks.evaluation.frames import Frames
    from stc.runtime.session import Session


def category_ids(classes: tuple[str, ...], categories: dict[int, str]) -> dict[int, int]:
    """Class index + 1, as results have it, -> id of the category of the same name; classes without one are left out.

    Raises InputError when no class has one.
    """
    ids = {name: id for id, name in categories.items()}
    found = {index: ids[name] for index, name in enumerate(classes, 1) if name in ids}
    if not found:
        raise InputError(
            f"the model knows {', '.join(classes)}, the annotations {', '.join(ids)}: no class in common; rename the "
            "categories of the annotations"
        )
    return found


def predict(
    session: Session, video: Video, frames: Frames, categories: dict[int, int], advance: Callable[[], None]
) -> list[Prediction]:
    """The confirmed tracks of `video` whose class `categories` has (see `category_ids`)."""
    from stc.runtime.video.sinks.ytvis import ytvis_sink

    # Of a single picture every detection counts: there is nothing to track, and no second frame to confirm anything.
    alone = replace(
        session.tracker_config,
        rule="default",
        confirm_hits=1,
        init_score=0.0,
        duplicate_iou=1.0,
        duplicate_containment=1.0,
    )
    config = alone if len(video.files) == 1 else None
    stream = session.stream(video.name, tracker=config)
    with TemporaryDirectory(prefix="stc-eval-") as folder:
        path = Path(folder) / "tracks.json"
        with ytvis_sink(path, video.id) as sink:
            for frame in frames():
                sink(frame, stream(frame.image, frame.time))
                advance()
        stream.close()
        names = dict(enumerate(session.passport.classes, 1))
        tracks = read_results(path, VideoAnnotations(names, (video,)))[video.id]
    return [replace(track, category=categories[track.category]) for track in tracks if track.category in categories]
