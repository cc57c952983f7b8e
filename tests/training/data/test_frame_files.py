"""Frames in folders and in videos: what is found, what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from stc.errors import InputError
from stc.training.data.annotations import Source
from stc.training.data.frame_files import unpack_videos
from stc.training.data.index import read_all
from stc.training.data.views import read_reduced
from tests.training.conftest import SIZE


def _video(path: Path, length: int, size: tuple[int, int] = SIZE) -> None:
    """Frame i is grey of value 40 + 20 i."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        for index in range(length):
            picture = np.full((*size, 3), 40 + 20 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())


@pytest.fixture
def filmed(clips: Source) -> Source:
    """The clip `moving` as a video, of which the annotations name frames 0, 2, 4 and 6."""
    shutil.rmtree(clips.frames / "moving")
    data = json.loads(clips.annotations.read_text())
    data["videos"][0]["file_names"] = [f"moving/{index:05d}.jpg" for index in (0, 2, 4, 6)]
    clips.annotations.write_text(json.dumps(data))
    _video(clips.frames / "moving.mp4", 8)
    return clips


def test_a_video_stands_for_the_folder_of_its_name(filmed: Source, tmp_path: Path) -> None:
    dataset = read_all([filmed], split="train")
    assert [frame.number for frame in dataset.clips[0].frames] == [0, 2, 4, 6]
    unpacked = unpack_videos(dataset, tmp_path / "out")
    frames = unpacked.clips[0].frames
    assert all(frame.number is None for frame in frames)
    for frame, value in zip(frames, (40, 80, 120, 160), strict=True):
        assert abs(read_reduced(frame.path, 999).mean() - value) < 4  # two lossy encodings
    assert unpacked.clips[1] == dataset.clips[1]
    (filmed.frames / "moving.mp4").unlink()  # a second time nothing is decoded
    assert unpack_videos(dataset, tmp_path / "out") == unpacked


def test_frames_may_point_at_the_video_itself(filmed: Source) -> None:
    data = json.loads(filmed.annotations.read_text())
    data["videos"], data["annotations"] = data["videos"][:1], data["annotations"][:1]
    filmed.annotations.write_text(json.dumps(data))
    clip = read_all([replace(filmed, frames=filmed.frames / "moving.mp4")], split="train").clips[0]
    assert {frame.path for frame in clip.frames} == {filmed.frames / "moving.mp4"}


def test_a_video_that_is_too_short_is_refused(filmed: Source) -> None:
    _video(filmed.frames / "moving.mp4", 5)
    with pytest.raises(InputError, match=r"has 5 frames, but frame 6 \(from 0\) is annotated"):
        read_all([filmed], split="train")


def test_a_video_that_ends_early_is_refused(filmed: Source, tmp_path: Path) -> None:
    """Its header may not say so: here the video is replaced after it was checked."""
    dataset = read_all([filmed], split="train")
    _video(filmed.frames / "moving.mp4", 3)
    with pytest.raises(InputError, match=r"ends before frame 4"):
        unpack_videos(dataset, tmp_path / "out")


def test_videos_of_another_shape_without_pictures_or_without_numbers_are_refused(filmed: Source) -> None:
    _video(filmed.frames / "moving.mp4", 8, (64, 128))
    with pytest.raises(InputError, match=r"is 128x64 .*annotations are for 128x96"):
        read_all([filmed], split="train")
    (filmed.frames / "moving.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match="clip moving: "):
        read_all([filmed], split="train")
    text = filmed.annotations.read_text().replace("moving/00002.jpg", "moving/second.jpg")
    filmed.annotations.write_text(text)
    with pytest.raises(InputError, match=r"second\.jpg names no frame"):
        read_all([filmed], split="train")


def test_smaller_frames_of_the_same_shape_are_accepted_and_others_are_not(clips: Source) -> None:
    path = clips.frames / "moving" / "00001.png"
    picture = cv2.imread(str(path))
    cv2.imwrite(str(path), cv2.resize(picture, (64, 48)))
    read_all([clips], split="train")
    cv2.imwrite(str(path), cv2.resize(picture, (64, 60)))
    with pytest.raises(InputError, match=r"00001\.png: is 64x60 \(width x height\), its annotations are for 128x96"):
        read_all([clips], split="train")
