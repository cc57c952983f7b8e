"""What the sinks write, when they write it, and that nothing half-written stays."""

from __future__ import annotations

import json
import logging
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from pycocotools import mask as coco

from stc.errors import InputError
from stc.runtime.result import Result
from stc.runtime.tracker import TrackEvent
from stc.runtime.video import Frame, open_source
from stc.runtime.video import ytvis as ytvis_module
from stc.runtime.video.contact import contact_sheet, contact_writer
from stc.runtime.video.draw import annotate
from stc.runtime.video.jsonl import jsonl_sink
from stc.runtime.video.sinks import drawing, open_contact, open_writer, with_later_ids
from stc.runtime.video.video_writer import video_writer
from stc.runtime.video.ytvis import ytvis_sink
from tests.runtime.video.clips import make_frame, make_result, make_source, rectangle, square_picture, steady

SIZE = (120, 160)
CODING_ERROR = 6  # mean of 255 levels, as in test_sources


def box(x: int) -> np.ndarray:
    return rectangle(SIZE, x, 20, x + 30, 60)


def two_tracks() -> list[Result]:
    """Handle 0 is confirmed as track 4 in the third frame and missing in the fourth; handle 1 never is."""
    born = (TrackEvent("born", 4, 0, 2 / 30),)
    return [
        make_result(np.stack([box(0), box(70)]), [-1, -1], [0, 1], labels=[0, 1], scores=[0.5, 0.9]),
        make_result(np.stack([box(2), box(120)]), [-1, -1], [0, -1], labels=[1, 1], scores=[0.6, 0.2]),
        make_result(np.stack([box(4)]), [4], [0], labels=[0], scores=[0.4], events=born),
        make_result(np.zeros((0, *SIZE), bool), [], []),
        make_result(np.stack([box(8)]), [4], [0], labels=[1], scores=[0.7]),
    ]


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# YTVIS result JSON


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
    write = ytvis_module._write

    class Counting:
        def __init__(self, file: object) -> None:
            self.file = file

        def write(self, text: str) -> None:
            pieces.append(len(text))
            self.file.write(text)

    monkeypatch.setattr(ytvis_module, "_write", lambda spool, n, video, file: write(spool, n, video, Counting(file)))
    random = np.random.default_rng(0)
    sizes = []
    with ytvis_sink(tmp_path / "out.json") as sink:
        for index in range(40):
            sink(make_frame(index), make_result(random.random((1, *SIZE)) > 0.5, [1], [0]))
            (spool,) = tmp_path.glob(".out-*/spool.sqlite")
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


# JSON lines


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


def test_jsonl_without_a_frame_leaves_an_older_file(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("older\n")
    with jsonl_sink(tmp_path / "out.jsonl"):
        pass
    assert (tmp_path / "out.jsonl").read_text() == "older\n"


# Drawing


def test_earlier_frames_of_a_track_are_drawn_too() -> None:
    results = two_tracks()
    drawn: list[tuple[Frame, np.ndarray]] = []
    with drawing([lambda picture, frame: drawn.append((frame, picture))], delay=2) as sink:
        for index, result in enumerate(results):
            sink(make_frame(index), result)
            assert len(drawn) == max(0, index - 1), "exactly two frames wait"
    assert [frame.index for frame, _ in drawn] == list(range(5))
    for index, handles in enumerate([[0], [0], [0], [], [0]]):
        masks = results[index].masks.dense()[: len(handles)]
        known = make_result(
            masks, [4] * len(handles), handles, results[index].labels[:1].tolist(), results[index].scores[:1].tolist()
        )
        assert np.array_equal(drawn[index][1], annotate(square_picture(index), known))


def test_later_ids_reach_only_their_own_handles() -> None:
    first, second, third = two_tracks()[:3]
    assert with_later_ids(first, [first, second, third]).track_ids.tolist() == [4, -1]
    assert with_later_ids(second, [second, third]).track_ids.tolist() == [4, -1]
    assert with_later_ids(first, [first, second]).track_ids.tolist() == [-1, -1]


def test_interrupted_drawing_writes_nothing_more() -> None:
    drawn: list[int] = []
    with pytest.raises(KeyboardInterrupt), drawing([lambda picture, frame: drawn.append(frame.index)]) as sink:
        sink(make_frame(0), two_tracks()[0])
        raise KeyboardInterrupt
    assert drawn == []


# Video


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_video_keeps_times_and_content(tmp_path: Path, suffix: str) -> None:
    times = [0.0, 0.021, 0.3, 0.334, 1.7]
    path = tmp_path / f"out{suffix}"
    with video_writer(path, 29.97) as write:
        for index, time in enumerate(times):
            write(square_picture(index), Frame(square_picture(index), time, index, "clip"))
    frames = list(open_source(path))
    assert [f.time for f in frames] == pytest.approx(times, abs=0.0011), "mkv counts in milliseconds"
    for index, frame in enumerate(frames):
        assert np.abs(frame.image.astype(float) - square_picture(index)).mean() < CODING_ERROR
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt, int(codec.colorspace)) == ("h264", "yuv420p", 1)  # 1: BT.709
    assert left_over(tmp_path) == [path.name]


def test_colours_survive_the_video(tmp_path: Path) -> None:
    """A wrong matrix or range would shift saturated colours by 10 to 20 levels."""
    colours = np.array([[40, 40, 200], [40, 200, 40], [200, 40, 40], [128, 128, 128]], np.uint8)
    picture = colours.repeat(32, axis=0)[None].repeat(64, axis=0)
    with video_writer(tmp_path / "out.mp4", 30) as write:
        write(picture, make_frame(0))
    (frame,) = open_source(tmp_path / "out.mp4")
    for i, colour in enumerate(colours):
        assert np.abs(frame.image[20:44, i * 32 + 8 : i * 32 + 24].astype(int) - colour).max() <= 4


def test_odd_sizes_grow_to_even(tmp_path: Path) -> None:
    picture = square_picture(0, (121, 161))
    with video_writer(tmp_path / "out.mp4", 30) as write:
        write(picture, make_frame(0))
    (frame,) = open_source(tmp_path / "out.mp4")
    assert frame.image.shape == (122, 162, 3)
    assert np.abs(frame.image[:121, :161].astype(float) - picture).mean() < CODING_ERROR


def test_times_closer_than_the_clock_stay_apart(tmp_path: Path) -> None:
    with video_writer(tmp_path / "out.mp4", 30) as write:
        for index in range(4):
            write(square_picture(index), Frame(square_picture(index), index * 1e-7, index, "clip"))
    times = [f.time for f in open_source(tmp_path / "out.mp4")]
    assert len(set(times)) == 4


def test_frames_of_another_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"160x120, but frame 1 is 40x30.*-o FOLDER"):
        with video_writer(tmp_path / "out.mp4", 30) as write:
            write(square_picture(0), make_frame(0))
            write(np.zeros((30, 40, 3), np.uint8), make_frame(1))
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_no_half_video(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), video_writer(tmp_path / "out.mp4", 30) as write:
        write(square_picture(0), make_frame(0))
        raise error
    assert left_over(tmp_path) == []


def test_video_without_frames_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frame to write"), video_writer(tmp_path / "out.mp4", 30):
        pass
    assert left_over(tmp_path) == []


def test_missing_h264_encoder_is_said_aloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    with caplog.at_level(logging.WARNING), video_writer(tmp_path / "out.mp4", 30) as write:
        write(square_picture(0), make_frame(0))
    assert "no H.264 encoder" in caplog.text
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"


# Pictures


def test_folder_writer_names_pictures_by_index(tmp_path: Path) -> None:
    with open_writer(tmp_path / "frames", make_source(None)) as write:
        for index in (0, 4, 8):
            write(square_picture(index), make_frame(index))
    assert left_over(tmp_path / "frames") == ["000000.jpg", "000004.jpg", "000008.jpg"]
    found = cv2.imread(str(tmp_path / "frames" / "000004.jpg"))
    assert np.abs(found.astype(float) - square_picture(4)).mean() < CODING_ERROR


def test_picture_writer(tmp_path: Path) -> None:
    with open_writer(tmp_path / "out.PNG", make_source(1)) as write:
        write(square_picture(0), make_frame(0))
    assert np.array_equal(cv2.imread(str(tmp_path / "out.PNG")), square_picture(0))


@pytest.mark.parametrize(
    ("name", "length", "message"),
    [
        ("out.avi", 5, "unknown output suffix '.avi'; known: .mp4"),
        ("out.txt", 1, "unknown output suffix '.txt'"),
        ("out.png", 5, "one picture cannot hold 5 frames; use -o out.mp4"),
        ("out.png", None, "one picture cannot hold many frames"),
    ],
)
def test_outputs_that_cannot_be(tmp_path: Path, name: str, length: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_writer(tmp_path / name, make_source(length))


# Contact sheet


@pytest.mark.parametrize("length", [1, 3, 12, 13, 100])
def test_contact_sheet_spreads_over_a_clip_of_unknown_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(
        "stc.runtime.video.contact.contact_sheet",
        lambda frames, path, columns: chosen.extend(int(f[0, 300, 0]) for f in frames),
    )
    with contact_writer(tmp_path / "c.png", count=6) as write:
        for index in range(length):
            write(np.full((18, 32, 3), index, np.uint8), make_frame(index))
    assert len(chosen) == min(6, length)
    assert chosen[0] == 0 and chosen == sorted(set(chosen))
    gaps = np.diff([*chosen, length])
    assert gaps.max() <= 2 * length / len(chosen) + 1, "no part of the clip is left out"


def test_contact_sheet_grid(tmp_path: Path) -> None:
    cells = [np.full((30, 40, 3), 50 + 40 * i, np.uint8) for i in range(5)]
    contact_sheet(cells, tmp_path / "c.png", columns=3)
    sheet = cv2.imread(str(tmp_path / "c.png"))
    assert sheet.shape[0] > 2 * 30 and sheet.shape[1] > 3 * 40
    for i in range(5):
        assert (sheet == 50 + 40 * i).all(axis=2).sum() == 30 * 40
    rows = [int(np.argwhere((sheet == 50 + 40 * i).all(axis=2))[0, 0]) for i in range(5)]
    assert rows[0] == rows[1] == rows[2] < rows[3] == rows[4]


def test_contact_sheet_of_pictures_that_differ_in_size(tmp_path: Path) -> None:
    contact_sheet([np.full((30, 40, 3), 90, np.uint8), np.full((10, 60, 3), 190, np.uint8)], tmp_path / "c.png")
    sheet = cv2.imread(str(tmp_path / "c.png"))
    assert (sheet == 90).all(axis=2).sum() == 1200 and (sheet == 190).all(axis=2).sum() == 600


def test_contact_sheet_must_be_a_picture(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a contact sheet is a picture"):
        open_contact(tmp_path / "c.mp4")
    with pytest.raises(InputError, match="no frame to write"):
        contact_sheet([], tmp_path / "c.png")
