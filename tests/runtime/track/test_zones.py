"""`stc-track --zones`: events in the lines, counts in the pictures, and what is refused before any work."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stc.runtime.video import open_source
from tests.runtime.track.track_cli import Track
from tests.runtime.video.clips import SIDE, square_picture

DOOR = 10 + 3 * 6 + SIDE // 2 - 1  # x: the square's middle passes it in its seventh picture


def zones(folder: Path, content: object) -> Path:
    path = folder / "zones.json"
    path.write_text(json.dumps(content))
    return path


def test_a_crossing_is_in_its_line_and_the_zone_in_every_picture(tmp_path: Path, clip: Path, track: Track) -> None:
    height = square_picture(0).shape[0]
    file = zones(
        tmp_path,
        {
            "door": {"line": [[DOOR, 0], [DOOR, height]], "anchor": "center"},
            "room": {"polygon": [[0, 0], [DOOR, 0], [DOOR, height], [0, height]], "anchor": "center"},
        },
    )
    out = tmp_path / "out"
    assert track(clip, "--zones", file, "--jsonl", out / "t.jsonl", "-o", out / "t.mp4") == 0
    lines = [json.loads(line) for line in (out / "t.jsonl").read_text().splitlines()]
    assert all([zone["name"] for zone in line["zones"]] == ["door", "room"] for line in lines)
    told = [[(zone["name"], event["kind"]) for zone in line["zones"] for event in zone["events"]] for line in lines]
    # Confirmed in the third picture, over the door in the seventh: to the right is in over a line that goes down.
    assert told == [[], [], [("room", "in")], [], [], [], [("door", "in"), ("room", "out")], [], [], [], [], []]
    door, room = lines[-1]["zones"]
    assert (door["entered"], door["left"], door["inside"]) == (1, 0, None)
    assert (room["entered"], room["left"], room["inside"]) == (1, 1, 0)
    for frame in open_source(out / "t.mp4"):  # the line is white, from top to bottom
        column = frame.image[[2, height - 3], DOOR].astype(int)
        assert np.abs(column - 255).max() < 60


def test_lines_without_zones_say_nothing_of_them(tmp_path: Path, clip: Path, track: Track) -> None:
    assert track(clip, "--jsonl", tmp_path / "t.jsonl") == 0
    assert not any("zones" in json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines())


@pytest.mark.parametrize(
    ("content", "outputs", "told"),
    [
        ({"a": {"line": [[0, 0]]}}, ["--jsonl", "t.jsonl"], "a line has two points"),
        ({"a": {"line": [[0, 0], [9, 9]]}}, ["--json", "t.json"], "--zones are told in JSON lines"),
        ({"a": {"line": [[0, 0], [9, 9]]}}, ["--jsonl", "zones.json"], "is the input itself"),
    ],
)
def test_wrong_zones_end_before_any_work(
    content: object,
    outputs: list[str],
    told: str,
    tmp_path: Path,
    clip: Path,
    track: Track,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    file = zones(tmp_path, content)
    before = file.read_bytes()
    assert track(clip, "--zones", "zones.json", *outputs) == 1
    assert told in capsys.readouterr().err and file.read_bytes() == before
    assert not (tmp_path / "t.jsonl").exists()
