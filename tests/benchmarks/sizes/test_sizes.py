"""Recall by size and false tracks, counted by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from stc.annotations.masks import encode
from stc.annotations.videos import Track, Video
from stc.benchmarks.evaluation.results import Prediction
from stc.benchmarks.sizes.__main__ import Tally, main, row, settings, tally, thinned
from stc.cli import run
from stc.errors import InputError
from stc.runtime import TrackerConfig
from tests.benchmarks.evaluation import scenes
from tests.runtime import tiny_model

SIZE = (120, 240)


def rle(x: int, y: int, side: int) -> dict[str, object]:
    mask = np.zeros(SIZE, np.bool_)
    mask[y : y + side, x : x + side] = True
    return encode(mask)


SMALL, MEDIUM, LARGE = rle(0, 0, 10), rle(30, 0, 40), rle(100, 10, 100)


def track(category: int, *masks: dict[str, object] | None, crowd: bool = False) -> Track:
    return Track(category, masks, 0.0, crowd, None)


def clip(*tracks: Track, incomplete: frozenset[int] = frozenset()) -> Video:
    return Video(1, "clip", SIZE, ("0", "1"), tracks, incomplete=incomplete)


def test_objects_are_counted_where_they_are_seen_and_found_by_a_track_of_their_class() -> None:
    video = clip(track(1, SMALL, SMALL), track(1, MEDIUM, None), track(2, LARGE, LARGE))
    found = [Prediction(1, 0.9, (SMALL, None)), Prediction(2, 0.9, (MEDIUM, None)), Prediction(2, 0.9, (LARGE, LARGE))]
    told = tally(video, found, 0.5)
    assert told.there.tolist() == [2, 0, 1, 2, 5] and told.found.tolist() == [1, 0, 0, 2, 3]
    assert (told.false, told.changes, told.minutes) == (0, 0, 0.5)


def test_a_track_is_false_where_most_of_its_frames_show_no_object_or_crowd() -> None:
    nothing = rle(60, 60, 30)
    video = clip(track(1, LARGE, LARGE), track(2, MEDIUM, MEDIUM, crowd=True))
    tracks = {
        "right": (1, (LARGE, LARGE)),
        "of another class": (2, (LARGE, LARGE)),
        "half of the time": (1, (LARGE, nothing)),
        "inside the crowd": (2, (rle(40, 10, 10), None)),
        "nothing": (1, (nothing, None)),
        "nothing twice": (2, (nothing, nothing)),
    }
    predictions = [Prediction(category, 0.5, masks) for category, masks in tracks.values()]
    assert tally(video, predictions, 1).false == 2
    assert tally(replace(video, incomplete=frozenset({2})), predictions, 1).false == 1
    assert tally(video, predictions, 1).there.tolist() == [0, 0, 0, 2, 2]  # a crowd is no object
    assert tally(video, [], 1).found.tolist() == [0] * 5 and tally(clip(), predictions, 1).false == 6


def test_a_row_adds_up_videos_and_says_how_sure_it_is() -> None:
    one = Tally(np.array([0, 0, 4, 0, 4]), np.array([0, 0, 4, 0, 4]), 0.5, 1, 1)
    two = replace(one, found=np.array([0, 0, 1, 0, 1]), false=2)
    assert row([one, two]) == ["-", "-", "0.62 [0.25, 1.00] of 8", "-", "0.62 [0.25, 1.00] of 8", "3.0 a minute", "2"]
    pictures = [replace(each, minutes=0.0) for each in (one, two)]
    assert row(pictures)[-2:] == ["1.50 a picture", "-"]


def test_thinning_keeps_objects_and_frames_together() -> None:
    video = replace(clip(track(1, SMALL, None, LARGE)), files=("0", "1", "2"))
    found = thinned(video, 2)
    assert found.files == ("0", "2") and found.tracks[0].masks == (SMALL, LARGE)
    assert thinned(video, 1) == video


def test_settings_of_the_tracker_are_named_and_checked() -> None:
    config = settings(["confirm_time=2.5", "class_gate=false", "assignment=linear"], TrackerConfig())
    assert config == TrackerConfig(confirm_time=2.5, class_gate=False, assignment="linear")
    for wrong, message in (
        ("confirm=1", "give NAME=VALUE with one of rule"),
        ("max_age", "give NAME"),
        ("max_age=-1", "max_age"),
    ):
        with pytest.raises(InputError, match=message):
            settings([wrong], TrackerConfig())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A cat that moves for six frames, and one found with a score that the third frame confirms."""
    boxes: list[scenes.Box | None] = [(8 + 2 * t, 8, 24, 24) for t in range(6)]
    objects = [{"boxes": boxes}, {"boxes": [(64, 24, 24, 32)] * 6}]
    content = scenes.annotations((60, 96), [6], objects, ("cat", "dog"))
    (tmp_path / "data.json").write_text(json.dumps(content))
    (tmp_path / "v1").mkdir()
    for t, box in enumerate(boxes):
        assert box is not None
        frame = tiny_model.frame((0, (box[0], 8, box[0] + 24, 32)), (2, (64, 24, 88, 56)))
        cv2.imwrite(str(tmp_path / f"v1/{t:05d}.png"), frame)
    tiny_model.write_bundle(tmp_path / "bundle")
    return tmp_path


def test_the_command_prints_a_row_for_each_rate(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--model", str(data / "bundle"), "--data", str(data / "data.json"), "--frames", str(data)]
    assert run(main, [*common, "--every", "1,3", "--fps", "12"]) == 0
    head, rule, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith("| frames a second | below 16 px | 16 to 32 |") and rule.count("---") == 8
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in rows]
    assert [line[0] for line in cells] == ["12", "4"]
    # Two frames a quarter of a second apart confirm what takes three at 12 a second: all of both is found.
    assert [line[5] for line in cells] == ["1.00 [1.00, 1.00] of 12", "1.00 [1.00, 1.00] of 4"]
    assert [line[6] for line in cells] == ["0.0 a minute"] * 2
    assert run(main, [*common, "--every", "3", "--fps", "12", "--set", "confirm_time=9"]) == 0
    assert "0.50 [0.50, 0.50] of 4" in capsys.readouterr().out


def test_wrong_usage_is_one_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--model", str(data / "bundle"), "--data", str(data / "data.json"), "--frames", str(data)]
    for more, message in (
        (["--every", "0"], "--every 0"),
        (["--fps", "nan"], "--fps"),
        (["--clips", "none"], "no clips named none"),
    ):
        assert run(main, [*common, *more]) == 1
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
