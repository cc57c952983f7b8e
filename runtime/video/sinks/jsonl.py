"""JSON lines: one line per frame, for live sources as well as for files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stc.runtime.objects import number
from stc.runtime.video.frame import Gap, Sink
from stc.runtime.video.sinks.lines import LineFile, Rotation, is_regular

if TYPE_CHECKING:
    from stc.runtime.result import Result


@contextmanager
def jsonl_sink(
    path: Path, *, append: bool = False, overwrite: bool = False, rotation: Rotation | None = None
) -> Iterator[Sink]:
    """Write each frame to `path` as it comes, so that another program can follow the file.

    A line: `time` (s), `index`, `source`, `objects`: each `track_id` (-1 before confirmation), `handle` (the same
    number from the first detection of a tracklet on, so that a reader can join the frames before confirmation; -1
    without a tracklet), `label`, `score`, `box` (xyxy, frame pixels) and `rle` (COCO, compressed). Where zones are
    counted, `zones` (`ZoneReport.to_dict`). After missing video also `gaps`: each `start`, `end` (s) and `reason`. What
    is no number (NaN, infinite) is null. The file grows line by line under its final name: it is whole after every
    line. `append`, `overwrite`, `rotation`: see `LineFile`.

    Raises InputError when a line cannot be written: a full disk, or a reader of a pipe that takes nothing.
    """
    with lines(path, append=append, overwrite=overwrite, rotation=rotation) as write:
        yield lambda frame, result: write(line(frame, result))


@contextmanager
def lines(
    path: Path, *, append: bool = False, overwrite: bool = False, rotation: Rotation | None = None
) -> Iterator[Callable[[str], None]]:
    """A function that writes a line to `path`, as `LineFile.write`.

    A file is not begun before there is a line: a run that fails at once leaves an older one as it is. A pipe is opened
    now: its reader may have to be waited for.
    """
    file = None if is_regular(path) else LineFile(path)

    def write(line: str) -> None:
        nonlocal file
        if file is None:
            file = LineFile(path, append=append, overwrite=overwrite, rotation=rotation)
        file.write(line)

    try:
        yield write
    finally:
        if file is not None:
            file.close()


class Located(Protocol):
    """What a line says of a `Frame`, but its pixels."""

    @property
    def time(self) -> float: ...

    @property
    def index(self) -> int: ...

    @property
    def source(self) -> str: ...

    @property
    def gaps(self) -> tuple[Gap, ...]: ...


def line(frame: Located, result: Result) -> str:
    return json.dumps(record(frame, result), allow_nan=False)


def record(frame: Located, result: Result) -> dict[str, object]:
    """A frame's line, before it is text."""
    told = result.to_dict()
    record = {"time": number(frame.time, 6), "index": frame.index, "source": frame.source, "objects": told["objects"]}
    if result.zones:
        record["zones"] = told["zones"]
    if frame.gaps:
        record["gaps"] = [{**asdict(gap), "start": number(gap.start), "end": number(gap.end)} for gap in frame.gaps]
    return record
