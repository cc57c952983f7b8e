"""`stc-track` from its arguments to its files, exit codes and messages; only the detector is a stand-in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco

from stc.cli import run
from stc.errors import InputError
from stc.runtime import main as command
from stc.runtime.video import Frame, open_source
from tests.runtime import tiny_model
from tests.runtime.video.clips import SIDE, BrightSession, encode, make_frame, make_source, square_picture, steady

Track = Callable[..., int]


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[BrightSession]:
    """The sessions that a command opens, in order."""
    opened: list[BrightSession] = []

    def session(model: str, **options: Any) -> BrightSession:
        opened.append(BrightSession(model, **options))
        return opened[-1]

    monkeypatch.setattr("stc.runtime.session.Session", session)
    return opened


@pytest.fixture
def track(sessions: list[BrightSession]) -> Track:
    return lambda *arguments: run(command.main, [str(a) for a in arguments] + ["--model", "bundle"])


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return encode(tmp_path / "clip.mp4", steady(12))


def give_source(monkeypatch: pytest.MonkeyPatch, read: Callable[[], Iterator[Frame]], **changes: Any) -> None:
    source = replace(make_source(20), read=read, **changes)
    monkeypatch.setattr("stc.runtime.video.open_source", lambda spec, every: source)


def written(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_video_to_every_kind_of_output(
    tmp_path: Path, clip: Path, track: Track, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    outputs = [out / "t.mp4", out / "t.json", out / "t.jsonl", out / "t.png"]
    code = track(clip, "-o", outputs[0], "--json", outputs[1], "--jsonl", outputs[2], "--contact", outputs[3])
    assert code == 0
    assert written(out) == ["t.json", "t.jsonl", "t.mp4", "t.png"]

    summary = capsys.readouterr().out
    assert summary.startswith("12 frames in ") and "FPS end to end), 1 tracks" in summary
    assert all(str(path) in summary for path in outputs)

    (entry,) = json.loads(outputs[1].read_text())
    assert entry["category_id"] == 1 and entry["score"] == pytest.approx(BrightSession.score)
    # The tracker confirms in the third frame; the first two belong to the track all the same.
    assert len(entry["segmentations"]) == 12
    for index, segmentation in enumerate(entry["segmentations"]):
        expected = square_picture(index)[:, :, 1] > 150
        found = coco.decode(segmentation).astype(bool)
        assert (found & expected).sum() / (found | expected).sum() > 0.8  # the codec moves the edge by a pixel at most

    lines = [json.loads(line) for line in outputs[2].read_text().splitlines()]
    assert [[o["track_id"] for o in line["objects"]] for line in lines] == [[-1], [-1]] + [[1]] * 10
    assert {o["handle"] for line in lines for o in line["objects"]} == {0}

    frames = list(open_source(outputs[0]))
    assert [f.time for f in frames] == pytest.approx([f.time for f in open_source(clip)], abs=1e-4)
    for index, frame in enumerate(frames):
        inside = frame.image[30 + SIDE // 2, 10 + 3 * index + SIDE // 2].astype(int)
        assert np.abs(inside - square_picture(index)[40, 15 + 3 * index]).max() > 20, "tinted from the first frame on"

    assert cv2.imread(str(outputs[3])).shape[1] > 4 * 600


def test_single_picture(tmp_path: Path, track: Track) -> None:
    cv2.imwrite(str(tmp_path / "in.png"), square_picture(0))
    assert track(tmp_path / "in.png", "-o", tmp_path / "out.png", "--json", tmp_path / "out.json") == 0
    drawn = cv2.imread(str(tmp_path / "out.png"))
    inside = np.s_[35:50, 15:30]
    assert (drawn[inside] != square_picture(0)[inside]).any(axis=2).all(), "one frame is enough to show an object"
    (entry,) = json.loads((tmp_path / "out.json").read_text())
    assert len(entry["segmentations"]) == 1


def test_one_frame_video(tmp_path: Path, track: Track) -> None:
    encode(tmp_path / "in.mp4", [0.0])
    assert track(tmp_path / "in.mp4", "-o", tmp_path / "out.mp4", "--contact", tmp_path / "c.png") == 0
    assert len(list(open_source(tmp_path / "out.mp4"))) == 1


def test_folder_to_folder_with_every(tmp_path: Path, track: Track) -> None:
    (tmp_path / "in").mkdir()
    for index in range(7):
        cv2.imwrite(str(tmp_path / "in" / f"{index}.png"), square_picture(index))
    assert track(tmp_path / "in", "-o", tmp_path / "out", "--every", 3, "--jsonl", tmp_path / "t.jsonl") == 0
    assert written(tmp_path / "out") == ["000000.jpg", "000003.jpg", "000006.jpg"]
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [(line["index"], line["time"]) for line in lines] == [(0, 0.0), (3, 0.1), (6, 0.2)]


def test_options_reach_the_session(tmp_path: Path, clip: Path, track: Track, sessions: list[BrightSession]) -> None:
    options = ["--score", 0.4, "--classes", "person, animal", "--threads", 2, "--tracker", "crossvis"]
    assert track(clip, "--jsonl", tmp_path / "t.jsonl", *options) == 0
    assert track(clip, "--jsonl", tmp_path / "t.jsonl") == 0
    assert [s.options for s in sessions] == [
        {"score_threshold": 0.4, "classes": ["person", "animal"], "threads": 2},
        {"score_threshold": None, "classes": None, "threads": None},
    ]
    assert [config.rule for s in sessions for config in s.stream_configs] == ["crossvis", "default"]
    assert all(s.model == "bundle" for s in sessions)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clip.mp4"], "no output asked for"),
        ([], "arguments are required: INPUT"),
        (
            ["clip.mp4", "-o", "out.mp4", "--every", "x"],
            "argument --every: invalid int value: 'x'; see: stc-track --help",
        ),
        (["clip.mp4", "-o", "out.mp4", "--every", "0"], "every=0: must be 1 or more"),
        (["clip.mp4", "-o", "out.mp4", "--tracker", "best"], "invalid choice: 'best'"),
        (["clip.mp4", "-o", "out.avi"], "unknown output suffix '.avi'"),
        (["clip.mp4", "-o", "out.png"], "one picture cannot hold 12 frames"),
        (["clip.mp4", "-o", "./clip.mp4"], "is the input itself"),
        (["clip.mp4", "--json", "x", "--jsonl", "./x"], "given for two outputs"),
        (["clip.mp4", "--contact", "c.mp4"], "a contact sheet is a picture"),
        (["nothing.mp4", "-o", "out.mp4"], "nothing.mp4: no such file or folder"),
        (["notes.mp4", "-o", "out.mp4"], "notes.mp4: cannot be opened as video"),
        (["empty", "-o", "out.mp4"], "empty: holds no pictures"),
        (["rtsp://u:hunter2@127.0.0.1:9/x", "--jsonl", "x"], "rtsp://***@127.0.0.1:9/x: cannot be opened"),
        (["clip.mp4", "--json", "notes.mp4/deep/t.json"], "notes.mp4"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_1(
    clip: Path,
    track: Track,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(clip.parent)
    Path("notes.mp4").write_text("no video")
    Path("empty").mkdir()
    before = written(clip.parent)
    assert track(*arguments) == 1
    shown = capsys.readouterr().err
    assert message in shown and shown.startswith("error: ") and shown.count("\n") == 1
    assert "hunter2" not in shown
    assert written(clip.parent) == before


def test_missing_model_is_an_error_without_output(
    tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command.main, [str(clip), "-o", str(tmp_path / "out.mp4"), "--model", str(tmp_path / "none")]) == 1
    assert "no such model" in capsys.readouterr().err
    assert written(tmp_path) == ["clip.mp4"]


def test_json_of_a_live_source_is_refused(
    tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give_source(monkeypatch, lambda: iter([make_frame(0)]), live=True, length=None)
    assert track("0", "--json", tmp_path / "t.json") == 1
    assert f"use: --jsonl {tmp_path}/t.jsonl" in capsys.readouterr().err
    assert track("0", "--jsonl", tmp_path / "t.jsonl", "-o", tmp_path / "out.mp4") == 0
    assert written(tmp_path) == ["out.mp4", "t.jsonl"]


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
    from stc.runtime.video import jsonl

    record = jsonl._record

    def interrupted(frame: Frame, result: Any) -> dict[str, object]:
        if frame.index == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return record(frame, result)

    monkeypatch.setattr(jsonl, "_record", interrupted)
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


HEAVY = ("torch", "cv2", "av", "onnxruntime", "scipy", "rich", "PIL", "pycocotools")


@pytest.mark.parametrize("arguments", [["--help"], ["clip.mp4"], ["missing.mp4", "-o", "out.mp4", "--model", "m"]])
def test_help_and_early_errors_import_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    code = f"""
import sys
from stc.cli import run
from stc.runtime.main import main
try:
    run(main, {arguments!r})
except SystemExit:
    pass
print("HEAVY", [name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_real_bundle_without_torch(tmp_path: Path, bundle: Path) -> None:
    """The whole command in an interpreter that has no torch, on a model in ONNX Runtime."""
    (tmp_path / "in").mkdir()
    for index in range(6):
        # Slot 0 scores 0.9 and is a track at once, slot 2 scores 0.6 and takes three frames, slot 3 is seen only once.
        objects = [(0, (4 + index, 8, 24 + index, 28)), (2, (60, 20 + index, 84, 44 + index))]
        objects += [(3, (4, 40, 20, 56))] if index == 2 else []
        cv2.imwrite(str(tmp_path / "in" / f"{index}.png"), tiny_model.frame(*objects))
    code = """
import sys
sys.modules["torch"] = None  # any import of it raises
from stc.runtime.main import entry
entry()
"""
    arguments = ["in", "--model", str(bundle), "-o", "out.mp4", "--json", "out.json", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "6 frames in" in done.stdout and "2 tracks -> out.mp4, out.json" in done.stdout
    first, second = json.loads((tmp_path / "out.json").read_text())
    assert first["score"] == pytest.approx(0.9) and second["score"] == pytest.approx(0.6)
    assert first["category_id"] == second["category_id"] == 1
    for index in range(6):
        expected = np.zeros((60, 96), bool)
        expected[20 + index : 44 + index, 60:84] = True
        found = coco.decode(second["segmentations"][index]).astype(bool)
        assert (found & expected).sum() / (found | expected).sum() > 0.6  # masks have cells of 4 pixels
    assert len(list(open_source(tmp_path / "out.mp4"))) == 6


def test_unknown_class_and_low_score_are_refused(
    tmp_path: Path, clip: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, message in ((["--classes", "cat,bird"], "bird"), (["--score", "0.1"], "0.1")):
        assert run(command.main, [str(clip), "--model", str(bundle), "-o", str(tmp_path / "o.mp4"), *options]) == 1
        shown = capsys.readouterr().err
        assert message in shown and shown.count("\n") == 1
    assert written(tmp_path) == ["clip.mp4"]
