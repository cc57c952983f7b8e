"""Frames are read ahead of their use: in order, by a bounded number, and with nothing left running."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stc.errors import InputError
from stc.runtime import Session
from stc.runtime.track.ahead import AHEAD, results
from stc.runtime.video import Frame
from tests.runtime.many_streams import same, videos
from tests.runtime.video.clips import make_source

LONG = 30  # seconds: beyond it something hangs
IN_FLIGHT = 3
PICTURES = videos(1, 40, seed=3)[0]


def frame(index: int) -> Frame:
    return Frame(PICTURES[index], index / 30, index, "clip")


@pytest.fixture(autouse=True)
def _no_thread_survives() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("stc "):
            thread.join(LONG)
            assert not thread.is_alive()


@pytest.mark.parametrize("in_flight", [1, 2, 5])
def test_every_frame_comes_with_its_own_result(session: Session, in_flight: int) -> None:
    stream, alone = session.stream(in_flight=in_flight), session.stream()
    with results(make_source(None, read=lambda: map(frame, range(40))), stream) as found:
        pairs = list(found)
    assert [shown.index for shown, _ in pairs] == list(range(40))
    for shown, result in pairs:
        same(alone(shown.image, shown.time), result)


def test_the_next_frames_are_read_before_one_is_used_but_not_all_of_them(session: Session) -> None:
    """A decoder that were not ahead would wait for the caller, who waits for it; one without bound would read all."""
    read: list[int] = []
    ahead = threading.Event()

    def reading() -> Iterator[Frame]:
        for index in range(40):
            read.append(index)
            if index == AHEAD:
                ahead.set()
            yield frame(index)

    with results(make_source(None, read=reading), session.stream(in_flight=IN_FLIGHT)) as found:
        assert ahead.wait(LONG)
        for used, (shown, _) in enumerate(found):
            assert shown.index == used
            assert len(read) <= used + 1 + AHEAD + IN_FLIGHT + 1
    assert read == list(range(40))


def test_what_reading_raises_comes_after_the_frames_before_it(session: Session) -> None:
    def reading() -> Iterator[Frame]:
        yield from map(frame, range(5))
        raise InputError("camera: lost")

    used = []
    with (
        pytest.raises(InputError, match="camera: lost"),
        results(make_source(None, read=reading), session.stream(in_flight=IN_FLIGHT)) as found,
    ):
        for shown, _ in found:
            used.append(shown.index)
    assert used == [0, 1, 2, 3, 4]


def test_a_frame_that_fails_ends_it_after_those_before(session: Session) -> None:
    bad = Frame(np.zeros((2, 2), np.uint8), 5 / 30, 5, "clip")
    source = make_source(None, read=lambda: iter([*map(frame, range(5)), bad, *map(frame, range(6, 40))]))
    used = []
    with (
        pytest.raises(InputError, match="a frame must be uint8"),
        results(source, session.stream(in_flight=IN_FLIGHT)) as found,
    ):
        for shown, _ in found:
            used.append(shown.index)
    assert used == [0, 1, 2, 3, 4]


def test_a_caller_that_stops_leaves_no_reader(session: Session) -> None:
    source = make_source(None, read=lambda: map(frame, range(40)))
    with results(source, session.stream(in_flight=IN_FLIGHT)) as found:
        assert next(found)[0].index == 0
    with pytest.raises(KeyboardInterrupt), results(source, session.stream(in_flight=IN_FLIGHT)):
        raise KeyboardInterrupt


@pytest.mark.parametrize("changes", [{"live": True}, {"length": 1}])
def test_live_sources_and_pictures_are_read_when_they_are_used(session: Session, changes: dict[str, object]) -> None:
    readers = set()

    def reading() -> Iterator[Frame]:
        readers.add(threading.current_thread())
        yield frame(0)

    source = make_source(None, read=reading)
    for name, value in changes.items():
        setattr(source, name, value)
    with results(source, session.stream(in_flight=IN_FLIGHT)) as found:
        assert len(list(found)) == 1
    assert readers == {threading.current_thread()}


def test_the_lines_of_a_video_are_the_same_with_and_without_overlap(bundle: Path, tmp_path: Path) -> None:
    from stc.runtime.track.one import Summary, track
    from stc.runtime.track.outputs import Outputs
    from stc.runtime.video import open_source
    from tests.runtime.video.clips import encode, steady

    clip = encode(tmp_path / "clip.mp4", steady(20))
    with Session(bundle, threads=1) as session:
        made = session.stream
        for in_flight in (1, 3):
            session.stream = lambda *a, n=in_flight, **k: made(*a, in_flight=n, **k)  # type: ignore[method-assign]
            outputs = Outputs(jsonl=tmp_path / f"{in_flight}.jsonl", json=tmp_path / f"{in_flight}.json")
            with open_source(clip) as source:
                assert track(source, session, session.tracker_config, outputs, [], Summary()) is None
    for suffix in ("jsonl", "json"):
        assert (tmp_path / f"1.{suffix}").read_bytes() == (tmp_path / f"3.{suffix}").read_bytes() != b""
