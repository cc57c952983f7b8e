"""What becomes of results: a sink takes each frame with its result; the drawing sink hands pictures on to writers.

Sinks and writers are context managers that yield a function. Leaving the block normally completes the file; leaving it
by an exception removes what was begun.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stc.errors import InputError, StcError
from stc.runtime.video.frame import PICTURE_SUFFIXES, VIDEO_SUFFIXES, Frame, Sink, Source, Writer

if TYPE_CHECKING:
    from stc.runtime.drawing.style import Style
    from stc.runtime.result import Result

DELAY = 8  # frames that wait for the confirmation of their tracks


@contextmanager
def drawing(writers: Sequence[Writer], delay: int = DELAY, style: Style | None = None) -> Iterator[Sink]:
    """Draw each frame once for all `writers`, `delay` frames late, in `style` (None: as `Style()`), paths included.

    A track that is confirmed at most `delay` frames after a detection is drawn on that frame too; memory is bounded by
    the frames that wait.
    """
    from stc.runtime.drawing.draw import annotate
    from stc.runtime.drawing.style import Style
    from stc.runtime.drawing.trails import Trails

    style = style or Style()
    trails = Trails(style.trails)
    waiting: deque[tuple[Frame, Result]] = deque()

    def release() -> None:
        """Into every writer, also where one fails."""
        frame, result = waiting[0]
        known = with_later_ids(result, (later for _, later in waiting))
        picture = annotate(frame.image, known, style, trails.update(known))
        waiting.popleft()
        problem = None
        for write in writers:
            try:
                write(picture, frame)
            except StcError as error:  # noqa: PERF203
                problem = problem or error
        if problem is not None:
            raise problem

    def sink(frame: Frame, result: Result) -> None:
        waiting.append((frame, result))
        if len(waiting) > delay:
            release()

    yield sink
    problem = None
    while waiting:
        try:
            release()
        except StcError as error:  # noqa: PERF203  (of one writer; the others get all frames)
            problem = problem or error
    if problem is not None:
        raise problem


def with_later_ids(result: Result, later: Iterable[Result]) -> Result:
    """`result` with the track ids that its handles carry in any of the `later` results."""
    known = {
        int(handle): int(track_id)
        for other in later
        for handle, track_id in zip(other.handles, other.track_ids, strict=True)
        if handle >= 0 and track_id >= 0
    }
    ids = [known.get(int(h), int(t)) for h, t in zip(result.handles, result.track_ids, strict=True)]
    return replace(result, track_ids=np.array(ids, np.int64))


def takes_pictures(path: Path) -> bool:
    """Whether `path` means a folder of pictures: one that is there, or a name without a suffix."""
    return path.is_dir() or not path.suffix


def open_writer(
    path: Path, source: Source, *, overwrite: bool = False, beside: Sequence[Path] = ()
) -> AbstractContextManager[Writer]:
    """The writer that the suffix of `path` asks for: a video, one picture, or (no suffix) a folder of pictures.

    overwrite: replace the earlier video of a live source, which is kept under another name otherwise, and write into a
    folder that holds other files. beside: other outputs, which may be in that folder. Raises InputError for another
    suffix, for one picture from a source of several frames, and as the writers say.
    """
    suffix = path.suffix.lower()
    if takes_pictures(path):
        from stc.runtime.video.sinks.made import check_folder
        from stc.runtime.video.sinks.pictures import folder_writer

        check_folder(path, live=source.live, overwrite=overwrite, beside=beside)
        return folder_writer(path)
    if suffix in VIDEO_SUFFIXES:
        from stc.runtime.video.sinks.video import video_writer

        return video_writer(path, source.fps, keep=source.live and not overwrite)
    if suffix not in PICTURE_SUFFIXES:
        known = ", ".join(VIDEO_SUFFIXES + PICTURE_SUFFIXES)
        raise InputError(f"{path}: unknown output suffix {suffix!r}; known: {known}, or none for a folder of pictures")
    single = source.length == 1 or (source.length is None and _names_a_picture(source))
    if not single:
        raise InputError(
            f"{path}: one picture cannot hold {source.length or 'many'} frames; use -o out.mp4 or -o FOLDER"
        )
    from stc.runtime.video.sinks.pictures import picture_writer

    return picture_writer(path)


def _names_a_picture(source: Source) -> bool:
    """Whether a URL, which states no length, is that of a picture: `http://cam/snapshot.jpg?***`."""
    return source.name.partition("?")[0].lower().endswith(PICTURE_SUFFIXES)


def open_contact(path: Path) -> AbstractContextManager[Writer]:
    """The writer of a contact sheet. Raises InputError unless `path` names a picture."""
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise InputError(f"{path}: a contact sheet is a picture ({', '.join(PICTURE_SUFFIXES)})")
    from stc.runtime.video.sinks.contact import contact_writer

    return contact_writer(path)
