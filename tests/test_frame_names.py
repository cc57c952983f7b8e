"""Which picture of a video a file name means: one rule for training and scoring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stc.annotations.frames import frame_numbers, video_of
from stc.annotations.videos import Video, VideoAnnotations
from stc.benchmarks.evaluation.frames import find_frames
from stc.errors import InputError, Problems
from stc.training.data.annotations import Clip, Dataset, Frame
from stc.training.data.frame_files import locate_frames, unpack_videos
from stc.training.data.views import read_reduced
from tests.runtime.video.clips import SIZE, encode, steady

VIDEO = Path("goat.mp4")


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["goat/00003.jpg", "goat/00005.jpg", "goat/00010.jpg"], [3, 5, 10]),
        (["goat/frame_00003.jpg", "goat/frame_00005.jpg"], [3, 5]),
        (["goat/cam2-9.png", "goat/cam2-10.png"], [9, 10]),
        (["goat/first.jpg", "goat/second.jpg", "goat/third.jpg"], [0, 1, 2]),
        (["goat/1st.jpg", "goat/2nd.jpg"], [0, 1]),
    ],
)
def test_the_number_at_the_end_counts_or_else_the_order(names: list[str], numbers: list[int]) -> None:
    assert frame_numbers(names, VIDEO) == numbers


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["goat/1.jpg", "goat/second.jpg"], "goat/second.jpg names no frame of goat.mp4: it ends in no number"),
        (["goat/1.jpg", "goat/1.png"], "goat/1.png names no frame of goat.mp4: its number, 1, does not come after 1"),
        (["goat/5.jpg", "goat/3.jpg"], "its number, 3, does not come after 5"),
        (["goat/a_v2.jpg", "goat/b_v2.jpg"], "its number, 2, does not come after 2"),
        (["goat/²3.jpg", "goat/x².jpg"], "goat/x².jpg names no frame"),
    ],
)
def test_anything_between_is_refused(names: list[str], said: str) -> None:
    with pytest.raises(InputError, match="name all by their frames, from 0") as caught:
        frame_numbers(names, VIDEO)
    assert said in str(caught.value)


def test_which_video_stands_for_a_clip(tmp_path: Path) -> None:
    pictures = [tmp_path / "goat" / "0.jpg", tmp_path / "goat" / "1.jpg"]
    assert video_of("goat", pictures, tmp_path) is None
    (tmp_path / "goat.mkv").touch()
    assert video_of("goat", pictures, tmp_path) == tmp_path / "goat.mkv"
    assert video_of("goat", pictures, tmp_path / "goat.mkv") == tmp_path / "goat.mkv"
    (tmp_path / "goat.mp4").touch()
    with pytest.raises(InputError, match=r"goat.mp4 and goat.mkv: either may be the clip goat"):
        video_of("goat", pictures, tmp_path)
    (tmp_path / "goat").mkdir()
    pictures[1].touch()
    assert video_of("goat", pictures, tmp_path) is None, "then the other pictures are missing"


@pytest.mark.parametrize(
    "names",
    [
        ["goat/frame_00003.jpg", "goat/frame_00005.jpg", "goat/frame_00007.jpg"],
        ["goat/00000.jpg", "goat/00004.jpg", "goat/00005.jpg"],
        ["goat/a.jpg", "goat/b.jpg", "goat/c.jpg"],
    ],
)
def test_training_and_scoring_see_the_same_frames(names: list[str], tmp_path: Path) -> None:
    encode(tmp_path / "goat.mkv", steady(10), codec="ffv1", pixels="bgr0")
    video = Video(1, "goat", SIZE, tuple(names), ())
    scored = list(find_frames(VideoAnnotations({}, (video,)), tmp_path, 30.0)[1]())
    problems = Problems("the data")
    clip = locate_frames(Clip("goat", tuple(Frame(tmp_path / n, SIZE, ()) for n in names), False), tmp_path, problems)
    assert problems.found == []
    assert [frame.number for frame in clip.frames] == [frame.index for frame in scored]
    trained = unpack_videos(Dataset((), (clip,)), tmp_path / "unpacked").clips[0]
    for frame, other in zip(trained.frames, scored, strict=True):
        difference = np.abs(read_reduced(frame.path, 999).astype(float) - other.image).mean()
        assert difference < 1.5, "but for the JPEG; a frame beside is 4 levels away"
