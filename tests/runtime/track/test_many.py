"""`stc-track` with several inputs: files for each, one table, and a failure that stops nobody else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import cv2
import pytest

from stc.runtime.track.outputs import file_names
from stc.runtime.video import Frame, open_source
from tests.runtime import tiny_model
from tests.runtime.track.track_cli import Track, give_source, written
from tests.runtime.video.clips import BrightSession, encode, make_frame, square_picture, steady
from tests.runtime.video.rtsp_server import SECRET, Server


def table(shown: str) -> dict[str, list[str]]:
    """Cells by input; those after the seventh column are one text."""
    rows = [line.split(maxsplit=7) for line in shown.splitlines() if line.strip()]
    return {cells[0]: cells[1:] for cells in rows if cells[0] != "input"}


@pytest.fixture
def inputs(tmp_path: Path) -> list[Path]:
    """A clip of 12 frames, a folder of 5 pictures, a picture."""
    encode(tmp_path / "a.mp4", steady(12))
    (tmp_path / "pictures").mkdir()
    for index in range(5):
        cv2.imwrite(str(tmp_path / "pictures" / f"{index}.png"), square_picture(index))
    cv2.imwrite(str(tmp_path / "one.png"), square_picture(0))
    return [tmp_path / "a.mp4", tmp_path / "pictures", tmp_path / "one.png"]


def test_every_input_gets_its_files_and_a_line(
    tmp_path: Path, inputs: list[Path], track: Track, capsys: pytest.CaptureFixture[str], sessions: list[BrightSession]
) -> None:
    out = tmp_path / "out"
    assert track(*inputs, "-o", out, "--json", out, "--jsonl", out, "--contact", out, "--threads", 2) == 0
    kinds = ("-contact.png", ".json", ".jsonl", ".mp4")
    expected = [f"a{k}" for k in kinds] + [f"pictures{k}" for k in kinds]
    assert written(out) == sorted([*expected, "one-contact.png", "one.json", "one.jsonl", "one.png"])
    assert len(sessions) == 1 and sessions[0].closed, "one model for all"
    assert (sessions[0].options["workers"], sessions[0].options["threads"]) == (2, 1), "two pictures at once"
    shown = table(capsys.readouterr().out)
    assert [cells[:2] for cells in shown.values()] == [["ended", "12"], ["ended", "5"], ["ended", "1"]]
    assert all(cells[3:6] == ["1", "0", "0"] for cells in shown.values()), "tracks, drops, gaps"

    alone = tmp_path / "alone"
    assert track(inputs[0], "-o", alone / "a.mp4", "--json", alone / "a.json", "--jsonl", alone / "a.jsonl") == 0
    for name in written(alone):
        assert (alone / name).read_bytes() == (out / name).read_bytes(), "as if each ran alone"


def test_several_pictures_are_so_many_videos_with_a_warning(
    tmp_path: Path, track: Track, caplog: pytest.LogCaptureFixture
) -> None:
    pictures = [tmp_path / f"{index}.png" for index in range(3)]
    for index, path in enumerate(pictures):
        cv2.imwrite(str(path), square_picture(index))
    assert track(*pictures[:1], "--jsonl", tmp_path / "one.jsonl") == 0 and not caplog.messages
    assert track(*pictures, "--jsonl", tmp_path / "out") == 0
    assert caplog.messages == ["3 pictures are so many videos, each with ids of its own; those of one are its folder"]


def test_one_that_fails_stops_nobody(
    tmp_path: Path, inputs: list[Path], track: Track, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    url = f"rtsp://admin:{SECRET}@127.0.0.1:9/live"
    code = track(tmp_path / "missing.mp4", inputs[0], tmp_path / "notes.mp4", url, "-o", tmp_path / "out")
    shown = capsys.readouterr()
    assert code == 1
    assert written(tmp_path / "out") == ["a.mp4"]
    assert "missing.mp4: no such file or folder" in shown.out and "notes.mp4: cannot be opened" in shown.out
    assert "rtsp://***@127.0.0.1:9/live: cannot be opened as video (Connection refused)" in shown.out
    assert SECRET not in shown.out + shown.err
    cells = table(shown.out)
    assert [line[0] for line in cells.values()].count("failed") == 3 and cells["a.mp4"][:2] == ["ended", "12"]


def test_one_that_fails_in_the_middle_keeps_its_frames(
    tmp_path: Path, inputs: list[Path], track: Track, capsys: pytest.CaptureFixture[str]
) -> None:
    (inputs[1] / "3.png").write_bytes((inputs[1] / "3.png").read_bytes()[:100])
    assert track(inputs[0], inputs[1], "--jsonl", tmp_path / "out") == 1
    assert len((tmp_path / "out" / "pictures.jsonl").read_text().splitlines()) == 3
    assert len((tmp_path / "out" / "a.jsonl").read_text().splitlines()) == 12
    assert "3.png: unreadable picture" in capsys.readouterr().out


def test_a_bug_in_one_is_raised_when_the_others_are_done(
    tmp_path: Path, inputs: list[Path], track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stc.runtime.video import pictures

    def broken(path: Path) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(pictures, "read_picture", broken)
    with pytest.raises(RuntimeError, match="bug"):
        track(inputs[1], inputs[0], "-o", tmp_path / "out")
    assert written(tmp_path / "out") == ["a.mp4"]


def test_interrupt_completes_the_files_of_all(
    tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    both = threading.Barrier(2)

    def read() -> Iterator[Frame]:
        for index in range(100_000):
            if index == 5 and both.wait(20) == 0:
                os.kill(os.getpid(), signal.SIGINT)
            sleep(0.002)
            yield make_frame(index % 40)

    give_source(monkeypatch, read, length=None)
    out = tmp_path / "out"
    assert track("one", "two", "-o", out, "--jsonl", out) == 130
    assert written(out) == ["one.jsonl", "one.mp4", "two.jsonl", "two.mp4"]
    for name in ("one", "two"):
        count = len((out / f"{name}.jsonl").read_text().splitlines())
        assert 5 <= count < 10_000 and len(list(open_source(out / f"{name}.mp4"))) == count
    shown = capsys.readouterr()
    assert shown.out.count("ended") == 2 and shown.err.endswith("interrupted\n")


def test_recorded_inputs_take_turns(
    tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """However many there are, only a few are open, on few threads."""
    lock, open_now, most, threads = threading.Lock(), 0, 0, 0

    def read() -> Iterator[Frame]:
        nonlocal open_now, most, threads
        with lock:
            open_now += 1
            most, threads = max(most, open_now), max(threads, threading.active_count())
        yield from (make_frame(index) for index in range(3))
        with lock:
            open_now -= 1

    give_source(monkeypatch, read)
    before = threading.active_count()
    assert track(*(f"clip{i}.mp4" for i in range(30)), "--jsonl", tmp_path / "out") == 0
    assert 2 <= most <= 4 and threads - before <= 4
    assert len(written(tmp_path / "out")) == 30
    assert capsys.readouterr().out.count("ended") == 30


def test_live_inputs_do_not_wait_for_each_other_or_for_recorded_ones(
    tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(6)

    def read() -> Iterator[Frame]:
        together.wait(20)
        yield make_frame(0)

    give_source(monkeypatch, read, live=True, length=None)
    assert track(*(f"rtsp://cam{i}/live" for i in range(6)), "--jsonl", tmp_path / "out") == 0
    assert len(written(tmp_path / "out")) == 6


def test_recordings_behind_urls_take_turns_too(
    tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lock, open_now, most = threading.Lock(), 0, 0

    def read() -> Iterator[Frame]:
        nonlocal open_now, most
        with lock:
            open_now, most = open_now + 1, max(most, open_now + 1)
        sleep(0.01)
        yield make_frame(0)
        with lock:
            open_now -= 1

    give_source(monkeypatch, read, live=False)
    assert track(*(f"http://server/{i}.mp4" for i in range(12)), "--jsonl", tmp_path / "out") == 0
    assert most <= 4 and len(written(tmp_path / "out")) == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "out.mp4"], "out.mp4: one file cannot hold several inputs; give a folder, such as: out"),
        (["--json", "t.json"], "t.json: one file cannot hold several inputs"),
        (["--append"], "no output asked for"),
        (["-o", "."], "a.mp4: is the input itself"),
        (["-o", "out", "--policy", "drop-newest"], "invalid choice: 'drop-newest'"),
        (["-o", "out", "--give-up", "soon"], "invalid float value: 'soon'"),
        (["-o", "out", "--give-up", "0"], "give_up=0: must be above 0 seconds"),
    ],
)
def test_wrong_use_writes_nothing(
    inputs: list[Path],
    track: Track,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(inputs[0].parent)
    before = written(Path())
    assert track("a.mp4", "pictures", *arguments) == 1
    assert message in capsys.readouterr().err and written(Path()) == before


def test_names_of_files_are_all_different_and_hold_no_secret(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    names = file_names(
        [str(tmp_path / "x" / "clip.mp4"), str(tmp_path / "clip.mov"), str(tmp_path / "clip"), "0", "/dev/video0"]
    )
    assert names == ["clip", "clip-2", "clip-3", "video0", "video0-2"]
    urls = [f"rtsp://admin:{SECRET}@cam:554/live/1?token={SECRET}", "rtsp://cam:554/live/1", "http://cam/../../etc"]
    assert file_names(urls) == ["cam-554-live-1", "cam-554-live-1-2", "cam-..-..-etc"]


@pytest.mark.slow
def test_a_camera_beside_a_file(
    tmp_path: Path, inputs: list[Path], track: Track, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file ends, the camera hangs up, comes back and goes away for good; its files hold what came."""
    with Server() as server:

        def misbehave() -> None:
            end = monotonic() + 30
            for step in ("hang up", "down"):
                while len(server.sent) < 60 and monotonic() < end:
                    sleep(0.01)
                server.sent.clear()
                if step == "hang up":
                    server.hang_up()
                else:
                    server.down = True

        thread = threading.Thread(target=misbehave)
        thread.start()
        out = tmp_path / "out"
        code = track(inputs[0], server.url, "-o", out, "--jsonl", out, "--policy", "wait", "--give-up", 1)
        thread.join()
    shown = capsys.readouterr().out
    assert code == 1 and SECRET not in shown
    (camera,) = (cells for name, cells in table(shown).items() if name.startswith("rtsp"))
    assert table(shown)["a.mp4"][:2] == ["ended", "12"]
    assert camera[0] == "failed" and camera[4:6] == ["0", "1"] and "no frame for" in camera[6]
    (name,) = (name for name in written(out) if name.startswith("127.0.0.1") and name.endswith(".jsonl"))
    lines = [json.loads(line) for line in (out / name).read_text().splitlines()]
    assert len(lines) == int(camera[1]) > 60
    assert sum(len(line.get("gaps", [])) for line in lines) == 1
    assert len(list(open_source(out / name.replace(".jsonl", ".mp4")))) == len(lines)


@pytest.mark.slow
def test_a_service_that_is_stopped_completes_its_files(tmp_path: Path, bundle: Path) -> None:
    """SIGTERM to the real command, on a model in ONNX Runtime, while a camera and a file run."""
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "0.png"), tiny_model.frame((0, (4, 8, 24, 28))))
    with Server() as server:
        code = "from stc.runtime.track.main import entry; entry()"
        command = [sys.executable, "-c", code, "in", server.url, "--model", str(bundle), "-o", "out", "--jsonl", "out"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        )  # fmt: skip
        end = monotonic() + 60
        while not list(tmp_path.glob("out/127*.jsonl")) and monotonic() < end:
            sleep(0.05)
        process.terminate()
        shown, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert told.endswith("interrupted\n") and SECRET not in shown + told and "Traceback" not in told
    cells = table(shown)
    assert cells["in"][:2] == ["ended", "1"] and len(cells) == 2
    names = written(tmp_path / "out")
    assert len(names) == 4 and not [name for name in names if name.startswith(".")]
    (name,) = (name for name in names if name.startswith("127") and name.endswith(".mp4"))
    lines = (tmp_path / "out" / name.replace(".mp4", ".jsonl")).read_text().splitlines()
    assert len(list(open_source(tmp_path / "out" / name))) == len(lines) > 0
