"""Pictures that an engine on the CPU computes at once, for many videos: as many as were asked for, results as alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stc.errors import InputError
from stc.runtime import Session
from stc.runtime.backends.onnxruntime import OnnxRuntimeBackend
from stc.runtime.machine.engine_names import EngineName
from stc.runtime.track.many import Run, shared
from stc.runtime.track.outputs import Outputs
from stc.runtime.workers import at_once
from tests.runtime.many_streams import alone, same, videos

LENGTH = 8
DEADLINE = 30  # seconds; a hang


class Meeting:
    """Work that waits until `size` are at it at once, and counts how many ever were."""

    def __init__(self, size: int) -> None:
        self._all = threading.Barrier(size)
        self._lock = threading.Lock()
        self.now = self.most = 0

    def __call__(self, *_: Any) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self._all.wait(DEADLINE)
        with self._lock:
            self.now -= 1


@pytest.mark.parametrize(("workers", "items"), [(1, 4), (2, 8), (3, 9), (9, 6)])
def test_all_is_done_by_so_many_at_once_and_no_thread_is_left(workers: int, items: int) -> None:
    before, done = threading.active_count(), []
    meeting = Meeting(min(workers, items))
    at_once(lambda item: (meeting(), done.append(item)), range(items), workers)
    assert sorted(done) == list(range(items))
    assert meeting.most == min(workers, items) and threading.active_count() == before


def test_the_first_error_is_raised_and_nothing_new_begins() -> None:
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        raise InputError(f"picture {item}")

    with pytest.raises(InputError, match=r"picture [01]"):
        at_once(work, range(50), 2)
    assert len(begun) <= 2
    at_once(work, [], 2)


def test_a_machine_without_threads_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(InputError, match="can't start new thread; allow more threads: ulimit -u"):
        at_once(print, [1, 2], 2)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_streams_in_threads_and_in_steps_are_those_of_one_worker(
    bundle: Path, engine: EngineName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # of compiled models
    clips = videos(5, LENGTH)
    with Session(bundle, engine=engine, threads=1) as one:
        expected = [alone(one, clip) for clip in clips]
    threads = threading.active_count()
    with Session(bundle, engine=engine, workers=2) as session:
        assert session.workers == 2
        with ThreadPoolExecutor(len(clips)) as pool:
            found = list(pool.map(lambda clip: alone(session, clip), clips))
        streams = [session.stream() for _ in clips]
        steps = [session.step({s: clip[i] for s, clip in zip(streams, clips, strict=True)}) for i in range(LENGTH)]
        found += [[step[stream] for step in steps] for stream in streams]
    assert threading.active_count() == threads, "nothing is left"
    for results, others in zip(expected * 2, found, strict=True):
        for a, b in zip(results, others, strict=True):
            same(a, b)


def test_the_engine_has_so_many_pictures_and_no_more(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meeting, run = Meeting(2), OnnxRuntimeBackend.run

    def watched(backend: OnnxRuntimeBackend, frames: Any, timings: dict[str, float] | None = None) -> Any:
        assert len(frames) == 1
        meeting()
        return run(backend, frames, timings)

    monkeypatch.setattr(OnnxRuntimeBackend, "run", watched)
    session = Session(bundle, engine="onnxruntime", workers=2)
    picture = np.zeros((1, *session.passport.input_size, 3), np.uint8)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: session.infer(picture), range(6)))
    assert meeting.most == 2, "six callers"
    session.step({session.stream(): picture[0] for _ in range(2)})
    assert meeting.most == 2, "a step shares its pictures out"


@pytest.mark.parametrize("workers", [0, -1])
def test_no_worker_is_refused(bundle: Path, workers: int) -> None:
    with pytest.raises(InputError, match=f"workers must be at least 1; got {workers}"):
        Session(bundle, workers=workers)


@pytest.mark.parametrize(
    ("cores", "asked", "live", "recorded", "expected"),
    [
        (2, None, 0, 3, (2, 1)),
        (8, None, 0, 2, (2, 4)),
        (8, None, 0, 30, (4, 2)),
        (8, None, 16, 0, (8, 1)),
        (8, None, 1, 1, (2, 4)),
        (1, None, 0, 2, (1, 1)),
        (8, 3, 5, 0, (3, 1)),
        (8, 1, 0, 9, (1, 1)),
        (8, 0, 0, 9, (1, 0)),  # which a session refuses
    ],
)
def test_threads_are_shared_among_the_inputs_that_run_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    asked: int | None,
    live: int,
    recorded: int,
    expected: tuple[int, int],
) -> None:
    for name in ("cores", "processors"):
        monkeypatch.setattr(f"stc.runtime.track.many.{name}", lambda: cores)
    nothing = Outputs(None, None, None, None)
    runs = [Run("0", "0", n < live, nothing) for n in range(live + recorded)]
    assert shared(asked, runs) == expected
