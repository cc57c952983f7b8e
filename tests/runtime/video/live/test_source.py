"""Live sources against an RTSP server that stalls, hangs up, sends noise, changes size, goes down and comes back."""

from __future__ import annotations

import gc
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest

from stc.errors import InputError
from stc.runtime import Tracker, TrackEvent
from stc.runtime.tracking.detections import Detections
from stc.runtime.video import Frame, ReconnectPolicy, Source, State, open_source
from stc.runtime.video.live import lifecycle
from stc.runtime.video.live.source import CLOSING, LiveSource
from tests.runtime.video.rtsp_server import FPS, SECRET, SIZES, Server, number_of

# Quick for a test, and still longer than the server's pauses between pictures.
QUICK = ReconnectPolicy(open_timeout=8, read_timeout=1.2, stall_after=0.4, first_delay=0.05, max_delay=0.2)
PATIENCE = 30.0  # seconds for something to happen, on a machine that is busy

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture(autouse=True)
def secrets_stay_secret(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG):
        yield
    assert SECRET not in caplog.text and "admin" not in caplog.text


def readers() -> list[Path]:
    """The folders in /proc of this process's readers, alive or not yet waited for."""
    children = (task.read_text().split() for task in Path("/proc/self/task").glob("*/children"))
    found = [Path("/proc", child) for some in children for child in some]
    return [process for process in found if "video.live.reader" in (process / "cmdline").read_text()]


class Watch:
    """Takes the frames of a source in a thread of its own."""

    def __init__(self, source: Source, each: Callable[[Frame], object] = lambda frame: None) -> None:
        self.source = source
        self.frames: list[Frame] = []
        self.error: Exception | None = None
        self.each = each
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            for frame in self.source:
                self.frames.append(frame)
                self.each(frame)
        except InputError as error:
            self.error = error

    def until(self, condition: Callable[[], object]) -> None:
        end = monotonic() + PATIENCE
        while not condition():
            assert monotonic() < end, f"{self.source.state}, {self.source.stats}, {self.error}"
            sleep(0.01)

    def more(self, count: int = 10) -> None:
        """Until as many frames more have come."""
        wanted = len(self.frames) + count
        self.until(lambda: len(self.frames) >= wanted)

    def state(self, state: State) -> None:
        self.until(lambda: self.source.state == state)

    @property
    def numbers(self) -> list[int]:
        return [number_of(frame.image) for frame in self.frames]

    @property
    def gaps(self) -> list[tuple[float, float]]:
        return [(gap.start, gap.end) for frame in self.frames for gap in frame.gaps]


@pytest.fixture
def watch(server: Server) -> Iterator[Callable[..., Watch]]:
    """Opens the server's stream, "wait" unless told otherwise, and watches it."""
    watches: list[Watch] = []

    def start(policy: str = "wait", reconnect: ReconnectPolicy = QUICK, **options: Any) -> Watch:
        each = options.pop("each", lambda frame: None)
        source = open_source(server.url, policy=policy, reconnect=reconnect, **options)  # type: ignore[arg-type]
        watches.append(Watch(source, each))
        return watches[-1]

    yield start
    for watched in watches:
        watched.source.close()
        watched.thread.join()
        check_what_always_holds(watched)


def check_what_always_holds(watched: Watch) -> None:
    frames, stats = watched.frames, watched.source.stats
    assert all(b.time > a.time and b.index > a.index for a, b in pairwise(frames))
    assert {f.source for f in frames} <= {watched.source.name} and SECRET not in watched.source.name
    assert SECRET not in f"{watched.error} {watched.source!r} {[g.reason for f in frames for g in f.gaps]}"
    assert stats.gaps >= len(watched.gaps) == len(set(watched.gaps)), "no gap is told twice"
    before = {b.time: a.time for a, b in pairwise(frames)}
    for frame in frames:
        for gap in frame.gaps:
            assert before[frame.time] <= gap.start < gap.end <= frame.time


def received(watched: Watch, sent: list[int]) -> None:
    """Every picture that was sent has come, in order and once; what is under way at the end excepted."""
    numbers = watched.numbers
    assert numbers == sent[: len(numbers)] and len(sent) - len(numbers) < FPS


def test_a_sound_stream(server: Server, watch: Callable[..., Watch]) -> None:
    watched = watch()
    watched.more(30)
    source = watched.source
    assert source.live and source.length is None and source.state == "live"
    assert source.fps == FPS and source.size == SIZES["small"][::-1]
    received(watched, server.sent)
    assert [b.time - a.time for a, b in pairwise(watched.frames)] == pytest.approx(
        [1 / FPS] * (len(watched.frames) - 1), abs=1e-3
    )
    assert (source.stats.dropped, source.stats.reconnects, source.stats.gaps, watched.gaps) == (0, 0, 0, [])
    assert any("interleaved" in line for line in server.requests), "over TCP"


def test_a_stall_that_ends_in_time(server: Server, watch: Callable[..., Watch]) -> None:
    watched = watch(reconnect=ReconnectPolicy(read_timeout=20, stall_after=0.3))
    watched.more()
    server.stalled = True
    watched.state("stalled")
    sleep(1.2)
    server.stalled = False
    watched.more()
    received(watched, server.sent)
    assert watched.source.state == "live" and watched.source.stats.reconnects == 0
    ((start, end),) = watched.gaps
    assert end - start > 1.2


def test_a_stall_that_lasts(server: Server, watch: Callable[..., Watch]) -> None:
    watched = watch()
    watched.more()
    server.stalled = True
    watched.state("reconnecting")
    server.stalled = False
    watched.more()
    received(watched, server.sent)
    assert watched.source.stats.reconnects >= 1 and len(watched.gaps) == watched.source.stats.gaps == 1


@pytest.mark.parametrize("seconds", [1.0, 3.0])
@pytest.mark.parametrize("misbehave", ["stalled", "down", "deaf"])
def test_giving_up_takes_its_time_and_not_that_of_the_connection(
    server: Server, watch: Callable[..., Watch], seconds: float, misbehave: str
) -> None:
    watched = watch(reconnect=ReconnectPolicy(read_timeout=30, open_timeout=30, give_up=seconds))
    watched.more()
    setattr(server, misbehave, True)
    if misbehave == "deaf":
        server.hang_up()
    last = monotonic()
    watched.state("failed")
    assert monotonic() - last < seconds + lifecycle.GRACE + 2, "two seconds for a loaded machine"
    watched.thread.join(2)
    assert re.search(r"lost after \d+ frames \(no frame for [\d.]+ s; ", str(watched.error))


def test_hang_ups(server: Server, watch: Callable[..., Watch]) -> None:
    watched = watch()
    for count in (1, 2, 3):
        watched.more()
        server.hang_up()
        watched.until(lambda count=count: watched.source.stats.reconnects == count)
    watched.more()
    received(watched, server.sent)
    assert len(watched.gaps) == watched.source.stats.gaps == 3


def test_times_go_on_across_connections_as_on_the_wall(server: Server, watch: Callable[..., Watch]) -> None:
    arrivals: list[float] = []
    watched = watch(each=lambda frame: arrivals.append(monotonic()))
    watched.more(20)
    server.hang_up()
    watched.until(lambda: watched.gaps)
    ((start, end),) = watched.gaps
    index = next(i for i, frame in enumerate(watched.frames) if frame.gaps)
    watched.until(lambda: len(arrivals) > index)
    assert end - start == pytest.approx(arrivals[index] - arrivals[index - 1], abs=0.3)


def test_a_connection_cut_off_in_the_middle_of_a_picture_invents_none(
    server: Server, watch: Callable[..., Watch]
) -> None:
    watched = watch()
    watched.more()
    server.cut_off()
    watched.until(lambda: watched.source.stats.reconnects == 1)
    watched.more()
    received(watched, server.sent)
    assert len(watched.gaps) == 1


def test_noise_between_pictures(server: Server, watch: Callable[..., Watch]) -> None:
    watched = watch()
    watched.more()
    for _ in range(3):
        server.send_garbage()
    server.sent.clear()
    watched.more(3 * FPS)  # the reader may find its way again, or be connected again
    assert watched.source.state == "live"
    assert watched.numbers[-FPS:] in [server.sent[i : i + FPS] for i in range(len(server.sent))]


def test_damaged_pictures_are_counted_and_survived(server: Server, watch: Callable[..., Watch]) -> None:
    watched = watch()
    watched.more()
    server.damaged = True
    watched.until(lambda: watched.source.stats.decode_errors > 3)
    server.damaged = False
    server.sent.clear()
    watched.more(20)
    assert watched.source.stats.reconnects == 0
    assert watched.numbers[-10:] in [server.sent[i : i + 10] for i in range(len(server.sent))]


def test_another_size_in_the_middle(server: Server, watch: Callable[..., Watch]) -> None:
    watched = watch()
    watched.more()
    server.size = "large"
    watched.until(lambda: watched.frames[-1].image.shape[:2] == SIZES["large"])
    watched.more()
    shapes = [frame.image.shape[:2] for frame in watched.frames]
    change = shapes.index(SIZES["large"])
    assert set(shapes[:change]) == {SIZES["small"]} and set(shapes[change:]) == {SIZES["large"]}
    received(watched, server.sent)
    assert not watched.gaps and watched.source.stats.reconnects == 0


def test_down_and_back_with_another_size(server: Server, watch: Callable[..., Watch]) -> None:
    watched = watch()
    watched.more()
    server.down = True
    watched.state("reconnecting")
    sleep(1.0)
    assert watched.source.state == "reconnecting"
    server.size = "large"
    server.down = False
    watched.more()
    assert watched.frames[-1].image.shape[:2] == SIZES["large"]
    received(watched, server.sent)
    assert watched.source.stats.reconnects == len(watched.gaps) == 1


def test_waiting_loses_nothing_however_slow_the_consumer_is(
    server: Server, watch: Callable[..., Watch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "GRACE", 0.2)
    watched = watch(each=lambda frame: sleep(0.03), capacity=1)
    watched.more(40)
    sleep_once = [1.8]  # longer than the read time-out: the consumer is slow, the source is not silent
    watched.each = lambda frame: sleep(sleep_once.pop() if sleep_once else 0.0)
    watched.more(60)
    numbers = watched.numbers
    assert numbers == server.sent[: len(numbers)]
    stats = watched.source.stats
    assert (stats.dropped, stats.reconnects, stats.gaps) == (0, 0, 0)


def test_drop_oldest_counts_every_drop(server: Server, watch: Callable[..., Watch]) -> None:
    watched = watch(policy="drop-oldest", each=lambda frame: sleep(0.1))
    watched.more(10)
    server.hang_up()  # a gap, while frames are dropped
    watched.until(lambda: watched.gaps)
    watched.more(5)
    server.stalled = True
    watched.state("stalled")
    watched.until(lambda: watched.frames[-1].index == watched.source.stats.received - 1)  # all is taken
    stats = watched.source.stats
    assert stats.dropped > 5 and len(watched.frames) + stats.dropped == stats.received
    indices = [-1, *(f.index for f in watched.frames)]
    assert sum(b - a - 1 for a, b in pairwise(indices)) == stats.dropped
    assert len(watched.gaps) == stats.gaps == 1
    positions = [server.sent[f.index] for f in watched.frames]
    assert watched.numbers == positions, "those that stayed are in their place"


def test_every_nth(server: Server, watch: Callable[..., Watch]) -> None:
    watched = watch(every=4)
    watched.more(5)
    server.hang_up()
    watched.until(lambda: watched.gaps)
    watched.more(5)
    assert [f.index for f in watched.frames] == list(range(0, 4 * len(watched.frames), 4))
    assert watched.numbers == server.sent[: 4 * len(watched.frames) : 4]
    assert watched.source.stats.received - len(watched.frames) <= 2 and watched.source.fps == FPS / 4


@pytest.mark.parametrize("name", ["stalled", "down", "deaf"])
def test_close_returns_in_time_while_a_read_is_blocked(server: Server, watch: Callable[..., Watch], name: str) -> None:
    watched = watch(reconnect=QUICK if name == "deaf" else ReconnectPolicy(first_delay=20, stall_after=0.2))
    watched.more(3)
    if name == "deaf":  # a connection is being made that nobody answers
        server.deaf = True
        server.hang_up()
        connections = server.connections
        watched.until(lambda: server.connections > connections)
    else:
        setattr(server, name, True)
        watched.state("stalled" if name == "stalled" else "reconnecting")
    start = monotonic()
    watched.source.close()
    assert monotonic() - start < CLOSING
    watched.thread.join(CLOSING)
    assert not watched.thread.is_alive() and watched.error is None, "who waits for a frame is told"
    assert watched.source.state == "ended"
    for thread in threading.enumerate():
        if thread.name.startswith("stc source"):  # it has said its last word
            thread.join(0.1)
            assert not thread.is_alive()
    watched.source.close()


def test_close_returns_in_time_while_nobody_takes_frames(server: Server) -> None:
    source = open_source(server.url, policy="wait", capacity=1, reconnect=QUICK)
    sleep(0.5)
    start = monotonic()
    source.close()
    assert monotonic() - start < CLOSING
    assert list(source) == []


def test_a_source_that_boots_after_the_box(server: Server) -> None:
    server.down = True
    sleep(0.2)
    policy = ReconnectPolicy(open_timeout=8, first_delay=0.05, max_delay=0.2, retry_first=True)
    with open_source(server.url, policy="wait", reconnect=policy) as source:
        watched = Watch(source)
        watched.state("reconnecting")
        server.down = False
        watched.more()
        assert source.size == SIZES["small"][::-1] and source.fps == FPS
        assert (source.stats.reconnects, source.stats.gaps) == (0, 0)
    watched.thread.join()
    received(watched, server.sent)


def test_a_reader_that_crashes_is_a_lost_connection(server: Server, watch: Callable[..., Watch]) -> None:
    watched = watch()
    watched.more()
    (process,) = readers()
    assert SECRET not in (process / "cmdline").read_text()
    assert SECRET not in (process / "environ").read_text()
    os.kill(int(process.name), 11)
    watched.until(lambda: watched.gaps)
    watched.more()
    assert [g.reason for f in watched.frames for g in f.gaps] == [
        "the reader was ended by a signal: Segmentation fault"
    ]


def test_a_reader_that_hangs_is_killed(
    server: Server, watch: Callable[..., Watch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "GRACE", 0.2)
    watched = watch()
    watched.more()
    (process,) = readers()
    os.kill(int(process.name), 19)  # SIGSTOP: as if blocked where nothing interrupts
    watched.until(lambda: watched.gaps)
    assert not process.exists(), "only SIGKILL ends it"
    watched.more()


def test_nothing_is_left_behind(server: Server) -> None:
    def resources() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208

    gc.collect()
    before = resources()
    for _ in range(3):
        with open_source(server.url, reconnect=QUICK) as source:
            assert isinstance(source, LiveSource)
            next(iter(source))
            server.hang_up()
            sleep(0.3)
        assert readers() == []
    end = monotonic() + 2  # the server closes its side
    while not (after := resources()) <= before and monotonic() < end:
        sleep(0.01)
    assert after <= before


def test_ids_come_back_where_the_object_is_still_there(server: Server, watch: Callable[..., Watch]) -> None:
    """The square stands still, in short and long gaps; the tracker gets what the source gives: boxes and times."""
    tracker, ids, events = Tracker(), [], list[TrackEvent]()

    def track(frame: Frame) -> None:
        white = np.argwhere(frame.image[:, :, 0] > 200)
        (y0, x0), (y1, x1) = white.min(axis=0), white.max(axis=0) + 1
        found = Detections(
            np.array([[x0, y0, x1, y1]], np.float32), np.array([0.9], np.float32), np.array([0]),
            np.array([[1.0, 0.0]], np.float32),
        )  # fmt: skip
        update = tracker.update(found, frame.time)
        ids.append(int(update.track_ids[0]))
        events.extend(update.events)

    watched = watch(each=track)
    watched.more()
    server.hang_up()
    watched.until(lambda: watched.gaps)
    watched.more()
    assert set(ids) == {1}

    server.stalled = True
    watched.state("stalled")
    sleep(tracker.config.max_age)
    server.stalled = False
    watched.more()
    assert set(ids) == {1} and [event.kind for event in events] == ["born"]
    assert watched.gaps[1][1] - watched.gaps[1][0] > tracker.config.max_age
    watched.until(lambda: tracker.time == watched.frames[-1].time)
