"""The page with live video: over HTTP on the loopback, with real frames and the real drawing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from stc.errors import InputError
from stc.runtime import Result, Session
from stc.runtime.drawing import draw
from stc.runtime.drawing.style import Style
from stc.runtime.drawing.trails import Trails
from stc.runtime.serving import live_view as module
from stc.runtime.serving.feed import PACED, Feed
from stc.runtime.serving.live_view import LiveView, live_view
from stc.runtime.serving.server import Handler
from stc.runtime.tracking.tracker import TrackEvent
from stc.runtime.video import Frame, Stats, open_source
from stc.runtime.zones import Zone, Zones
from tests.runtime.serving.http_client import ask, connected, decoded, pictures, reports, status, until
from tests.runtime.video.clips import SIZE, box, encode, make_frame, make_result, steady

FOUND = make_result(np.stack([box(20), box(80)]), [1, 2], [0, 1], labels=[0, 2])
JPEG_ERROR = 12  # grey levels on average, of small pictures with text at quality 80


@pytest.fixture
def view() -> Iterator[LiveView]:
    with live_view("0") as view:
        yield view


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> list[Result]:
    """The results that were drawn."""
    drawn: list[Result] = []
    annotate = draw.annotate

    def counted(image: np.ndarray, result: Result, *how: Any) -> np.ndarray:
        drawn.append(result)
        return annotate(image, result, *how)

    monkeypatch.setattr(draw, "annotate", counted)
    return drawn


def of_time(time: float) -> Result:
    return replace(FOUND, time=time)


def same(content: bytes, frame: Frame, result: Result) -> bool:
    return bool(np.abs(decoded(content).astype(int) - result.draw(frame)).mean() < JPEG_ERROR)


def noise(index: int) -> Frame:
    """What makes a large JPEG."""
    return Frame(np.random.default_rng(index).integers(0, 255, (720, 1280, 3), np.uint8), index / 30, index, "noise")


def test_a_picture_is_the_last_frame_with_what_was_found(view: LiveView) -> None:
    feed = view.feed("gate")
    for index in range(3):
        feed(make_frame(index), FOUND)
    code, headers, content = ask(f"{view.url}frame/1.jpg")
    assert code == 200 and headers["content-type"] == "image/jpeg"
    assert same(content, make_frame(2), FOUND) and not same(content, make_frame(2), FOUND[:0])


def test_a_picture_is_drawn_as_asked_with_the_paths_so_far(view: LiveView) -> None:
    style = Style(alpha=0, thickness=5, labels=False, trails=2)
    feed, trails, paths = view.feed("gate", style=style), Trails(2), {}
    for found in (replace(FOUND, boxes=FOUND.boxes - np.float32(15)), FOUND):
        feed(make_frame(0), found)
        paths = trails.update(found)
    shown = decoded(ask(f"{view.url}frame/1.jpg")[2]).astype(int)
    image = make_frame(0).image
    asked, plain = draw.annotate(image, FOUND, style, paths), draw.annotate(image, FOUND, style)
    where = (asked != plain).any(axis=2)
    assert where.sum() > 20
    apart = [np.abs(shown - drawn)[where].mean() for drawn in (asked, plain)]
    assert apart[0] < apart[1] / 2, "the JPEG's error is far smaller than a path that is not there"


def test_a_stream_gives_each_frame_that_a_viewer_is_in_time_for(view: LiveView) -> None:
    feed = view.feed("gate")
    feed(make_frame(0), FOUND)
    with connected(view.url, "/stream/1.mjpg") as stream:
        shown = (picture for picture, _ in groupby(pictures(stream)))  # one may come again
        for index in range(4):
            assert same(next(shown), make_frame(index), FOUND)
            feed(make_frame(index + 1), FOUND)


def test_ffmpeg_reads_the_stream(view: LiveView, monkeypatch: pytest.MonkeyPatch) -> None:
    """An independent reader of it, as in ffplay and VLC."""
    monkeypatch.setattr(module, "AGAIN", 0.01)
    feed = view.feed("gate")
    feed(make_frame(0), FOUND)
    with av.open(f"{view.url}stream/1.mjpg", timeout=20) as container:
        frames = container.decode(video=0)
        for index in range(3):
            picture = next(frames).to_ndarray(format="bgr24").astype(int)
            assert np.abs(picture - FOUND.draw(make_frame(0))).mean() < JPEG_ERROR, index


def test_a_picture_is_made_for_viewers_alone_and_once_for_all(view: LiveView, drawings: list[Result]) -> None:
    feed = view.feed("gate")
    for index in range(50):
        feed(make_frame(index % 5), of_time(index))
    assert drawings == []
    with ExitStack() as stack:
        streams = [pictures(stack.enter_context(connected(view.url, "/stream/1.mjpg"))) for _ in range(3)]
        assert len({next(stream) for stream in streams}) == 1
    assert ask(f"{view.url}frame/1.jpg")[0] == 200
    assert [result.time for result in drawings] == [49]


def test_a_viewer_that_hangs_holds_nobody_back_and_is_left(view: LiveView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FASTEST", 1000.0)
    monkeypatch.setattr(module, "VIEWERS", 2)
    feed = view.feed("gate")
    empty = make_result(np.zeros((0, 720, 1280), bool), [], [])
    feed(noise(0), empty)
    with ExitStack() as stack:
        shown = pictures(stack.enter_context(connected(view.url, "/stream/1.mjpg")))
        with monkeypatch.context() as impatient:
            impatient.setattr(Handler, "timeout", 0.3)
            stack.enter_context(connected(view.url, "/stream/1.mjpg", room=4096))
        for index in range(1, 12):  # megabytes, more than all buffers between the two take
            next(shown)
            feed(noise(index), empty)
        # The one that takes nothing is hung up on, which makes room for another.
        until(lambda: feed(noise(12), empty) or (next(shown) and ask(f"{view.url}stream/1.mjpg", "HEAD")[0] == 200))


def test_a_page_is_told_how_it_goes_and_that_it_has_ended() -> None:
    with live_view("0") as view:
        feed = view.feed("gate")
        with connected(view.url, "/events") as events:
            told = reports(events)
            first = next(told)
            assert (first["ended"], [i["frames"] for i in first["inputs"]]) == (False, [0])
            feed(make_frame(0), FOUND)
            view.over.set()
            last = list(told)[-1]
    assert (last["ended"], [i["frames"] for i in last["inputs"]], last["run"]) == (True, [1], first["run"])
    with live_view("0") as again:
        assert status(again.url)["run"] != first["run"]


def test_those_who_watch_get_the_last_frame_and_the_end_and_who_hangs_keeps_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LEAVING", 0.1)
    with ExitStack() as stack:
        with live_view("0") as view:
            feed = view.feed("gate")
            feed(make_frame(0), FOUND)
            shown = pictures(stack.enter_context(connected(view.url, "/stream/1.mjpg")))
            next(shown)
            hung = stack.enter_context(connected(view.url, "/events"))
            feed(make_frame(1), FOUND)
        assert same(list(shown)[-1], make_frame(1), FOUND)
        assert list(reports(hung))[-1]["ended"]
    until(lambda: not [t for t in threading.enumerate() if "serve" in t.name and t.is_alive()])


def test_what_is_told_of_an_input(view: LiveView) -> None:
    class Camera:
        state = "reconnecting"
        stats = Stats(received=9, dropped=3, decode_errors=2, reconnects=1, gaps=4)

    feed = view.feed("rtsp://***@cam/live", Camera())
    zones = Zones([Zone("yard", ((0, 0), (160, 0), (160, 120), (0, 120))), Zone("door", ((5, 0), (5, 120)))])
    born = tuple(TrackEvent("born", number, number, 0.0) for number in (1, 2))
    unconfirmed = make_result(np.stack([box(20), box(60), box(100)]), [1, 2, -1], [0, 1, 2], labels=[0, 0, 1])
    for index, events in enumerate((born, ())):
        result = replace(unconfirmed, events=events)
        feed(make_frame(index), replace(result, zones=zones.update(result)))
    (told,) = status(view.url)["inputs"]
    assert told.pop("fps") > 0 and 0 <= told.pop("since") < 20
    assert told == {
        "name": "rtsp://***@cam/live",
        "state": "reconnecting",
        "frames": 2,
        "time": 0.033,
        "size": [SIZE[1], SIZE[0]],
        "tracks": {"person": 2},
        "tracks_begun": 2,
        "zones": [
            {"name": "yard", "entered": 2, "left": 0, "inside": 2},
            {"name": "door", "entered": 0, "left": 0, "inside": None},
        ],
        "dropped": 3,
        "gaps": 4,
        "reconnects": 1,
        "decode_errors": 2,
    }


def test_each_input_has_its_own_and_any_name_can_be_told(view: LiveView) -> None:
    names = ["a.mp4", "\udcff.mp4", "</script><img src=x>"]
    for index, name in enumerate(names):
        view.feed(name)(make_frame(index), FOUND)
    assert [told["name"] for told in status(view.url)["inputs"]] == names
    for index in range(3):
        assert same(ask(f"{view.url}frame/{index + 1}.jpg")[2], make_frame(index), FOUND)


@pytest.mark.parametrize(
    "path",
    [
        "frame/2.jpg", "frame/0.jpg", "frame/01.jpg", "frame/1.png", "stream/1.jpg", "stream/-1.mjpg",
        "frame/99999.jpg", "../live_view.py", "..%2flive_view.py", "/etc/passwd", "page.html", "frame/1.jpg/..",
        "status.json/", "frame/²3.jpg",
    ],
)  # fmt: skip
def test_nothing_else_is_there(view: LiveView, path: str) -> None:
    view.feed("gate")(make_frame(0), FOUND)
    assert ask(view.url + path.replace("²", "%C2%B2"))[0] == 404


def test_before_the_first_frame_there_is_no_picture_and_it_is_said(view: LiveView) -> None:
    view.feed("gate")
    for path in ("frame/1.jpg", "stream/1.mjpg"):
        code, _, content = ask(view.url + path)
        assert code == 503 and b"no frame has come yet" in content
    (told,) = status(view.url)["inputs"]
    assert (told["frames"], told["since"], told["size"], told["tracks"]) == (0, None, None, {})


def test_viewers_are_limited_and_one_that_leaves_makes_room(view: LiveView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "VIEWERS", 2)
    monkeypatch.setattr(module, "TICK", 0.01)  # who has left is found when something is sent
    feed = view.feed("gate")
    feed(make_frame(0), FOUND)
    with connected(view.url, "/events"):
        with connected(view.url, "/events"):
            for path in ("events", "stream/1.mjpg"):
                code, _, content = ask(view.url + path)
                assert code == 503 and b"2 watch already" in content
            assert ask(f"{view.url}frame/1.jpg")[0] == 200, "who does not stay is welcome"
        until(lambda: ask(f"{view.url}events", "HEAD")[0] == 200)


def test_head_of_a_stream_ends_at_once(view: LiveView) -> None:
    view.feed("gate")(make_frame(0), FOUND)
    for path, kind in (("stream/1.mjpg", "multipart/x-mixed-replace"), ("events", "text/event-stream")):
        code, headers, content = ask(view.url + path, "HEAD")
        assert (code, content) == (200, b"") and headers["content-type"].startswith(kind)


def test_a_still_camera_is_sent_again_so_that_who_left_is_found(
    view: LiveView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGAIN", 0.01)
    view.feed("gate")(make_frame(0), FOUND)
    with connected(view.url, "/stream/1.mjpg") as stream:
        first, second, third = (next(shown) for shown in [pictures(stream)] * 3)
    assert first == second == third


def test_large_frames_are_sent_smaller(view: LiveView) -> None:
    large = Frame(np.zeros((900, 3000, 3), np.uint8), 0.0, 0, "large")
    view.feed("gate")(large, make_result(np.zeros((0, 900, 3000), bool), [], []))
    assert decoded(ask(f"{view.url}frame/1.jpg")[2]).shape == (384, 1280, 3)


def test_the_page_needs_nothing_from_elsewhere(view: LiveView) -> None:
    code, headers, content = ask(view.url)
    assert code == 200 and headers["content-type"] == "text/html; charset=utf-8"
    page = content.decode()
    assert "EventSource" in page and "http:" not in page and "https:" not in page and "@import" not in page
    assert "default-src 'none'" in headers["content-security-policy"]


def test_the_address_is_checked_and_the_loopback_where_none_is_given(view: LiveView) -> None:
    assert view.local and view.url.startswith("http://127.0.0.1:")
    with pytest.raises(InputError, match=r"--serve .*: cannot be listened at"), live_view(view.url.split("/")[2]):
        pass
    with live_view("0.0.0.0:0") as other:
        assert not other.local


def test_it_is_a_sink_of_a_session(view: LiveView, session: Session, tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.mkv", steady(3))
    with open_source(clip) as source:
        show = view.feed(source.name, source)
        for frame, result in session.track(source):
            show(frame, result)
        (told,) = status(view.url)["inputs"]
    assert (told["name"], told["state"], told["frames"], told["size"]) == ("clip.mkv", "ended", 3, [160, 120])


def test_the_rate_is_that_of_the_last_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("stc.runtime.serving.feed.monotonic", lambda: now)
    feed = Feed("gate")
    assert feed.fps == 0
    for apart in [1.0] * 10 + [0.1] * PACED:
        now += apart
        feed(make_frame(0), FOUND)
    assert feed.fps == pytest.approx(10)
