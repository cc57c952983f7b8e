"""When frames are drawn, and the pictures and contact sheets that are made of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from stc.errors import InputError
from stc.runtime.drawing.draw import annotate
from stc.runtime.video import Frame
from stc.runtime.video.sinks.contact import contact_sheet, contact_writer
from stc.runtime.video.sinks.sinks import drawing, open_contact, open_writer, with_later_ids
from tests.runtime.video.clips import (
    CODING_ERROR,
    left_over,
    make_frame,
    make_result,
    make_source,
    square_picture,
    two_tracks,
)


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


@pytest.mark.parametrize("length", [1, 3, 12, 13, 100])
def test_contact_sheet_spreads_over_a_clip_of_unknown_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(
        "stc.runtime.video.sinks.contact.contact_sheet",
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


@pytest.mark.parametrize("size", [(4000, 2), (2, 4000), (1, 1)])
def test_a_contact_sheet_is_bounded_whatever_the_pictures_are(tmp_path: Path, size: tuple[int, int]) -> None:
    """A cell is at most 640 x 1280, so that pictures of any shape make a sheet that can be opened."""
    with contact_writer(tmp_path / "sheet.png") as write:
        for index in range(1000):
            write(np.full((*size, 3), 200, np.uint8), Frame(np.zeros((1, 1, 3), np.uint8), float(index), index, "clip"))
    height, width = cv2.imread(str(tmp_path / "sheet.png")).shape[:2]
    assert width <= 4 * 646 + 6 and height <= 3 * 1286 + 6
