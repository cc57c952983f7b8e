"""Two frames on the GPU at once: one goes up or comes back while the other is computed, and nothing else changes.

The pretended GPU knows which operation comes before which (`fake_streams.py`): a wait that is missing is a race, found
whatever was done first. `PLANTED` takes every wait away, one after the other.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from stc.errors import DeviceError, InputError, SkippedError, StaleError
from stc.runtime import Session, Stream
from stc.runtime.backends.tensorrt.buffers import BufferSet
from stc.runtime.backends.tensorrt.cuda import Cuda
from stc.runtime.backends.tensorrt.gpu_clock import COMPUTED, FETCHED, UPLOADED, GpuClock
from stc.runtime.backends.tensorrt.resident.lanes import Lanes
from stc.runtime.backends.tensorrt.resident.turns import Begun, Turn, Turns
from tests.runtime.backends import engine_bundle
from tests.runtime.backends.engine_bundle import Gpus
from tests.runtime.backends.fake_cuda import FakeCuda, cudaError_t
from tests.runtime.backends.tensorrt.resident.conftest import AREA
from tests.runtime.backends.tensorrt.resident.fake_kernels import FakeKernels
from tests.runtime.backends.tensorrt.resident.test_frames import GIVEN, assert_same, clip, on_cpu

LONG = 30  # seconds: beyond it something hangs
SIZE = (60, 96)


@pytest.fixture(params=[None, 1], ids=lambda seed: "late" if seed is None else f"seed {seed}")
def cuda(request: pytest.FixtureRequest, gpus: Gpus) -> FakeCuda:
    """Does everything as late as it may; with a seed, in some order that it may."""
    gpus.cuda.order.schedule = None if request.param is None else Random(request.param)
    return gpus.cuda


class Pair:
    """A stream whose frames are begun before those in front of them are asked for, in one thread."""

    def __init__(self, session: Session, stream: Stream) -> None:
        assert session.takes_frames is not None
        self.engine, self.stream = session.takes_frames, stream

    def begin(self, frame: Any) -> tuple[Begun, Any]:
        letterbox, picture = self.stream.take(frame)
        return self.engine.begin([picture]), letterbox  # type: ignore[list-item]  # an engine's own

    def end(self, begun: tuple[Begun, Any]) -> Any:
        (outputs,) = begun[0].outputs()
        return self.stream.finish(outputs, 0, begun[1])

    def follow(self, frames: Sequence[Any], expected: Sequence[Any]) -> None:
        waiting: list[tuple[Begun, Any]] = []
        asked = iter(expected)
        for frame in frames:
            waiting.append(self.begin(frame))
            if len(waiting) == 2:
                assert_same(self.end(waiting.pop(0)), next(asked))
        assert_same(self.end(waiting.pop(0)), next(asked))


@pytest.mark.parametrize("way", ["host", "DLPack", "a part"])
def test_frames_of_two_sets_are_those_of_one(whole: Path, cuda: FakeCuda, way: str) -> None:
    """Of two sizes, so that each set runs, captures and replays both."""
    frames = [clip(size, 12)[index] for index, size in enumerate([SIZE, SIZE, (97, 70), (97, 70)] * 3)]
    side = cuda.new_stream(blocking=False)
    with Session(whole, device="cuda") as session:
        Pair(session, session.stream()).follow([GIVEN[way](cuda, f, side) for f in frames], on_cpu(whole, frames))
    assert cuda.calls.count("cudaGraphInstantiate") >= 4 and cuda.calls.count("cudaGraphLaunch") >= 4


def test_one_goes_up_while_another_is_computed_and_comes_back_before_the_next_is(
    whole: Path, gpus: Gpus, fake: FakeKernels
) -> None:
    frames = clip(SIZE, 4)
    with Session(whole, device="cuda") as session:
        pair = Pair(session, session.stream())
        pair.follow([*frames, *frames], on_cpu(whole, [*frames, *frames]))  # captured
        first, second = pair.begin(frames[2]), pair.begin(frames[1])
        resized, copies = len(fake.pictures), len(gpus.cuda.copies)
        upload = next(key for key, last in gpus.cuda.order.last.items() if not last.done)
        assert isinstance(upload, int)
        gpus.cuda.order.finish(upload, 0)  # both are up
        assert (len(fake.pictures), len(gpus.cuda.copies)) == (resized, copies)
        pair.end(first)
        assert len(fake.pictures) == resized + 1  # and the second is not computed
        pair.end(second)
        assert len(fake.pictures) == resized + 2


def test_a_second_set_is_reserved_when_frames_first_meet_and_once(whole: Path, gpus: Gpus) -> None:
    frames = clip(SIZE, 6)
    expected = on_cpu(whole, frames * 3)
    with Session(whole, device="cuda") as session:
        stream = session.stream()
        for frame, wanted in zip(frames, expected, strict=False):
            assert_same(stream(frame), wanted)
        alone = gpus.cuda.calls.count("cudaMalloc")
        Pair(session, stream).follow(frames, expected[6:12])
        together = gpus.cuda.calls.count("cudaMalloc")
        Pair(session, stream).follow(frames, expected[12:])
        assert gpus.cuda.calls.count("cudaMalloc") == together > alone
        assert gpus.tensorrt.calls.count("create_execution_context") == 2
        assert gpus.cuda.calls.count("cudaGraphInstantiate") == 2
    assert not gpus.cuda.memory and not gpus.cuda.events and not gpus.cuda.streams and not gpus.cuda.graphs


def test_without_memory_for_a_second_set_frames_take_turns(
    whole: Path, gpus: Gpus, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = clip(SIZE, 8)
    expected = on_cpu(whole, frames)
    asked = threading.Event()

    def refused(*_: Any) -> Any:
        asked.set()
        raise DeviceError("not enough GPU memory")

    with Session(whole, device="cuda") as session, ThreadPoolExecutor(1) as pool, caplog.at_level(logging.WARNING):
        monkeypatch.setattr(BufferSet, "__init__", refused)
        pair, other = Pair(session, session.stream()), Pair(session, session.stream())
        first = pair.begin(frames[0])
        second = pool.submit(other.begin, frames[0])
        assert asked.wait(LONG) and not second.done()
        assert_same(pair.end(first), expected[0])
        assert_same(other.end(second.result(LONG)), expected[0])
        stream = session.stream(in_flight=4)
        for handle, wanted in zip([stream.submit(frame) for frame in frames], expected, strict=True):
            assert_same(handle.result(LONG), wanted)
    (warning,) = caplog.records
    assert "share one set of buffers" in warning.getMessage()
    assert not gpus.cuda.memory


def test_streams_that_overlap_on_one_gpu_are_as_if_alone(whole: Path, cuda: FakeCuda) -> None:
    clips = [clip(size, 8) for size in (SIZE, (97, 70), SIZE)]
    expected = [on_cpu(whole, frames) for frames in clips]

    def serve(number: int) -> list[Any]:
        stream = session.stream(str(number), in_flight=2 + number)
        results = [handle.result(LONG) for handle in [stream.submit(frame) for frame in clips[number]]]
        assert {"preprocess", "upload", "engine", "enqueue", "download", "track"} <= set(stream.timings)
        assert min(stream.timings.values()) >= 0
        return results

    with Session(whole, device="cuda") as session, ThreadPoolExecutor(3) as pool:
        assert session.stream().in_flight == 4
        for found, wanted in zip(pool.map(serve, range(3)), expected, strict=True):
            for result, other in zip(found, wanted, strict=True):
                assert_same(result, other)


def test_a_rtx_engine_has_two_sets_too(gpus: Gpus, fake: FakeKernels, library: Path, tmp_path: Path) -> None:
    bundle = engine_bundle.write(tmp_path / "rtx", library, flavour="rtx", passport=AREA)
    frames = clip(SIZE, 6)
    with Session(bundle, device="cuda") as session:
        Pair(session, session.stream()).follow(frames, on_cpu(bundle, frames))
    assert gpus.rtx.calls.count("create_execution_context") == 2 and gpus.rtx.calls.count("cache.serialize") == 1


def test_a_frame_that_fails_takes_no_buffers_with_it(whole: Path, gpus: Gpus) -> None:
    """In the tracker, while others are on the GPU whose outputs nobody will ask for; more often than there are sets."""
    frames = clip(SIZE, 5)
    expected = on_cpu(whole, frames * 4)
    with Session(whole, device="cuda") as session:
        stream, errors = session.stream(in_flight=4), []
        for round_ in range(4):
            begin = 5 * round_
            good = [stream.submit(frame, begin + index) for index, frame in enumerate(frames)]
            bad = [stream.submit(frames[0], 0.0 if begin else -1.0), *(stream.submit(frame) for frame in frames[:3])]
            for handle in bad:
                with pytest.raises((InputError, SkippedError)) as error:
                    handle.result(LONG)
                errors.append(error)  # and its traceback
            found = [handle.result(LONG) for handle in good]
            assert [len(result) for result in found] == [len(result) for result in expected[:5]]
        assert len(errors) == 16


def test_what_nobody_asks_for_is_over_before_its_buffers_are_used_again(whole: Path, cuda: FakeCuda) -> None:
    with Session(whole, device="cuda") as session:
        forgetful(session, whole)


def forgetful(session: Session, whole: Path) -> None:
    frames, pair = clip(SIZE, 6), Pair(session, session.stream())
    expected = on_cpu(whole, frames[:2] * 3)
    pair.follow(frames[:2], expected[:2])
    for number in (2, 4):
        for _ in range(3):
            pair.begin(frames[4])
        pair.follow(frames[:2], expected[number : number + 2])


def refused(session: Session, whole: Path, cuda: FakeCuda) -> None:
    frames, pair = clip(SIZE, 6), Pair(session, session.stream())
    expected = on_cpu(whole, frames[:4] * 3)
    pair.follow(frames[:4], expected[:4])
    for number in (4, 8):
        first = pair.begin(frames[0])
        cuda.fail("cudaMemcpyAsync", cudaError_t.cudaErrorMemoryAllocation, after=1)  # up, and computed, but not back
        with pytest.raises(DeviceError, match="copying from the GPU"):
            pair.begin(frames[4])
        cuda.failures.clear()
        second = pair.begin(frames[1])
        assert_same(pair.end(first), expected[number])
        assert_same(pair.end(second), expected[number + 1])
        pair.follow(frames[2:4], expected[number + 2 : number + 4])


def test_a_frame_that_the_gpu_refuses_leaves_nothing_on_its_way(whole: Path, cuda: FakeCuda) -> None:
    with Session(whole, device="cuda") as session:
        refused(session, whole, cuda)


def test_closing_waits_for_what_is_on_the_gpu_and_gives_all_back(whole: Path, cuda: FakeCuda) -> None:
    frames = clip(SIZE, 4)
    with Session(whole, device="cuda") as session:
        pair = Pair(session, session.stream())
        pair.follow(frames, on_cpu(whole, frames))
        begun = [pair.begin(frame) for frame in frames[:2]]
    assert all(operation.done for operation in cuda.order.last.values())
    assert not cuda.memory and not cuda.events and not cuda.streams and not cuda.graphs
    for one in begun:
        with pytest.raises(InputError, match="session is closed"):
            pair.end(one)


def test_a_session_that_closes_answers_the_frames_in_flight(whole: Path, cuda: FakeCuda) -> None:
    frames = clip(SIZE, 4)
    with Session(whole, device="cuda") as session:
        handles = [session.stream(in_flight=4).submit(frames[2]), *map(session.stream(in_flight=4).submit, frames)]
    for handle, wanted in zip(handles[1:], on_cpu(whole, frames), strict=True):
        assert_same(handle.result(0), wanted)
    assert not cuda.memory


def test_a_gpu_that_breaks_with_two_frames_on_it_is_fatal_for_both(whole: Path, gpus: Gpus) -> None:
    frames = clip(SIZE, 4)
    with Session(whole, device="cuda") as session:
        pair = Pair(session, session.stream())
        pair.follow(frames, on_cpu(whole, frames))
        begun = [pair.begin(frame) for frame in frames[:2]]
        gpus.cuda.fail("cudaEventSynchronize", cudaError_t.cudaErrorIllegalAddress)
        for one in begun:
            with pytest.raises(DeviceError, match="restart the process"):
                pair.end(one)
        with pytest.raises(DeviceError, match="restart the process"):
            pair.stream(frames[0])


def test_masks_are_on_the_gpu_until_the_next_frame_has_begun(whole: Path, cuda: FakeCuda) -> None:
    frames = clip(SIZE, 3)
    expected = on_cpu(whole, frames)
    with Session(whole, device="cuda") as session:
        pair = Pair(session, session.stream())
        first, second = pair.begin(frames[1]), pair.begin(frames[2])
        stale, last = pair.end(first), pair.end(second)
        with pytest.raises(StaleError):
            stale.masks.bits(device=True)
        with pytest.raises(StaleError):
            _ = stale.masks.probabilities
        np.testing.assert_array_equal(last.masks.probabilities, expected[2].masks.probabilities)


def test_whatever_call_fails_while_frames_overlap_nothing_leaks_or_hangs(whole: Path, gpus: Gpus) -> None:
    """At about the k-th call of CUDA, for every 61st k of frames that make the second set."""
    frames = clip(SIZE, 3) * 2

    def run() -> None:
        with Session(whole, device="cuda") as session:
            loaded[:] = [gpus.cuda.count]
            stream = session.stream(in_flight=4)
            for handle in [stream.submit(frame) for frame in frames]:
                with suppress(DeviceError, SkippedError):
                    handle.result(LONG)
            with suppress(DeviceError):
                stream(frames[2])
            assert len(stream(frames[2])) == 4  # one call failed, and that was all

    loaded = [0]
    run()
    total = gpus.cuda.count
    for number in range(loaded[0] + 1, total + 1, 61):
        with engine_bundle.out_of_memory_at(gpus, number), suppress(DeviceError):
            run()


def without(owner: type, method: str, point: str) -> Callable[[pytest.MonkeyPatch], None]:
    """What `GpuClock` does for one point, left out."""
    whole = getattr(owner, method)
    place = {"mark": 0, "hold": 1, "wait": 0}[method]

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(owner, method, lambda self, *a: None if a[place] == point else whole(self, *a))

    return plant


def begins_at_once(patch: pytest.MonkeyPatch) -> None:
    """In buffers whose last frame may still be on its way: only who asks for outputs waits."""
    wait, outputs, asked = BufferSet.wait, Begun.outputs, threading.Event()

    def asks(self: Begun, timings: dict[str, float] | None = None) -> list[dict[str, Any]]:
        asked.set()
        try:
            return outputs(self, timings)
        finally:
            asked.clear()

    patch.setattr(Begun, "outputs", asks)
    patch.setattr(BufferSet, "wait", lambda self: wait(self) if asked.is_set() else None)


def nobody_waits_after_an_error(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lanes, "synchronize", lambda _: None)


def other_libraries_are_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Cuda, "wait_for", lambda *_: None)


def both_have_one_set(patch: pytest.MonkeyPatch) -> None:
    """Who takes a turn does not hold it."""
    take = Turns.take

    def taken(self: Turns[BufferSet], another: Callable[[], BufferSet | None]) -> Turn[BufferSet]:
        turn = take(self, another)
        turn.release()
        return turn

    patch.setattr(Turns, "take", taken)


PLANTED = {
    "uploaded is not waited for": without(GpuClock, "hold", UPLOADED),
    "computed is not waited for": without(GpuClock, "hold", COMPUTED),
    "the host does not wait": without(GpuClock, "wait", FETCHED),
    "uploaded is not marked": without(GpuClock, "mark", UPLOADED),
    "computed is not marked": without(GpuClock, "mark", COMPUTED),
    "fetched is not marked": without(GpuClock, "mark", FETCHED),
    "buffers are used at once": begins_at_once,
    "errors do not wait": nobody_waits_after_an_error,
    "producers are not waited for": other_libraries_are_not_waited_for,
    "sets are not held": both_have_one_set,
}


@pytest.mark.parametrize("name", PLANTED)
def test_every_wait_is_needed(whole: Path, gpus: Gpus, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """What is read too early is what the frame two before had there; the rest is a race, whatever comes first."""
    frames = clip(SIZE, 8)
    expected = on_cpu(whole, frames)
    ways, side = [GIVEN["host"], GIVEN["a part"]] * 2, gpus.cuda.new_stream(blocking=False)
    session = Session(whole, device="cuda")
    pair = Pair(session, session.stream())
    pair.follow([give(gpus.cuda, frame, side) for give, frame in zip(ways, frames[:4], strict=True)], expected[:4])
    PLANTED[name](monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        pair.follow([give(gpus.cuda, frame, side) for give, frame in zip(ways, frames[4:], strict=True)], expected[4:])
        forgetful(session, whole)
        refused(session, whole, gpus.cuda)
