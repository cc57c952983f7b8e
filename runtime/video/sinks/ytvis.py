"""The YTVIS result JSON, spooled through a database on disk: memory does not grow with the length of the video."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from stc.errors import InputError
from stc.files import atomic_path, scratch_folder
from stc.runtime.objects import number
from stc.runtime.video.frame import Frame, Sink

if TYPE_CHECKING:
    from stc.runtime.result import Result

SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE detections (
    handle INTEGER, frame INTEGER, label INTEGER, score REAL, rle TEXT, PRIMARY KEY (handle, frame)
) WITHOUT ROWID;
CREATE TABLE tracks (handle INTEGER PRIMARY KEY, track_id INTEGER);
"""
INSERT_DETECTION = "INSERT INTO detections VALUES (?, ?, ?, ?, ?)"
INSERT_TRACK = "INSERT OR IGNORE INTO tracks VALUES (?, ?)"
VOTES = """
SELECT track_id, label, TOTAL(score), COUNT(score) FROM detections JOIN tracks USING (handle)
    GROUP BY track_id, label ORDER BY track_id, label
"""
SEGMENTATIONS = """
SELECT frame, rle FROM tracks CROSS JOIN detections USING (handle) WHERE track_id = ? ORDER BY frame
"""


@contextmanager
def ytvis_sink(path: Path, video_id: int = 1) -> Iterator[Sink]:
    """Write `[{"video_id", "category_id", "score", "segmentations": [RLE | null per frame]}]`, one per confirmed track.

    `category_id` is 1-based and the score-weighted vote over the frames of the track (a tie goes to the lower class),
    `score` the mean of its frame scores. Frames before the confirmation belong to the track: detections are kept by
    `handle` and joined with the track id when the video is over. A score that is no number (NaN, infinite) has no vote,
    and is null where a track has no other. Raises InputError when the disk is full.
    """
    with _spooling(path):
        with (
            scratch_folder(path) as folder,
            closing(sqlite3.connect(folder / "spool.sqlite")) as spool,
        ):
            spool.executescript(SCHEMA)
            length = 0

            def sink(frame: Frame, result: Result) -> None:
                nonlocal length
                with _spooling(path):
                    _spool(spool, length, result)
                length += 1

            yield sink
            with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
                write(spool, length, video_id, file)


@contextmanager
def _spooling(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise InputError(
            f"{path}: the spool beside it failed ({error}); check the disk with: df -h {path.parent}"
        ) from error


def _spool(spool: sqlite3.Connection, frame: int, result: Result) -> None:
    rows = zip(result.handles.tolist(), result.labels.tolist(), result.scores.tolist(), result.masks.rle(), strict=True)
    detections = [
        (handle, frame, label, number(score), json.dumps(rle)) for handle, label, score, rle in rows if handle >= 0
    ]
    confirmed = [(int(result.handles[i]), int(result.track_ids[i])) for i in np.flatnonzero(result.track_ids >= 0)]
    with spool:
        spool.executemany(INSERT_DETECTION, detections)
        spool.executemany(INSERT_TRACK, confirmed)


def write(spool: sqlite3.Connection, length: int, video_id: int, file: TextIO) -> None:
    """Stream the entries: no list as long as the video is ever made."""
    # A cursor that an error leaves open would keep the spool on the disk that is full.
    with closing(spool.execute(VOTES)) as tracks, closing(spool.cursor()) as masks:
        file.write("[")
        separator = "\n"
        for track_id, group in groupby(tracks, key=lambda row: row[0]):
            votes = list(group)
            label = max(votes, key=lambda row: row[2])[1]
            count = sum(row[3] for row in votes)
            score = sum(row[2] for row in votes) / count if count else None
            head = {"video_id": video_id, "category_id": label + 1, "score": score}
            file.write(f'{separator}{json.dumps(head)[:-1]}, "segmentations": [')
            separator = ",\n"
            _write_segmentations(masks.execute(SEGMENTATIONS, (track_id,)), length, file)
            file.write("]}")
        file.write("\n]\n")


def _write_segmentations(rows: Iterator[tuple[int, str]], length: int, file: TextIO) -> None:
    """One value per frame of the video, null where `rows` (frame, RLE as JSON; by frame) has none."""
    row = next(rows, None)
    for frame in range(length):
        if frame:
            file.write(", ")
        if row is not None and row[0] == frame:
            file.write(row[1])
            row = next(rows, None)
        else:
            file.write("null")
