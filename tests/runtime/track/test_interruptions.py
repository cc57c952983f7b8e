"""`stc-track` stopped in the middle, by Ctrl-C, its source or a bug: its files are whole or not there."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stc.errors import InputError
from stc.runtime.video import Frame, open_source
from tests.runtime.track.track_cli import Track, give_source, written
from tests.runtime.video.clips import BrightSession, make_frame


def all_outputs(folder: Path) -> list[str]:
    return [f"{a}={folder / b}" for a, b in (("--output", "t.mp4"), ("--json", "t.json"), ("--jsonl", "t.jsonl"))]


def check_complete(folder: Path, count: int) -> None:
    """Every output is a whole file that holds the first `count` frames."""
    assert written(folder) == ["t.json", "t.jsonl", "t.mp4"]
    assert len(list(open_source(folder / "t.mp4"))) == count
    assert len((folder / "t.jsonl").read_text().splitlines()) == count
    (entry,) = json.loads((folder / "t.json").read_text())
    assert len(entry["segmentations"]) == count and None not in entry["segmentations"]


def test_interrupt_while_reading_completes_the_files(
    tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read() -> Iterator[Frame]:
        yield from (make_frame(i) for i in range(5))
        raise KeyboardInterrupt

    give_source(monkeypatch, read)
    assert track("clip", *all_outputs(tmp_path)) == 130
    check_complete(tmp_path, 5)
    shown = capsys.readouterr()
    assert shown.out.startswith("5 frames") and shown.err.endswith("interrupted\n")


def test_signal_while_writing_waits_for_the_frame(
    tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C arrives after one sink has the frame and before the next one has it."""
    from stc.runtime.video.sinks import jsonl

    record = jsonl.record

    def interrupted(frame: Frame, result: Any) -> dict[str, object]:
        if frame.index == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return record(frame, result)

    monkeypatch.setattr(jsonl, "record", interrupted)
    give_source(monkeypatch, lambda: (make_frame(i) for i in range(20)))
    handler = signal.getsignal(signal.SIGINT)
    assert track("clip", *all_outputs(tmp_path)) == 130
    check_complete(tmp_path, 5)
    assert signal.getsignal(signal.SIGINT) is handler


def test_interrupt_before_the_first_frame_leaves_nothing(
    tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> Iterator[Frame]:
        raise KeyboardInterrupt
        yield

    give_source(monkeypatch, read)
    assert track("clip", *all_outputs(tmp_path)) == 130
    assert written(tmp_path) == []


def test_lost_source_completes_the_files_and_fails(
    tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read() -> Iterator[Frame]:
        yield from (make_frame(i) for i in range(5))
        raise InputError("camera: lost after 5 frames")

    give_source(monkeypatch, read)
    assert track("clip", *all_outputs(tmp_path)) == 1
    check_complete(tmp_path, 5)
    assert "camera: lost after 5 frames" in capsys.readouterr().err


def test_bug_in_the_middle_leaves_no_half_file(tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> Iterator[Frame]:
        yield from (make_frame(i) for i in range(5))
        raise RuntimeError("bug")

    give_source(monkeypatch, read)
    with pytest.raises(RuntimeError, match="bug"):
        track("clip", *all_outputs(tmp_path))
    assert written(tmp_path) == ["t.jsonl"], "lines that were whole stay"


def test_a_file_that_cannot_be_completed_harms_no_other(
    tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the end of a disk, the result JSON does not fit; the video and the lines do."""
    from stc.runtime.video.sinks import ytvis

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ytvis, "write", full)
    give_source(monkeypatch, lambda: (make_frame(i) for i in range(5)))
    assert track("clip", *all_outputs(tmp_path)) == 1
    assert "t.json: cannot be written (No space left on device)" in capsys.readouterr().err
    assert written(tmp_path) == ["t.jsonl", "t.mp4"]
    assert len(list(open_source(tmp_path / "t.mp4"))) == len((tmp_path / "t.jsonl").read_text().splitlines()) == 5


def test_an_output_that_fails_in_the_middle_completes_the_others(
    tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The disk of the video is full after five frames: everything holds these, and the exit code says so."""
    usage = iter([(10**9, 0, 10**9)] * 5 + [(10**9, 0, 0)] * 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: next(usage))
    give_source(monkeypatch, lambda: (make_frame(i) for i in range(20)))
    outputs = [*all_outputs(tmp_path), f"--contact={tmp_path / 't.png'}"]
    assert track("clip", *outputs) == 1
    assert "t.mp4: the disk is nearly full (0.0 MB free); it ends after 5 frames" in capsys.readouterr().err
    assert written(tmp_path) == ["t.json", "t.jsonl", "t.mp4", "t.png"]
    assert len(list(open_source(tmp_path / "t.mp4"))) == 5
    assert len((tmp_path / "t.jsonl").read_text().splitlines()) > 5, "drawn pictures come later than lines"


def test_numbers_that_json_does_not_know_never_reach_a_file(
    tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_source(monkeypatch, lambda: (make_frame(i) for i in range(6)))
    monkeypatch.setattr(BrightSession, "score", math.inf)
    assert track("clip", "--json", tmp_path / "t.json", "--jsonl", tmp_path / "t.jsonl") == 0

    def strict(text: str) -> Any:
        return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))

    (entry,) = strict((tmp_path / "t.json").read_text())
    assert entry["score"] is None and len(entry["segmentations"]) == 6
    for line in (tmp_path / "t.jsonl").read_text().splitlines():
        assert [thing["score"] for thing in strict(line)["objects"]] == [None]


def test_lines_on_stdout_are_alone_there(
    tmp_path: Path, clip: Path, track: Track, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("--jsonl", "--json"):
        assert track(clip, name, "-", "-o", tmp_path / "t.mp4") == 0
        shown = capfd.readouterr()
        records = [json.loads(shown.out)] if name == "--json" else [json.loads(line) for line in shown.out.splitlines()]
        assert len(records) == (1 if name == "--json" else 12)
        assert shown.err.startswith("12 frames in ") and not (Path("-")).exists()
