"""Recordings that are damaged, or only seem to be: what is skipped, counted and said."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stc.errors import InputError
from stc.runtime.video import Stats, open_source
from stc.runtime.video.frame import numbered
from tests.runtime.video.clips import encode, steady
from tests.runtime.video.zoo import CLIPS, decoded_by_ffmpeg, ffmpeg, h264, overwrite_packet


@pytest.fixture
def clip(tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: next(clip for clip in CLIPS if clip.name == name).make(tmp_path)


def test_what_is_skipped_is_counted_anew_each_time_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = encode(tmp_path / "clip.avi", steady(30), codec="mjpeg", pixels="yuvj420p")
    for number in (10, 11, 20):
        overwrite_packet(path, number)
    source = open_source(path)
    assert [frame.index for frame in source] == list(range(27))
    assert (source.stats.received, source.stats.decode_errors, source.stats.cut_short) == (27, 3, False)
    assert source.loss == "3 damaged packets skipped"
    (message,) = caplog.messages
    assert "clip.avi: truncated or damaged (3 damaged packets skipped), ends after 27 frames" in message
    list(source)
    assert source.stats.decode_errors == 3


def test_the_loss_of_the_end_is_told_apart(tmp_path: Path) -> None:
    path = encode(tmp_path / "whole.mp4", steady(40), options={"movflags": "faststart"}, noise=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    source = open_source(path)
    list(source)
    assert source.stats.cut_short and source.loss.endswith("cut short")


@pytest.mark.parametrize(
    "name", ["edit-list.mp4", "sound-longer.flv", "sound-first.mp4", "vfr.mkv", "rare.mkv", "raw.mjpeg"]
)
def test_a_sound_recording_is_not_called_cut_short(
    name: str, clip: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    """An edit list shows less than is stored, sound may last longer, and some formats state no length."""
    source = open_source(clip(name))
    with caplog.at_level(logging.WARNING):
        list(source)
    assert source.loss == "" and not caplog.records


@pytest.mark.parametrize("name", ["open-gop.mp4", "av1.mp4"])
def test_an_edit_list_in_the_middle_shows_what_it_chooses(
    name: str, tmp_path: Path, clip: Callable[[str], Path]
) -> None:
    whole = clip(name)
    part = tmp_path / "part.mp4"
    ffmpeg(["-ss", "0.16", "-t", "0.2", "-i", str(whole), "-c", "copy", str(part)])
    source = open_source(part)
    frames = list(source)
    assert 0 < len(frames) < 12 and source.loss == ""


def test_damage_says_what_is_lost() -> None:
    assert Stats().damage == ""
    assert Stats(decode_errors=1).damage == "1 damaged packet skipped"
    assert Stats(decode_errors=2, cut_short=True).damage == "2 damaged packets skipped, cut short"
    assert Stats(concealed=1).damage == "1 damaged frame concealed"
    assert Stats(3, decode_errors=1, concealed=2).damage == "1 damaged packet skipped, 2 damaged frames concealed"


def test_a_key_frame_that_is_lost_takes_with_it_what_it_does_with_ffmpeg(tmp_path: Path) -> None:
    """The decoder gives some frames late then; which they are is the same, their times are not known to anybody."""
    path = h264("key.mp4", "-g", "6", damaged=6).make(tmp_path)
    source = open_source(path)
    frames = list(source)
    expected = decoded_by_ffmpeg(path, "0:V", (96, 64)).images
    assert len(frames) == len(expected) == 9 and source.stats.decode_errors == 1
    assert all(
        np.abs(frame.image - image.astype(int)).mean() < 1 for frame, image in zip(frames, expected, strict=True)
    )
    assert all(a.time < b.time for a, b in pairwise(frames)) and frames[-1].time < 0.6


@pytest.mark.parametrize("name", ["plain.mp4", "plain.ts", "mpeg4.avi", "mpeg2.mpg"])
def test_frames_that_the_decoder_made_up_in_part_are_given_and_counted(
    name: str, clip: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    """The middle of a packet is overwritten: its decoder goes on behind the damage, as that of ffmpeg does."""
    path = clip(name)
    sound = [frame.image for frame in open_source(path)]
    overwrite_packet(path, 5, part=0.5)
    source = open_source(path)
    frames = list(source)
    assert len(frames) == len(sound) and any(not np.array_equal(a.image, b) for a, b in zip(frames, sound, strict=True))
    assert source.stats.concealed >= 1 and source.stats.decode_errors == 0
    assert source.loss == source.stats.damage and source.loss.endswith("concealed")
    assert source.loss in caplog.messages[-1]


def test_frames_by_their_numbers_end_where_damage_makes_them_uncertain(clip: Callable[[str], Path]) -> None:
    source = open_source(clip("damaged.avi"))  # packet 5
    found = numbered(source, [0, 2, 9])
    assert [next(found).index, next(found).index] == [0, 2]
    with pytest.raises(InputError, match="1 damaged packet skipped before frame 9, so its number is not certain"):
        next(found)
    whole = open_source(clip("mjpeg.avi"))
    assert [frame.index for frame in numbered(whole, [0, 2, 11])] == [0, 2, 11]
    with pytest.raises(InputError, match=r"mjpeg.avi: ends before frame 12 \(from 0\)"):
        list(numbered(whole, [0, 12]))


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_stray_time_stamp_moves_no_other_frame(tmp_path: Path, suffix: str, clip: Callable[[str], Path]) -> None:
    path = tmp_path / f"stray{suffix}"
    ffmpeg(
        ["-i", str(clip("plain.mp4")), "-c", "copy", "-bsf:v", "setts=pts='if(eq(N,6),PTS+37600/TB,PTS)'", str(path)]
    )
    source = open_source(path)
    assert [frame.time for frame in source] == pytest.approx(steady(12, 25), abs=1e-3)
    assert source.loss == ""
