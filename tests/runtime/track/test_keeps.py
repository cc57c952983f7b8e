"""What `stc-track` leaves alone: everything that is not its own, unless `--overwrite` insists."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import cv2
import pytest

from stc.runtime.video.sinks.made import is_ours
from tests.runtime.track.track_cli import Track, give_source, written
from tests.runtime.video.clips import encode, make_frame, square_picture, steady

Contents = dict[str, bytes]


def contents(folder: Path) -> Contents:
    return {name: (folder / name).read_bytes() for name in written(folder)}


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of three numbered pictures, a video and notes."""
    folder = tmp_path / "D"
    folder.mkdir()
    for index in range(3):
        cv2.imwrite(str(folder / f"{index:06d}.jpg"), square_picture(index))
    encode(folder / "clip.mp4", steady(5))
    (folder / "notes.txt").write_text("mine")
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["D/000000.jpg", "-o", "D"], "D: is the folder of D/000000.jpg"),
        (["D/000001.jpg", "-o", "D/"], "D: is the folder of D/000001.jpg"),
        (["D/000001.jpg", "-o", "link"], "link: is the folder of D/000001.jpg"),
        (["D/clip.mp4", "-o", "D"], "D: is the folder of D/clip.mp4"),
        (["D", "-o", "D"], "D: is the input itself"),
        (
            ["clip.mp4", "-o", "D"],
            "D: holds files that stc did not write (000000.jpg, 000001.jpg, 000002.jpg and 2 more)",
        ),
        (["clip.mp4", "-o", "notes"], "notes: holds files that stc did not write (notes.txt)"),
        (["clip.mp4", "-o", "D/notes.txt/x"], "cannot be written"),
        (
            ["clip.mp4", "-o", "Makefile"],
            "Makefile: is no folder; give one for pictures, or a video such as: Makefile.mp4",
        ),
        (["D", "--contact", "D/sheet.png"], "D/sheet.png: would be one of the input's own pictures"),
        (["D", "clip.mp4", "--contact", "D"], "D/D-contact.png: would be one of the input's own pictures"),
        (["clip.mp4", "--contact", "D/000002.jpg"], "D/000002.jpg: would be replaced, and stc did not write it"),
        (["D/000000.jpg", "-o", "D/000001.jpg"], "D/000001.jpg: would be replaced, and stc did not write it"),
        (["clip.mp4", "-o", "D/clip.mp4"], "D/clip.mp4: would be replaced, and stc did not write it"),
        (["hard.mp4", "-o", "D/clip.mp4"], "D/clip.mp4: is the input itself"),
        (["hard.mp4", "--jsonl", "D/clip.mp4"], "D/clip.mp4: is the input itself"),
        (["x/clip.mp4", "clip.mp4", "-o", "D"], "D/clip.mp4: would be replaced, and stc did not write it"),
        (["x/000001.png", "clip.mp4", "-o", "x"], "x/000001.png: is the input itself"),
        (["x/anno.mp4", "clip.mp4", "--json", "x"], "x/anno.json: would be replaced, and stc did not write it"),
        (["clip.mp4", "--jsonl", "t.jsonl", "--rotate", "soon"], "soon: neither a size (kB, MB, GB) nor a time"),
        (["clip.mp4", "--jsonl", "-", "--rotate", "1h"], "--rotate: - is no file that could be renamed"),
        (["clip.mp4", "--json", "t.json", "--append"], "--append and --rotate are for JSON lines"),
        (["clip.mp4", "-o", "-"], "-o -: cannot be a stream"),
        (["clip.mp4", "--jsonl", "-", "--json", "/dev/stdout"], "given for two outputs"),
        (["clip.mp4", "D", "--jsonl", "-"], "-: one stream cannot hold several inputs"),
    ],
)
def test_what_another_wrote_is_refused_before_the_work(
    photographs: Path,
    track: Track,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    root = photographs.parent
    monkeypatch.chdir(root)
    shutil.copy("D/clip.mp4", "clip.mp4")
    os.link("D/clip.mp4", "hard.mp4")
    Path("link").symlink_to("D")
    for folder in ("notes", "x"):
        Path(folder).mkdir()
    Path("notes/notes.txt").write_text("mine")
    Path("Makefile").write_text("all:")
    shutil.copy("clip.mp4", "x/clip.mp4")
    shutil.copy("clip.mp4", "x/anno.mp4")
    cv2.imwrite("x/000001.png", square_picture(0))
    Path("x/anno.json").write_text('[{"truth": 1}]')
    before = contents(root)
    assert track(*arguments) == 1
    shown = capsys.readouterr().err
    assert message in shown and shown.count("\n") == 1
    assert contents(root) == before


def test_a_shorter_run_into_the_same_folder_leaves_no_picture_of_the_longer_one(tmp_path: Path, track: Track) -> None:
    encode(tmp_path / "long.mp4", steady(8))
    encode(tmp_path / "short.mp4", steady(3))
    assert track(tmp_path / "long.mp4", "-o", tmp_path / "out", "--jsonl", tmp_path / "out" / "t.jsonl") == 0
    assert len(written(tmp_path / "out")) == 9
    for _ in range(3):  # the older lines beside are kept, and are no reason to refuse
        assert track(tmp_path / "short.mp4", "-o", tmp_path / "out", "--jsonl", tmp_path / "out" / "t.jsonl") == 0
    names = written(tmp_path / "out")
    assert names == ["000000.jpg", "000001.jpg", "000002.jpg", "t.1.jsonl", "t.2.jsonl", "t.3.jsonl", "t.jsonl"]
    assert all(is_ours(tmp_path / "out" / name) for name in names[:3])


def test_a_run_that_fails_at_once_leaves_the_pictures_of_the_one_before(
    tmp_path: Path, clip: Path, track: Track
) -> None:
    assert track(clip, "-o", tmp_path / "out") == 0
    before = contents(tmp_path / "out")
    (tmp_path / "bad.mp4").write_bytes(clip.read_bytes()[:900])
    assert track(tmp_path / "bad.mp4", "-o", tmp_path / "out") == 1
    assert contents(tmp_path / "out") == before


def test_overwrite_replaces_what_has_the_same_name_and_nothing_else(
    photographs: Path, track: Track, clip: Path
) -> None:
    before = contents(photographs)
    cv2.imwrite(str(photographs / "000099.jpg"), square_picture(0))
    assert track(clip, "--every", 6, "-o", photographs, "--overwrite") == 0
    after = contents(photographs)
    assert after["notes.txt"] == b"mine" and after["clip.mp4"] == before["clip.mp4"]
    assert after["000001.jpg"] == before["000001.jpg"] and "000099.jpg" in after
    assert is_ours(photographs / "000000.jpg") and is_ours(photographs / "000006.jpg")


def test_several_inputs_replace_their_own_files_and_count_their_videos(
    tmp_path: Path, clip: Path, track: Track
) -> None:
    for name in ("a", "b", "c"):
        shutil.copy(clip, tmp_path / f"{name}.mp4")
    inputs, out = [tmp_path / f"{name}.mp4" for name in ("a", "b", "c")], tmp_path / "out"
    for _ in range(2):
        assert track(*inputs, "-o", out, "--json", out, "--contact", out) == 0
        ids = [json.loads((out / f"{name}.json").read_text())[0]["video_id"] for name in ("a", "b", "c")]
        assert ids == [1, 2, 3], "so that the files can be joined into one result"


def test_restarts_keep_the_lines_of_a_camera(tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    give_source(monkeypatch, lambda: (make_frame(i) for i in range(4)), live=True, length=None)
    for _ in range(3):
        assert track("0", "--jsonl", tmp_path / "gate.jsonl", "-o", tmp_path / "gate.mp4") == 0
    kept = [f"gate{number}.{suffix}" for number in ("", ".1", ".2") for suffix in ("jsonl", "mp4")]
    assert written(tmp_path) == sorted(kept)
    assert all(len((tmp_path / name).read_text().splitlines()) == 4 for name in kept if name.endswith("l"))
    assert all(is_ours(tmp_path / name) for name in kept if name.endswith("4"))


def test_append_continues_and_overwrite_replaces_the_lines(tmp_path: Path, clip: Path, track: Track) -> None:
    lines = tmp_path / "t.jsonl"
    for options, count in (([], 12), (["--append"], 24), (["--append"], 36), (["--overwrite"], 12)):
        assert track(clip, "--jsonl", lines, *options) == 0
        assert len(lines.read_text().splitlines()) == count
    assert written(tmp_path) == ["clip.mp4", "t.jsonl"]


def test_pictures_of_a_camera_are_not_replaced_by_a_restart(
    tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give_source(monkeypatch, lambda: (make_frame(i) for i in range(4)), live=True, length=None)
    assert track("0", "-o", tmp_path / "out") == 0
    before = contents(tmp_path)
    assert track("0", "-o", tmp_path / "out") == 1
    assert "holds pictures of an earlier run" in capsys.readouterr().err and contents(tmp_path) == before
    assert track("0", "-o", tmp_path / "out", "--overwrite") == 0


def test_a_picture_behind_a_url_gives_a_picture(
    tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give_source(monkeypatch, lambda: iter([make_frame(0)]), name="http://cam/snap.jpg?***", length=None)
    assert track("http://cam/snap.jpg?t=1", "-o", tmp_path / "a.png") == 0
    give_source(monkeypatch, lambda: iter([make_frame(0)] * 20), name="http://cam/mjpeg.jpg", length=None)
    assert track("http://cam/mjpeg.jpg", "-o", tmp_path / "b.png") == 1
    assert "one picture cannot hold many frames" in capsys.readouterr().err
    assert is_ours(tmp_path / "a.png")
