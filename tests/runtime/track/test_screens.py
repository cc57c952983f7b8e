"""`stc-track --serve` and `--show`: watched while it runs; only the detector and, of a window, OpenCV are stand-ins."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import sleep
from typing import Any

import cv2
import numpy as np
import pytest

from stc.errors import MissingDependencyError
from stc.runtime import video
from stc.runtime.serving.live_view import LiveView, live_view
from stc.runtime.serving.window import Window, window
from stc.runtime.video import Frame, open_source
from tests.runtime.serving.http_client import ask, connected, pictures, reports, status
from tests.runtime.track.track_cli import Track, give_source, written
from tests.runtime.video.clips import BrightSession, make_frame, square_picture, two_tracks

URL = "rtsp://***@cam/live"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is asked for, a folder would be made here."""
    monkeypatch.chdir(tmp_path)


def page(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.split("live: ")[1].split()[0]


# -- a page ------------------------------------------------------------------------------------------------------------


def test_a_run_is_watched_while_it_runs_and_that_is_output_enough(
    tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[dict[str, Any]] = []
    with ExitStack() as stack:
        watching: list[Iterator[dict[str, Any]]] = []

        def frames() -> Iterator[Frame]:
            url = page(capsys)
            for index in range(6):
                if index == 5:
                    seen.append(status(url))
                    assert ask(f"{url}frame/1.jpg")[0] == 200
                    watching.append(reports(stack.enter_context(connected(url, "/events"))))
                    next(watching[0])
                yield make_frame(index)

        give_source(monkeypatch, frames, length=None, live=True, name=URL)
        assert track("clip.mp4", "--serve", "0") == 0
        (told,) = seen[0]["inputs"]
        # Five frames are asked for, so at least four are tracked; confirmed in the third.
        assert (told["name"], told["state"], told["frames"], told["tracks"]) == (URL, "live", 5, {"person": 1})
        last = list(watching[0])[-1]
    assert last["ended"] and [(i["state"], i["frames"]) for i in last["inputs"]] == [("ended", 6)]
    assert "-> http://127.0.0.1:" in capsys.readouterr().out and written(tmp_path) == []
    assert not (tmp_path / "runs").exists()


def test_several_inputs_are_on_one_page_and_what_fails_is_seen(
    tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give_source(monkeypatch, lambda: map(make_frame, range(2)), length=2)
    given = video.open_source

    def opened(spec: str, *arguments: Any, **options: Any) -> Any:
        if spec == "bad.mp4":
            return open_source("missing.mp4")
        return given(spec, *arguments, **options)

    monkeypatch.setattr("stc.runtime.video.open_source", opened)
    told_at_the_end: list[dict[str, Any]] = []
    end = LiveView.end

    def told(view: LiveView) -> None:
        told_at_the_end.append(status(view.url))
        end(view)

    monkeypatch.setattr(LiveView, "end", told)
    assert track("one.mp4", "bad.mp4", tmp_path / "two.mp4", "--serve", "0", "--jsonl", tmp_path / "out") == 1
    (last,) = told_at_the_end
    assert [(i["name"], i["state"], i["frames"]) for i in last["inputs"]] == [
        ("one.mp4", "ended", 2), ("bad.mp4", "failed", 0), ("two.mp4", "ended", 2),
    ]  # fmt: skip
    assert written(tmp_path / "out") == ["one.jsonl", "two.jsonl"]


def test_a_port_that_is_taken_is_told_before_the_model_is_loaded(
    clip: Path, track: Track, sessions: list[BrightSession], capsys: pytest.CaptureFixture[str]
) -> None:
    with live_view("0") as other:
        port = other.url.rpartition(":")[2].strip("/")
        assert track(clip, "--serve", port) == 1
    told = capsys.readouterr().err
    assert f"--serve {port}: cannot be listened at" in told and "ss -ltnp" in told and not sessions
    assert track(clip, "--serve", "gate") == 1
    assert "--serve gate: not a port" in capsys.readouterr().err


def test_an_interruption_ends_at_once_with_viewers_there_and_completes_the_files(
    tmp_path: Path, track: Track, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as stack:
        watching: list[Iterator[dict[str, Any]]] = []

        def frames() -> Iterator[Frame]:
            url = page(capsys)
            for index in range(100_000):
                if index == 5:
                    next(pictures(stack.enter_context(connected(url, "/stream/1.mjpg", room=4096))))
                    watching.append(reports(stack.enter_context(connected(url, "/events"))))
                    os.kill(os.getpid(), signal.SIGINT)
                yield make_frame(index % 40)

        give_source(monkeypatch, frames, length=None, live=True)
        assert track("clip", "--serve", "0", "--jsonl", tmp_path / "t.jsonl") == 130
        assert list(watching[0])[-1]["ended"]
    assert len((tmp_path / "t.jsonl").read_text().splitlines()) == 5
    assert capsys.readouterr().err.endswith("interrupted\n")


def test_who_listens_for_all_machines_is_told_so(clip: Path, track: Track, capsys: pytest.CaptureFixture[str]) -> None:
    for address, told in (("0", False), ("0.0.0.0:0", True)):
        assert track(clip, "--serve", address) == 0
        assert ("(for everybody who reaches this machine)" in capsys.readouterr().err) == told


# -- a window ----------------------------------------------------------------------------------------------------------

FAKE = """
from pathlib import Path
import numpy, time

WINDOW_NORMAL = WINDOW_KEEPRATIO = WINDOW_GUI_NORMAL = WND_PROP_VISIBLE = 0
FOLDER = Path(__file__).parent
shown = []

class error(Exception):
    pass

def told(*what):
    with (FOLDER / "told.txt").open("a") as file:
        print(*what, file=file)

def namedWindow(title, flags):
    told("window", title)

def resizeWindow(title, width, height):
    told("size", width, height)

def imshow(title, picture):
    shown.append(picture)
    numpy.save(FOLDER / "last.npy", picture)

def waitKey(milliseconds):
    return {key} if len(shown) >= {shown} else -1

def getWindowProperty(title, property):
    if len(shown) >= {closed}:
        raise error("no such window")
    return 1.0
"""


@pytest.fixture
def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives the window's process a stand-in for OpenCV, and returns where that tells what it was asked."""

    def give(key: str = "-1", shown: int = 3, closed: int = 10**9) -> Path:
        folder = tmp_path / "fake"
        folder.mkdir()
        (folder / "cv2.py").write_text(FAKE.format(key=key, shown=shown, closed=closed))
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("DISPLAY", ":99")
        return folder

    return give


@pytest.mark.parametrize("end", [{"key": "ord('q')"}, {"key": "27"}, {"closed": 3}])
def test_a_window_ends_the_run_and_its_files_are_whole(
    tmp_path: Path, track: Track, screen: Any, monkeypatch: pytest.MonkeyPatch, end: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = screen(**end)

    def frames() -> Iterator[Frame]:
        for index in range(100_000):
            sleep(0.002)
            yield make_frame(index % 40)

    give_source(monkeypatch, frames, length=None, name=URL)
    out = tmp_path / "out"
    assert track("clip", "--show", "--jsonl", out / "t.jsonl", "-o", out / "t.mp4") == 0
    count = len((out / "t.jsonl").read_text().splitlines())
    assert 3 <= count < 50_000 and len(list(open_source(out / "t.mp4"))) == count
    assert (folder / "told.txt").read_text().splitlines() == [f"window {URL}", "size 160 120"]
    picture = np.load(folder / "last.npy")
    assert picture.shape == square_picture(0).shape
    assert "a window" in capsys.readouterr().out


def test_a_window_alone_is_output_enough_and_a_run_that_ends_closes_it(
    tmp_path: Path, clip: Path, track: Track, screen: Any
) -> None:
    screen()
    assert track(clip, "--show") == 0
    assert not (tmp_path / "runs").exists()


def test_a_picture_stays_until_its_window_is_closed(tmp_path: Path, track: Track, screen: Any) -> None:
    folder = screen(key="27", shown=1)
    cv2.imwrite(str(tmp_path / "in.png"), square_picture(0))
    assert track(tmp_path / "in.png", "--show") == 0
    picture = np.load(folder / "last.npy")
    assert (picture[35:50, 15:30] != square_picture(0)[35:50, 15:30]).any(axis=2).all(), "with what was found"


def test_a_window_whose_process_ends_lets_the_run_go_on(
    tmp_path: Path, clip: Path, track: Track, screen: Any, caplog: pytest.LogCaptureFixture
) -> None:
    folder = screen()
    with (folder / "cv2.py").open("a") as file:
        file.write("def imshow(*_):\n    raise SystemExit(3)\n")
    closed: list[bool] = []
    with window("gate", lambda: closed.append(True)) as opened:
        opened.feed(make_frame(0), two_tracks()[2])
        opened.wait()
    assert not closed and "the window has gone (its process ended: exit code 3)" in caplog.text
    assert track(clip, "--show", "--jsonl", tmp_path / "t.jsonl") == 0
    assert len((tmp_path / "t.jsonl").read_text().splitlines()) == 12


def test_a_window_is_closed_while_no_frame_comes(screen: Any) -> None:
    """Of a camera that stalls."""
    screen(key="27", shown=0)
    closed = threading.Event()
    with window("gate", closed.set):
        assert closed.wait(20)


def test_a_window_that_hangs_holds_nobody_back(
    tmp_path: Path, clip: Path, track: Track, screen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = screen()
    with (folder / "cv2.py").open("a") as file:
        file.write("def imshow(*_):\n    time.sleep(1000)\n")
    monkeypatch.setattr("stc.runtime.serving.window.LEAVING", 0.2)
    assert track(clip, "--show", "--jsonl", tmp_path / "t.jsonl") == 0
    assert len((tmp_path / "t.jsonl").read_text().splitlines()) == 12


def test_this_opencv_is_asked_and_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    if "GUI:                           NONE" not in " ".join(cv2.getBuildInformation().split("\n")):
        pytest.skip("this OpenCV has windows")
    monkeypatch.setenv("DISPLAY", ":99")
    with pytest.raises(MissingDependencyError, match=r"this OpenCV has no windows .*opencv-python"):
        Window("gate", lambda: None)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have a display always")
def test_what_a_window_lacks_is_told_before_the_model_is_loaded(
    clip: Path, track: Track, sessions: list[BrightSession], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert track(clip, "--show") == 1
    assert "no display here (DISPLAY is not set); watch in a browser instead: --serve" in capsys.readouterr().err
    monkeypatch.setenv("DISPLAY", ":99")
    assert track(clip, clip, "--show") == 1
    assert "a window has one input, and here are 2" in capsys.readouterr().err
    assert not sessions
