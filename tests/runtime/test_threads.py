"""Many threads on one session: streams alone and in steps, each as if it were alone; one stream is one thread's."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from stc.errors import InputError
from stc.runtime import Result, Session, Stream
from tests.runtime import tiny_model
from tests.runtime.many_streams import OBJECT, Watched, alone, same, videos

THREADS, STREAMS, LENGTH = 8, 4, 25


def _one_by_one(session: Session, clips: list[Any]) -> list[list[Result]]:
    streams = [session.stream() for _ in clips]
    turns = [[stream(clip[i]) for stream, clip in zip(streams, clips, strict=True)] for i in range(LENGTH)]
    return [list(results) for results in zip(*turns, strict=True)]


def _in_steps(session: Session, clips: list[Any]) -> list[list[Result]]:
    streams = [session.stream() for _ in clips]
    turns = [session.step({s: clip[i] for s, clip in zip(streams, clips, strict=True)}) for i in range(LENGTH)]
    return [[turn[stream] for turn in turns] for stream in streams]


def _mixed(session: Session, clips: list[Any]) -> list[list[Result]]:
    """Now a step, now one by one, for the same streams."""
    rng = np.random.default_rng(len(clips[0]))
    streams = [session.stream() for _ in clips]
    results: list[list[Result]] = [[] for _ in clips]
    for i in range(LENGTH):
        together = rng.random(len(clips)) < 0.5
        step = session.step({s: c[i] for s, c, t in zip(streams, clips, together, strict=True) if t})
        for n, stream in enumerate(streams):
            results[n].append(step[stream] if together[n] else stream(clips[n][i]))
    return results


def test_many_threads_with_many_streams_are_as_if_alone(session: Session) -> None:
    clips = videos(THREADS * STREAMS, LENGTH)
    expected = [alone(session, clip) for clip in clips]
    start = threading.Barrier(THREADS)

    def work(number: int) -> list[list[Result]]:
        start.wait()
        serve = (_one_by_one, _in_steps, _mixed)[number % 3]
        return serve(session, clips[number * STREAMS : (number + 1) * STREAMS])

    with ThreadPoolExecutor(THREADS) as pool:
        found = [results for served in pool.map(work, range(THREADS)) for results in served]
    for one, other in zip(expected, found, strict=True):
        for a, b in zip(one, other, strict=True):
            same(a, b)


class _Held(Watched):
    """Waits in the engine until it is let go, on the first frame."""

    def __init__(self, path: Any) -> None:
        super().__init__(path)
        self.entered, self.go = threading.Event(), threading.Event()
        self.damage = self._hold

    def _hold(self, outputs: dict[str, Any]) -> None:
        if len(self.sizes) == 1:
            self.entered.set()
            assert self.go.wait(30)


@pytest.fixture
def held(bundle: Any) -> Any:
    return _Held(bundle)


def _busy(held: Any) -> tuple[Session, Stream]:
    session = Session.from_backend(held, tiny_model.PASSPORT, "tiny")
    return session, session.stream("gate-1")


def test_a_second_thread_in_one_stream_is_told_so_and_changes_nothing(held: Any) -> None:
    session, busy = _busy(held)
    other = session.stream("gate-2")
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(busy, OBJECT)
        try:
            assert held.entered.wait(30)
            for call in (lambda: busy(OBJECT), lambda: session.step({other: OBJECT, busy: OBJECT})):
                with pytest.raises(InputError, match="'gate-1' is in use by another thread"):
                    pool.submit(call).result(timeout=30)
        finally:
            held.go.set()
        assert first.result().time == 0.0
    assert busy(OBJECT).time == pytest.approx(1 / 30)
    assert other(OBJECT).time == 0.0


def test_closing_waits_for_the_frame_in_progress(held: Any) -> None:
    _, busy = _busy(held)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(busy, OBJECT)
        assert held.entered.wait(30)
        closing = pool.submit(busy.close)
        assert not closing.done()
        held.go.set()
        assert first.result().track_ids.tolist() == [1]
        assert [event.kind for event in closing.result()] == ["ended"]
