"""What `stc-track` refuses: at once, in one line, with exit code 1 and no file written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stc.cli import run
from stc.runtime.track import main as command
from tests.runtime.track.track_cli import Track, give_source, written
from tests.runtime.video.clips import make_frame


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clip.mp4", "--append"], "no output asked for"),
        (["nothing.mp4"], "nothing.mp4: no such file or folder"),
        ([], "arguments are required: INPUT"),
        (
            ["clip.mp4", "-o", "out.mp4", "--every", "x"],
            "argument --every: invalid int value: 'x'; see: stc-track --help",
        ),
        (["clip.mp4", "-o", "out.mp4", "--every", "0"], "every=0: must be 1 or more"),
        (["clip.mp4", "-o", "out.mp4", "--tracker", "best"], "invalid choice: 'best'"),
        (["clip.mp4", "-o", "out.mp4", "--device", "tpu"], "unknown device 'tpu'; known: cpu, cuda"),
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


def test_unknown_class_and_low_score_are_refused(
    tmp_path: Path, clip: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, message in ((["--classes", "cat,bird"], "bird"), (["--score", "0.1"], "0.1")):
        assert run(command.main, [str(clip), "--model", str(bundle), "-o", str(tmp_path / "o.mp4"), *options]) == 1
        shown = capsys.readouterr().err
        assert message in shown and shown.count("\n") == 1
    assert written(tmp_path) == ["clip.mp4"]


def test_of_several_mistakes_the_one_that_is_mended_first_is_told_first(
    clip: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line is mended by the message, until nothing but the outputs is left to say."""
    monkeypatch.chdir(clip.parent)
    wrong = {"input": "none.mp4", "--model": "none", "--score": "5", "--classes": "persn", "--rotate": "x"}
    right = {"input": "clip.mp4", "--model": str(bundle), "--score": "0.5", "--classes": "cat", "--rotate": "1h"}
    told = ("none.mp4: no such file", "none: no such model", "score threshold 5", "unknown classes persn", "x: neither")
    for count, message in enumerate([*told, "no output asked for"]):
        values = wrong | dict(list(right.items())[:count])
        options = [word for name, value in list(values.items())[1:] for word in (name, value)]
        assert run(command.main, [values["input"], *options, "--append"]) == 1
        assert capsys.readouterr().err.startswith(f"error: {message}")
    assert written(clip.parent) == ["clip.mp4"]


HEAVY = ("torch", "cv2", "av", "onnxruntime", "scipy", "rich", "PIL", "pycocotools")


@pytest.mark.parametrize("arguments", [["--help"], ["clip.mp4"], ["missing.mp4", "-o", "out.mp4", "--model", "m"]])
def test_help_and_early_errors_import_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    code = f"""
import sys
from stc.cli import run
from stc.runtime.track.main import main
try:
    run(main, {arguments!r})
except SystemExit:
    pass
print("HEAVY", [name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"
