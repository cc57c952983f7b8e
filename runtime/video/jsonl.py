"""JSON lines: one line per frame, for live sources as well as for files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from stc.runtime.video.frame import Frame
from stc.runtime.video.sinks import Sink

if TYPE_CHECKING:
    from stc.runtime.result import Result


@contextmanager
def jsonl_sink(path: Path) -> Iterator[Sink]:
    """Write each frame to `path` as it comes, so that another program can follow the file.

    A line: `time` (s), `index`, `source`, `objects`: each `track_id` (-1 before confirmation), `handle` (the same
    number from the first detection of a tracklet on, so that a reader can join the frames before confirmation; -1
    without a tracklet), `label`, `score`, `box` (xyxy, frame pixels) and `rle` (COCO, compressed). After missing video
    also `gaps`: each `start`, `end` (s) and `reason`. The file grows line by line under its final name: it is whole
    after every line.
    """
    with ExitStack() as files:
        file: TextIO | None = None

        def sink(frame: Frame, result: Result) -> None:
            nonlocal file
            if file is None:  # not before there is a line: a run that fails at once leaves an older file as it is
                path.parent.mkdir(parents=True, exist_ok=True)
                file = files.enter_context(path.open("w", encoding="utf-8", buffering=1))
            print(json.dumps(_record(frame, result)), file=file)

        yield sink


def _record(frame: Frame, result: Result) -> dict[str, object]:
    rows = zip(
        result.track_ids, result.handles, result.labels, result.scores, result.boxes, result.masks.rle(), strict=True
    )
    record: dict[str, object] = {
        "time": round(frame.time, 6),
        "index": frame.index,
        "source": frame.source,
        "objects": [
            {
                "track_id": int(track_id),
                "handle": int(handle),
                "label": result.classes[label],
                "score": round(float(score), 6),
                "box": [round(float(v), 2) for v in box],
                "rle": rle,
            }
            for track_id, handle, label, score, box, rle in rows
        ],
    }
    if frame.gaps:
        record["gaps"] = [asdict(gap) for gap in frame.gaps]
    return record
