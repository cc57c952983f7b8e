"""How frames reach a model, on the tiny model and on clocks that tests turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stc.benchmarks.timing.scenarios import MASKS, MultiStream, Offline, Paced, Scenario, SingleStream, Turn
from stc.errors import InputError
from stc.runtime import Session
from tests.benchmarks.proven import pictures
from tests.runtime import tiny_model

RLE = MASKS["rle"][1]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(tiny_model.write_bundle(tmp_path / "bundle"), threads=1) as opened:
        yield opened


def take(session: Session, scenario: Scenario, shown: list[Any] | None = None) -> Turn:
    streams = [session.stream(str(i)) for i in range(scenario.streams)]
    return scenario.turn(session, streams, pictures() if shown is None else shown, lambda: False)


def test_one_stream_gives_every_frame_its_stages(session: Session) -> None:
    turn = take(session, SingleStream(RLE))
    assert turn.objects == (3,) * 8
    assert all(list(frame) == ["preprocess", "engine", "track", "masks", "end_to_end"] for frame in turn.frames)
    assert all(sum(frame.values()) <= 2 * frame["end_to_end"] for frame in turn.frames)
    assert turn.wall >= turn.stage("end_to_end").sum()


@pytest.mark.parametrize("form", ["rle", "dense", "compact"])
def test_masks_are_made_in_the_form_asked_for(form: str, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from stc.runtime.masks.masks import Masks

    made = []
    for name in ("rle", "dense", "bits"):
        monkeypatch.setattr(Masks, name, lambda self, name=name: made.append(name))
    take(session, SingleStream(MASKS[form][1]), pictures()[:2])
    assert made == [{"compact": "bits"}.get(form, form)] * 2


def test_every_stream_of_many_sees_every_frame(session: Session) -> None:
    turn = take(session, MultiStream(RLE, streams=3))
    assert len(turn.frames) == len(turn.objects) == 3 * 8
    assert turn.objects == (3,) * 24


def test_streams_of_a_session_do_not_share_tracks(session: Session) -> None:
    """Each thread's stream finds the ids of a run of its own."""
    scenario = MultiStream(RLE, streams=4)
    streams = [session.stream(str(i)) for i in range(4)]
    scenario.turn(session, streams, pictures(), lambda: False)
    alone = session.stream("alone")
    for picture in pictures():
        alone(picture)
    expected = alone(pictures()[-1]).track_ids.tolist()
    assert [stream(pictures()[-1]).track_ids.tolist() for stream in streams] == [expected] * 4


def test_offline_gives_what_one_stream_gives(session: Session) -> None:
    stream, alone = session.stream("offline"), session.stream("alone")
    turn = Offline(RLE).turn(session, [stream], pictures(), lambda: False)
    for picture in pictures():
        alone(picture)
    assert turn.objects == (3,) * 8
    assert np.array_equal(stream(pictures()[-1]).track_ids, alone(pictures()[-1]).track_ids)


def test_offline_uses_batches_and_shares_their_time_out(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    infer = session.infer
    monkeypatch.setattr(
        session, "infer", lambda inputs, timings=None: sizes.append(len(inputs)) or infer(inputs, timings)
    )
    turn = take(session, Offline(RLE), pictures() + pictures()[:4])
    assert sizes == [8, 4]
    whole = turn.stage("end_to_end")
    assert len(set(whole[:8])) == 1
    assert whole.sum() <= turn.wall


def test_a_fixed_batch_is_never_broken(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "batches", property(lambda self: (3, 3)))
    assert len(take(session, Offline(RLE)).frames) == 6
    with pytest.raises(InputError, match="takes 3 pictures at once"):
        take(session, Offline(RLE), pictures()[:2])


@pytest.mark.parametrize("scenario", [SingleStream(RLE), MultiStream(RLE, 2), Offline(RLE), Paced(RLE, 1e6)])
def test_a_turn_ends_between_frames_when_asked(scenario: Scenario, session: Session) -> None:
    answers = iter([False, False, *[True] * 100])
    streams = [session.stream(str(i)) for i in range(scenario.streams)]
    turn = scenario.turn(session, streams, pictures() * 4, lambda: next(answers))
    assert 0 < len(turn.frames) < 32


class Clock:
    """Time that only passes where somebody waits or `work` says so."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += seconds


class SlowStream:
    """A stream whose frames take as long as they are told to, in turns."""

    def __init__(self, clock: Clock, seconds: list[float]) -> None:
        self.clock, self.seconds, self.shown = clock, seconds, []
        self.timings: dict[str, float] = {}

    def __call__(self, picture: int) -> Any:
        spent = self.seconds[len(self.shown) % len(self.seconds)]
        self.shown.append(picture)
        self.clock.time += spent
        self.timings = {"engine": spent}
        return Found()


class Found:
    class masks:  # noqa: N801
        rle = dense = bits = staticmethod(list)

    def __len__(self) -> int:
        return 2


def paced(seconds: list[float], frames: int = 12, fps: float = 10.0) -> tuple[Turn, list[int]]:
    clock = Clock()
    stream = SlowStream(clock, seconds)
    scenario = Paced(RLE, fps, now=clock.now, wait=clock.wait)
    return scenario.turn(None, [stream], list(range(frames)), lambda: False), stream.shown  # type: ignore[arg-type, list-item]


def test_a_fast_model_keeps_up_with_a_camera() -> None:
    turn, shown = paced([0.04])
    assert shown == list(range(12))
    assert (turn.dropped, turn.late) == (0, 0)
    assert turn.stage("end_to_end") == pytest.approx(0.04)
    assert turn.stage("wait") == pytest.approx(0, abs=1e-9)
    assert turn.wall == pytest.approx(1.14)  # eleven intervals, and the last frame


def test_a_source_that_falls_behind_drops_and_is_late() -> None:
    """250 ms a frame at 10 FPS: of frames 0 to 11 it gets 0, 2, 5, 7, 10; the newest each time, all late."""
    turn, shown = paced([0.25])
    assert shown == [0, 2, 5, 7, 10]
    assert turn.late == 5
    assert turn.dropped + len(shown) == 12
    assert turn.stage("wait").tolist() == pytest.approx([0, 0.05, 0, 0.05, 0], abs=1e-6)
    assert turn.stage("end_to_end").tolist() == pytest.approx([0.25, 0.3, 0.25, 0.3, 0.25])


def test_one_slow_frame_makes_the_next_one_wait_but_is_made_good() -> None:
    turn, shown = paced([0.15, 0.04, 0.04, 0.04], frames=4)
    assert shown == [0, 1, 2, 3]
    assert (turn.dropped, turn.late) == (0, 1)
    assert turn.stage("wait").tolist() == pytest.approx([0, 0.05, 0, 0], abs=1e-6)
