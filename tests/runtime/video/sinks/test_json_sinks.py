"""Tracks written as YTVIS result JSON and as JSON lines, when they are written, and that nothing half-written stays."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco

from stc.runtime.video import Gap
from stc.runtime.video.sinks import ytvis as ytvis_module
from stc.runtime.video.sinks.jsonl import jsonl_sink
from stc.runtime.video.sinks.ytvis import ytvis_sink
from tests.runtime.video.clips import SIZE, box, left_over, make_frame, make_result, steady, two_tracks


def test_ytvis_entries(tmp_path: Path) -> None:
    with ytvis_sink(tmp_path / "out.json", video_id=7) as sink:
        for index, result in enumerate(two_tracks()):
            sink(make_frame(index), result)
    (entry,) = json.loads((tmp_path / "out.json").read_text())
    assert set(entry) == {"video_id", "category_id", "score", "segmentations"}
    assert entry["video_id"] == 7
    assert entry["score"] == pytest.approx((0.5 + 0.6 + 0.4 + 0.7) / 4)
    assert entry["category_id"] == 2, "class 1 has 0.6 + 0.7 of the scores, class 0 only 0.5 + 0.4; ids start at 1"
    expected = [box(0), box(2), box(4), None, box(8)]
    assert len(entry["segmentations"]) == len(expected)
    for segmentation, mask in zip(entry["segmentations"], expected, strict=True):
        if mask is None:
            assert segmentation is None
        else:
            assert segmentation["size"] == list(SIZE)
            assert np.array_equal(coco.decode(segmentation), mask)
    assert left_over(tmp_path) == ["out.json"]


def test_ytvis_without_tracks_is_an_empty_list(tmp_path: Path) -> None:
    with ytvis_sink(tmp_path / "deep" / "out.json") as sink:
        sink(make_frame(0), make_result(np.zeros((0, *SIZE), bool), [], []))
    assert json.loads((tmp_path / "deep" / "out.json").read_text()) == []


def test_ytvis_agrees_with_bookkeeping_in_memory(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    expected: dict[int, list[object]] = {}
    frames = 60
    known = {handle: handle + 100 for handle in range(0, 8, 2)}
    with ytvis_sink(tmp_path / "out.json") as sink:
        for index in range(frames):
            handles = random.permutation(8)[: random.integers(0, 8)].tolist()
            masks = random.random((len(handles), 9, 11)) > 0.5
            # Known by its track id only from frame 30 on.
            ids = [known.get(handle, -1) if index >= 30 else -1 for handle in handles]
            sink(
                make_frame(index), make_result(masks, ids, handles, labels=random.integers(0, 3, len(handles)).tolist())
            )
            for handle, mask in zip(handles, masks, strict=True):
                if handle in known:
                    expected.setdefault(known[handle], [None] * frames)[index] = mask
    entries = json.loads((tmp_path / "out.json").read_text())
    assert len(entries) == len(expected)
    for entry, track_id in zip(entries, sorted(expected), strict=True):
        for found, mask in zip(entry["segmentations"], expected[track_id], strict=True):
            assert (found is None) == (mask is None)
            assert found is None or np.array_equal(coco.decode(found), mask)


def test_ytvis_spool_is_on_disk_and_writes_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Detections go to the file of the spool as they come, and the JSON leaves piece by piece, never as one text."""
    pieces: list[int] = []
    write = ytvis_module.write

    class Counting:
        def __init__(self, file: object) -> None:
            self.file = file

        def write(self, text: str) -> None:
            pieces.append(len(text))
            self.file.write(text)

    monkeypatch.setattr(ytvis_module, "write", lambda spool, n, video, file: write(spool, n, video, Counting(file)))
    random = np.random.default_rng(0)
    sizes = []
    with ytvis_sink(tmp_path / "out.json") as sink:
        for index in range(40):
            sink(make_frame(index), make_result(random.random((1, *SIZE)) > 0.5, [1], [0]))
            (spool,) = tmp_path.glob(".stc-part-*/made/spool.sqlite")
            sizes.append(spool.stat().st_size)
    largest = max(len(json.dumps(s)) for s in json.loads((tmp_path / "out.json").read_text())[0]["segmentations"])
    assert all(b >= a for a, b in pairwise(sizes))
    assert sizes[-1] > 30 * largest, "the spool holds the masks"
    assert max(pieces) <= largest, "no piece is longer than one mask"


def test_ytvis_leaves_nothing_after_an_error(tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("older")
    with pytest.raises(KeyboardInterrupt), ytvis_sink(tmp_path / "out.json") as sink:
        sink(make_frame(0), two_tracks()[0])
        raise KeyboardInterrupt
    assert left_over(tmp_path) == ["out.json"]
    assert (tmp_path / "out.json").read_text() == "older"


def test_jsonl_line_per_frame_as_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "out.jsonl"
    with jsonl_sink(path) as sink:
        for index, result in enumerate(two_tracks()):
            sink(make_frame(index), result)
            assert len(path.read_text().splitlines()) == index + 1, "another program can follow the file"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(5))
    assert [line["time"] for line in lines] == pytest.approx(steady(5), abs=1e-6)
    assert [[o["track_id"] for o in line["objects"]] for line in lines] == [[-1, -1], [-1, -1], [4], [], [4]]
    assert [[o["handle"] for o in line["objects"]] for line in lines] == [[0, 1], [0, -1], [0], [], [0]]
    first = lines[0]["objects"][1]
    assert (first["label"], first["score"], first["box"]) == ("animal", pytest.approx(0.9), [70, 20, 100, 60])
    assert np.array_equal(coco.decode(first["rle"]), box(70))


def test_jsonl_tells_gaps_where_they_are(tmp_path: Path) -> None:
    frames = [make_frame(0), replace(make_frame(1), gaps=(Gap(0.0, 3.5, "hung up"),))]
    with jsonl_sink(tmp_path / "out.jsonl") as sink:
        for frame in frames:
            sink(frame, two_tracks()[0])
    first, second = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert "gaps" not in first and second["gaps"] == [{"start": 0.0, "end": 3.5, "reason": "hung up"}]


def test_jsonl_without_a_frame_leaves_an_older_file(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("older\n")
    with jsonl_sink(tmp_path / "out.jsonl"):
        pass
    assert (tmp_path / "out.jsonl").read_text() == "older\n"
