"""Without an output asked for, results go into a new folder under runs/."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.runtime.track.track_cli import Track, written


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_first_command_writes_a_video_and_lines_and_says_where(
    clip: Path, track: Track, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2):
        assert track("clip.mp4") == 0
        folder = f"runs/track-{number}"
        assert f"-> {folder}/clip.mp4, {folder}/clip.jsonl" in capsys.readouterr().out
        assert written(Path(folder)) == ["clip.jsonl", "clip.mp4"]
        assert len(Path(folder, "clip.jsonl").read_text().splitlines()) == 12


def test_several_inputs_share_a_folder(clip: Path, track: Track) -> None:
    Path("other.mp4").write_bytes(clip.read_bytes())
    assert track("clip.mp4", "other.mp4") == 0
    assert written(Path("runs/track-1")) == ["clip.jsonl", "clip.mp4", "other.jsonl", "other.mp4"]


@pytest.mark.parametrize(("arguments", "told"), [(["none.mp4"], "none.mp4"), (["clip.mp4", "--every", "0"], "every=0")])
def test_a_run_that_fails_leaves_no_folder_and_says_what_is_wrong_first(
    clip: Path, track: Track, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert track(*arguments) == 1
    assert told in capsys.readouterr().err and not Path("runs").exists()


def test_a_folder_of_somebody_else_is_left_alone(clip: Path, track: Track) -> None:
    notes = Path("runs/track-1/notes.txt")
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    assert track("clip.mp4") == 0
    assert notes.read_text() == "mine" and written(Path("runs/track-2")) == ["clip.jsonl", "clip.mp4"]
    assert json.loads(Path("runs/track-2/clip.jsonl").read_text().splitlines()[0])["index"] == 0


def test_where_no_folder_can_be_made_it_is_said(clip: Path, track: Track, capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs").write_text("a file")
    assert track("clip.mp4") == 1
    told = capsys.readouterr().err
    assert told.startswith("error: runs") and "-o OUT" in told and Path("runs").read_text() == "a file"
