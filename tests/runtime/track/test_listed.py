"""Inputs from a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stc.errors import InputError
from stc.runtime.track.listed import listed
from tests.runtime.track.track_cli import Track, written
from tests.runtime.video.clips import encode, steady


def test_the_lines_of_a_file_stand_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("\n a b.mp4 \r\n# the gate\nrtsp://u:hunter2@cam/1\n\n", encoding="utf-8")
    assert listed(["x.mp4", "@list.txt", "y.mp4"]) == ["x.mp4", "a b.mp4", "rtsp://u:hunter2@cam/1", "y.mp4"]
    Path("@list.txt").write_text("a file of this name")
    assert listed(["@list.txt", "rtsp://u@cam"]) == ["@list.txt", "rtsp://u@cam"]


@pytest.mark.parametrize("name", ["missing.txt", "folder", "fifo", "clip.mp4", "empty.txt", "large.txt"])
def test_what_is_no_list_is_refused_and_not_waited_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    os.mkfifo("fifo")
    encode(Path("clip.mp4"), steady(5))
    Path("empty.txt").write_text("# nothing\n\n")
    Path("large.txt").write_text("a.mp4\n" * 200_000)
    with pytest.raises(InputError, match=f"^@{name}: "):
        listed([f"@{name}"])


def test_each_of_a_list_gets_its_files(tmp_path: Path, track: Track) -> None:
    paths = [encode(tmp_path / f"{name}.mp4", steady(3)) for name in "ab"]
    (tmp_path / "list.txt").write_text("".join(f"{path}\n" for path in paths))
    assert track(f"@{tmp_path / 'list.txt'}", "--jsonl", tmp_path / "out") == 0
    assert written(tmp_path / "out") == ["a.jsonl", "b.jsonl"]
