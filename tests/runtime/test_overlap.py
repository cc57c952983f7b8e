"""Frames in flight: the results of one frame after the other, whatever overlaps, fails, is closed or forgotten."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stc.errors import InputError, SkippedError
from stc.runtime import Handle, Result, Session, Stream
from stc.runtime.overlap import Overlap
from stc.runtime.processors import processors
from tests.runtime import tiny_model
from tests.runtime.many_streams import OBJECT, Watched, alone, same, videos

LONG = 30  # seconds: beyond it something hangs
LENGTH = 25


def lanes() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("stc stream")]


@pytest.fixture(autouse=True)
def _no_thread_survives() -> Iterator[None]:
    assert lanes() == []
    yield
    gc.collect()
    for thread in lanes():
        thread.join(LONG)
    assert lanes() == []


class Gated(Watched):
    """The tiny model's backend; a frame waits in it until `go`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.entered, self.go = threading.Semaphore(0), threading.Event()

    def run(self, frames: Any, timings: dict[str, float] | None = None) -> dict[str, Any]:
        self.entered.release()
        assert self.go.wait(LONG)
        return super().run(frames, timings)


@pytest.fixture
def gated(bundle: Path) -> Iterator[Gated]:
    backend = Gated(bundle)
    yield backend
    backend.go.set()


def session_of(backend: Watched) -> Session:
    return Session.from_backend(backend, tiny_model.PASSPORT, "tiny")


def overlapped(stream: Stream, video: list[Any], ahead: int) -> list[Result]:
    """`ahead` frames are submitted before the first result is asked for."""
    waiting: deque[Handle[Result]] = deque()
    results = []
    for picture in video:
        waiting.append(stream.submit(picture))
        if len(waiting) > ahead:
            results.append(waiting.popleft().result(LONG))
    return results + [handle.result(LONG) for handle in waiting]


@pytest.mark.parametrize(("in_flight", "ahead"), [(1, 3), (2, 0), (2, 2), (3, 3), (3, 25), (7, 5)])
def test_overlapped_frames_give_what_one_after_the_other_gives(session: Session, in_flight: int, ahead: int) -> None:
    for video in videos(3, LENGTH, seed=in_flight):
        stream = session.stream(in_flight=in_flight)
        for a, b in zip(alone(session, video), overlapped(stream, video, ahead), strict=True):
            same(a, b)
        assert set(stream.timings) >= {"preprocess", "engine", "track"}
        stream.close()


def test_many_streams_overlap_on_one_engine_as_if_alone(session: Session) -> None:
    clips = videos(8, LENGTH, seed=5)

    def serve(number: int) -> list[Result]:
        stream = session.stream(in_flight=2 + number % 3)
        found = overlapped(stream, clips[number], number)
        stream.close()
        return found

    with ThreadPoolExecutor(len(clips)) as pool:
        for clip, results in zip(clips, pool.map(serve, range(len(clips))), strict=True):
            for a, b in zip(alone(session, clip), results, strict=True):
                same(a, b)


def test_calls_steps_and_submits_take_turns(session: Session) -> None:
    (video,) = videos(1, LENGTH, seed=9)
    stream = session.stream(in_flight=3)
    results: list[Result] = []
    for i in range(0, LENGTH - 4, 5):
        handles = [stream.submit(picture) for picture in video[i : i + 3]]
        results += [handle.result(LONG) for handle in handles]
        results.append(stream(video[i + 3]))
        results.append(session.step({stream: video[i + 4]})[stream])
    for a, b in zip(alone(session, video), results, strict=True):
        same(a, b)
    stream.close()


def test_handles_may_be_asked_in_any_order_and_again(session: Session) -> None:
    (video,) = videos(1, 6)
    stream = session.stream(in_flight=3)
    handles = [stream.submit(picture, 0.5 * i) for i, picture in enumerate(video)]
    assert [handle.result(LONG).time for handle in reversed(handles)] == [2.5, 2.0, 1.5, 1.0, 0.5, 0.0]
    assert handles[2].result() is handles[2].result() and all(handle.done for handle in handles)
    stream.close()


def test_the_three_stages_work_on_three_frames_at_once() -> None:
    """Each stage waits for the other two: no order of one after the other could end."""
    together = threading.Barrier(3)

    def stage(number: int) -> Callable[[int], int]:
        def work(value: int) -> int:
            if value == 2 - number:
                together.wait(LONG)
            return value

        return work

    overlap: Overlap[int] = Overlap([stage(number) for number in range(3)], 3, "stc stream of numbers")
    handles = [overlap.submit(value) for value in range(3)]
    assert [handle.result(LONG) for handle in handles] == [0, 1, 2]
    overlap.close()


def test_no_more_frames_are_taken_than_may_be_in_flight(gated: Gated) -> None:
    stream = session_of(gated).stream(in_flight=2)
    first, second = stream.submit(OBJECT), stream.submit(OBJECT)
    with ThreadPoolExecutor(1) as pool:
        third = pool.submit(stream.submit, OBJECT)
        assert gated.entered.acquire(timeout=LONG)
        with pytest.raises(TimeoutError, match="still on its way"):
            first.result(timeout=0.05)
        assert not (first.done or second.done or third.done())
        gated.go.set()
        assert third.result(LONG).result(LONG).track_ids.tolist() == [1]
    stream.close()


def test_a_stream_with_frames_in_flight_takes_no_others_by_the_way(gated: Gated) -> None:
    session = session_of(gated)
    stream, other = session.stream("gate-1", in_flight=3), session.stream()
    handle = stream.submit(OBJECT)
    for call in (lambda: stream(OBJECT), lambda: session.step({other: OBJECT, stream: OBJECT})):
        with pytest.raises(InputError, match="'gate-1' has frames in flight; ask for the result of the last one first"):
            call()
    gated.go.set()
    handle.result(LONG)
    assert stream(OBJECT).time == pytest.approx(1 / 30)
    stream.close()


BAD = {
    "frame": (lambda stream: stream.submit(np.zeros((60, 96), np.uint8)), "a frame must be uint8"),
    "time": (lambda stream: stream.submit(OBJECT, -1.0), "time"),
}


@pytest.mark.parametrize("in_flight", [1, 3])
@pytest.mark.parametrize("bad", BAD)
def test_an_error_is_its_frame_s_and_those_after_it_are_told(session: Session, bad: str, in_flight: int) -> None:
    submit, message = BAD[bad]
    video = videos(1, 12)[0]
    stream = session.stream("gate-1", in_flight=in_flight)
    good = [stream.submit(picture) for picture in video[:5]]
    failed = submit(stream)
    after = [stream.submit(picture) for picture in video[5:9]]
    with pytest.raises(InputError, match=f"stream 'gate-1': .*{message}"):
        failed.result(LONG)
    for handle in after:
        with pytest.raises(SkippedError, match=r"an earlier frame failed .*; submit this one again"):
            handle.result(LONG)
    again = [stream.submit(picture) for picture in video[5:]]
    for a, b in zip(alone(session, video), (handle.result(LONG) for handle in (*good, *again)), strict=True):
        same(a, b)
    stream.close()


def test_until_somebody_is_told_no_further_frame_is_tracked(session: Session) -> None:
    stream = session.stream(in_flight=2)
    handles = [stream.submit(OBJECT), stream.submit(None)]  # type: ignore[arg-type]
    handles += [stream.submit(OBJECT) for _ in range(20)]
    with pytest.raises(SkippedError):
        handles[-1].result(LONG)  # whoever asks first; the others still have their answers
    assert stream.submit(OBJECT).result(LONG).time == pytest.approx(1 / 30)
    assert handles[0].result(LONG).time == 0.0
    with pytest.raises(InputError, match="a frame must be a NumPy array"):
        handles[1].result(LONG)
    assert stream.submit(OBJECT).result(LONG).time == pytest.approx(2 / 30)
    stream.close()


@pytest.mark.parametrize("error", [RuntimeError("a bug"), MemoryError("none left"), InputError("the engine refused")])
def test_an_error_of_the_engine_comes_out_as_it_is(bundle: Path, error: Exception) -> None:
    backend = Watched(bundle)

    def fail(_: dict[str, Any]) -> None:
        if len(backend.sizes) == 2:
            raise error

    backend.damage = fail
    stream = session_of(backend).stream(in_flight=3)
    handles = [stream.submit(OBJECT) for _ in range(3)]
    assert handles[0].result(LONG).track_ids.tolist() == [1]
    with pytest.raises(type(error), match=str(error)):
        handles[1].result(LONG)
    with pytest.raises(SkippedError, match=str(error)):
        handles[2].result(LONG)
    stream.close()


@pytest.mark.parametrize("close", [lambda session, stream: stream.close(), lambda session, stream: session.close()])
def test_closing_answers_the_frames_in_flight_and_leaves_no_thread(
    gated: Gated, close: Callable[[Session, Stream], object]
) -> None:
    session = session_of(gated)
    stream = session.stream(in_flight=3)
    handles = [stream.submit(OBJECT) for _ in range(3)]
    with ThreadPoolExecutor(1) as pool:
        closing = pool.submit(close, session, stream)
        assert gated.entered.acquire(timeout=LONG)
        gated.go.set()
        closing.result(LONG)
    assert lanes() == []
    assert [handle.result(0).track_ids.tolist() for handle in handles] == [[1], [1], [1]]
    stream.close()
    with pytest.raises(InputError, match="is closed"):
        stream.submit(OBJECT)


def test_a_forgotten_stream_takes_its_threads_with_it(session: Session) -> None:
    stream = session.stream(in_flight=3)
    handle, failed = stream.submit(OBJECT), stream.submit(None)  # type: ignore[arg-type]
    assert handle.result(LONG).track_ids.tolist() == [1]
    with pytest.raises(InputError):
        failed.result(LONG)
    assert len(lanes()) == 3
    del stream, failed
    gc.collect()
    for thread in lanes():
        thread.join(LONG)
    assert lanes() == [] and handle.done


def test_frames_of_a_forgotten_stream_are_still_answered(gated: Gated) -> None:
    handle = session_of(gated).stream(in_flight=3).submit(OBJECT)
    gc.collect()
    gated.go.set()
    assert handle.result(LONG).track_ids.tolist() == [1]


def test_ctrl_c_ends_the_wait_and_nothing_else(gated: Gated) -> None:
    stream = session_of(gated).stream(in_flight=3)
    handle = stream.submit(OBJECT)
    assert gated.entered.acquire(timeout=LONG)
    main = threading.main_thread().ident
    interrupt = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        interrupt.start()
        handle.result(LONG)
    interrupt.join()
    gated.go.set()
    assert handle.result(LONG).time == 0.0 and stream.submit(OBJECT).result(LONG).time == pytest.approx(1 / 30)
    stream.close()


def test_a_process_ends_although_a_frame_never_does() -> None:
    code = (
        "import threading\n"
        "from stc.runtime.overlap import Overlap\n"
        "overlap = Overlap((lambda value: threading.Event().wait(),), 2, 'stuck')\n"
        "overlap.submit(1)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=LONG, check=False).returncode == 0


def test_an_engine_that_has_all_processors_shares_them_with_nobody(bundle: Path) -> None:
    with Session(bundle, threads=processors()) as session:
        stream = session.stream()
        handle = stream.submit(OBJECT)
        assert handle.done and lanes() == []
        stream.close()


def test_fewer_than_one_frame_in_flight_are_refused(session: Session) -> None:
    with pytest.raises(InputError, match="in_flight=0: must be 1 or more"):
        session.stream(in_flight=0)
