"""Many frames: the same ids as ever, and memory, files and threads of the process that do not grow.

By default a tenth of the length. In full (docs/tracking.md): STC_SOAK=1 pytest tests/runtime/test_soak.py -s
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from stc.benchmarks.models import memory
from stc.benchmarks.timing.growth import theil_sen
from stc.runtime import Result, Session, Tracker, TrackerConfig
from stc.runtime.letterbox import Letterbox
from stc.runtime.masks.containment import Containment
from stc.runtime.masks.masks import Masks
from stc.runtime.tracking.detections import select
from tests.runtime.tracking.replay import Array, Recording, ReplayBackend, camera, demo_model
from tests.shared import once

pytestmark = [pytest.mark.slow, pytest.mark.skipif(memory.resident() is None, reason="reads /proc")]

FULL = "STC_SOAK" in os.environ
SHARE = 1 if FULL else 10
STREAMS, TOGETHER, ALONE = 8, 10_000 // SHARE, 100_000 // SHARE  # frames of each of eight, and of one alone
RECORDED = 200
RESTLESS = TrackerConfig(max_age=0.2, init_score=0.3, instant_score=0.4)  # so that many tracks are born and end
WARM_UP = 0.4  # of the frames: until the allocator has seen the worst; then 40 samples
SAMPLES = 40
# Bytes by which the slope may carry memory up from first to last frame: some steps of an allocator. In full that is
# 42 or 52 bytes a frame, so that one small Python object left behind by every frame is found.
GROWTH = 4 << 20


@dataclass
class Watch:
    """Samples of what the process holds, taken while frames go by."""

    frames: int
    resident: list[int] = field(default_factory=list)
    files: set[int] = field(default_factory=set)
    threads: set[int] = field(default_factory=set)

    def __call__(self, number: int) -> None:
        first = int(self.frames * WARM_UP)
        if number >= first and (number - first) % self.step == 0:
            self.resident.append(memory.resident() or 0)
            self.files.add(len(list(Path("/proc/self/fd").iterdir())))
            self.threads.add(threading.active_count() + _native_threads())

    @property
    def step(self) -> int:
        return max(1, int(self.frames * (1 - WARM_UP)) // SAMPLES)

    def slope(self) -> float:
        """Bytes per frame."""
        return theil_sen(self.resident).value / self.step

    def check(self) -> None:
        print(f"\n{self.frames} frames: {self.slope():+.1f} bytes a frame, files {self.files}, threads {self.threads}")  # noqa: T201
        assert len(self.resident) >= SAMPLES
        assert self.slope() * self.frames < GROWTH
        assert len(self.files) == 1 and len(self.threads) == 1


def _native_threads() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("Threads:")).split()[1])


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return Session(once(tmp_path_factory, "demo.onnx", demo_model))


@pytest.fixture(scope="module")
def pictures() -> list[Array]:
    return camera(RECORDED)


@pytest.fixture(scope="module")
def recording(real: Session, pictures: list[Array]) -> Recording:
    return Recording.of(real, pictures)


@pytest.fixture(scope="module")
def replayed(recording: Recording) -> Session:
    return Session.from_backend(ReplayBackend(recording), recording.passport, "recorded")


@pytest.fixture(scope="module")
def frames(recording: Recording) -> list[Array]:
    return [recording.frame(number) for number in range(RECORDED)]


def path(seed: int, length: int) -> Array:
    """Which recorded frame comes when: on or back by one, with a jump elsewhere now and then; tracks come and go."""
    rng = np.random.default_rng(seed)
    moves = np.where(rng.random(length) < 0.02, rng.integers(0, RECORDED, length), rng.choice([-1, 1, 1], length))
    return (moves.cumsum() + rng.integers(RECORDED)) % RECORDED


def test_the_recording_stands_for_the_model(
    real: Session, replayed: Session, pictures: list[Array], frames: list[Array]
) -> None:
    """The join, on 200 real frames: what the model gives in a stream, its recording gives bit by bit."""
    stream, played = real.stream(), replayed.stream()
    events: list[str] = []
    objects = 0
    for picture, frame in zip(pictures, frames, strict=True):
        found, again = stream(picture), played(frame)
        for name in ("track_ids", "handles", "labels", "scores", "embeddings", "events"):
            np.testing.assert_array_equal(getattr(found, name), getattr(again, name), name)
        np.testing.assert_array_equal(found.masks.probabilities, again.masks.probabilities)
        events += [event.kind for event in found.events]
        objects += len(found)
    assert events.count("born") >= 3 and events.count("recovered") >= 3 and objects > 300


def test_the_model_in_batches_is_the_model_alone(real: Session, pictures: list[Array]) -> None:
    """The engine rounds otherwise in a batch; ids are equal, the rest is within the budgets of an export."""
    single, *together = (real.stream(str(number)) for number in range(4))
    objects = 0
    for picture in pictures[:30]:
        expected = single(picture)
        for result in real.step(dict.fromkeys(together, picture)).values():
            np.testing.assert_array_equal(result.track_ids, expected.track_ids)
            np.testing.assert_array_equal(result.labels, expected.labels)
            np.testing.assert_allclose(result.boxes, expected.boxes, atol=0.05)  # pixels
            np.testing.assert_allclose(result.masks.probabilities, expected.masks.probabilities, atol=1e-4)
        objects += len(expected)
    assert objects > 50


def test_the_model_in_threads_is_the_model_alone(real: Session, pictures: list[Array]) -> None:
    """The engine and the native library under several threads at once, alone and in steps."""
    clips = [pictures[20 * number : 20 * number + 12] for number in range(4)]
    expected = [[stream(picture) for picture in clip] for clip in clips for stream in [real.stream()]]

    def work(number: int) -> list[list[Result]]:
        clip, pair = clips[number], [real.stream() for _ in range(2)]
        if number % 2:
            return [[stream(picture) for stream in pair] for picture in clip]
        return [list(real.step(dict.fromkeys(pair, picture)).values()) for picture in clip]

    with ThreadPoolExecutor(len(clips)) as pool:
        for one, served in zip(expected, pool.map(work, range(len(clips))), strict=True):
            for alone, pair in zip(one, served, strict=True):
                for result in pair:
                    np.testing.assert_array_equal(result.track_ids, alone.track_ids)
                    np.testing.assert_allclose(result.boxes, alone.boxes, atol=0.05)
                    np.testing.assert_allclose(result.masks.probabilities, alone.masks.probabilities, atol=1e-4)
                    # Pixels right at the threshold of a half may fall either way.
                    assert result.masks.areas().tolist() == pytest.approx(alone.masks.areas().tolist(), abs=20)


def test_eight_streams_interleaved_at_random(replayed: Session, frames: list[Array]) -> None:
    """Steps of any part of the streams in any order, against each stream alone; ids bit by bit."""
    paths = [path(seed, TOGETHER) for seed in range(STREAMS)]
    expected = np.full((STREAMS, TOGETHER, replayed.passport.max_detections), -9, np.int32)
    for ids, numbers in zip(expected, paths, strict=True):
        single = replayed.stream(tracker=RESTLESS)
        for row, number in zip(ids, numbers, strict=True):
            found = single(frames[number]).track_ids
            row[: len(found)] = found
    rng = np.random.default_rng(0)
    streams = [replayed.stream(str(number), tracker=RESTLESS) for number in range(STREAMS)]
    at = [0] * STREAMS
    watch = Watch(STREAMS * TOGETHER)
    seen = 0
    while pending := [number for number in range(STREAMS) if at[number] < TOGETHER]:
        chosen = rng.permutation(pending)[: rng.integers(1, len(pending) + 1)].tolist()
        step = replayed.step({streams[n]: frames[paths[n][at[n]]] for n in chosen})
        for n, result in zip(chosen, step.values(), strict=True):
            ids = expected[n, at[n]]
            assert ids[: len(result)].tolist() == result.track_ids.tolist() and (ids[len(result) :] == -9).all()
            at[n] += 1
            watch(seen)
            seen += 1
    assert expected.max() > TOGETHER / 100  # tracks came and went
    watch.check()


def test_one_stream_for_long(replayed: Session, recording: Recording, frames: list[Array]) -> None:
    """Against a tracker alone that is given the recorded detections."""
    passport = recording.passport
    letterbox = Letterbox.fit(passport.input_size, passport.input_size, passport.resize, passport.border)
    outputs = [replayed.infer(frame[None]) for frame in frames]
    found = []
    for each in outputs:
        alone, cells = select(each, 0, letterbox, 0.0, replayed.wanted)
        masks = Masks(cells, letterbox, passport.mask_stride, replayed.native)
        found.append(replace(alone, containment=Containment(masks, np.arange(len(alone)))))
    stream, tracker = replayed.stream(tracker=RESTLESS), Tracker(RESTLESS)
    watch = Watch(ALONE)
    for count, number in enumerate(path(99, ALONE).tolist()):
        time = count / 30
        result, expected = stream(frames[number], time), tracker.update(found[number], time)
        np.testing.assert_array_equal(result.track_ids, expected.track_ids)
        if count % 50 == 0:
            result.masks.rle()
        watch(count)
    assert result.track_ids.max(initial=0) > ALONE / 100  # tracks came and went
    watch.check()
