"""`Session.step`: many streams in one batch, each as if it were alone, and all or none of them advanced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stc.errors import DeviceError, IncompatibleError, InputError
from stc.runtime import Result, Session, Stream, TrackerConfig
from stc.runtime.step import FREE_BATCH
from stc.runtime.tracking.config import RULE_NAMES
from tests.runtime import tiny_model
from tests.runtime.many_streams import OBJECT, Frames, Watched, alone, same, videos
from tests.runtime.tiny_model import frame


@pytest.fixture
def watched(bundle: Path) -> Watched:
    return Watched(bundle)


@pytest.fixture
def own(watched: Any) -> Session:
    return Session.from_backend(watched, tiny_model.PASSPORT, "tiny")


def fixed_session(folder: Path, size: int) -> Session:
    fixed = tiny_model.model()
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = size
    return Session(tiny_model.write_bundle(folder, built=fixed), threads=1)


def in_any_order(session: Session, clips: list[Frames], seed: int) -> list[list[Result]]:
    """Steps of a random part of the streams, in a random order, until every clip is at its end."""
    rng = np.random.default_rng(seed)
    streams = [session.stream(str(number)) for number in range(len(clips))]
    results: list[list[Result]] = [[] for _ in clips]
    while pending := [n for n, clip in enumerate(clips) if len(results[n]) < len(clip)]:
        chosen = rng.permutation(pending)[: rng.integers(1, len(pending) + 1)].tolist()
        step = session.step({streams[n]: clips[n][len(results[n])] for n in chosen})
        assert list(step) == [streams[n] for n in chosen]
        for n in chosen:
            results[n].append(step[streams[n]])
    return results


@pytest.mark.parametrize("seed", range(3))
def test_streams_in_any_order_are_as_if_alone(session: Session, seed: int) -> None:
    clips = videos(5, seed=seed)
    for clip, results in zip(clips, in_any_order(session, clips, seed), strict=True):
        for expected, found in zip(alone(session, clip), results, strict=True):
            same(found, expected)
    ids = [tuple(r.track_ids.tolist()) for clip in clips for r in alone(session, clip)]
    assert len(set(ids)) > 5  # the videos have something to mix up


@pytest.mark.parametrize("size", [1, 3])
def test_a_fixed_batch_size_is_split_and_filled_up(session: Session, tmp_path: Path, size: int) -> None:
    fixed = fixed_session(tmp_path / "fixed", size)
    clips = videos(5)
    for clip, results in zip(clips, in_any_order(fixed, clips, 1), strict=True):
        for expected, found in zip(alone(session, clip), results, strict=True):
            same(found, expected)
    assert len(fixed.stream()(clips[0][0])) == len(session.stream()(clips[0][0]))  # one frame alone is filled up too


def test_a_free_batch_size_takes_all_up_to_a_limit(own: Session, watched: Watched) -> None:
    streams = [own.stream() for _ in range(FREE_BATCH + 3)]
    results = own.step({stream: frame() for stream in streams})
    assert watched.sizes == [FREE_BATCH, 3] and list(results) == streams
    assert own.step({}) == {} and watched.sizes == [FREE_BATCH, 3]


def test_times_are_given_for_all_for_some_or_for_none(session: Session) -> None:
    a, b = session.stream("a", fps=10), session.stream("b", fps=20)
    times = [
        [result.time for result in session.step({a: frame(), b: frame()}, given).values()]
        for given in (None, {a: 7.0}, {a: None, b: 3.0}, {a: 8.0, b: 9.0})
    ]
    assert times == [[0, 0], [7.0, 0.05], [7.1, 3.0], [8.0, 9.0]]


def test_timings_of_a_batch_are_shared_out(session: Session) -> None:
    a, b = session.stream(), session.stream()
    session.step({a: frame((0, (8, 8, 40, 40))), b: frame()})
    assert list(a.timings) == list(b.timings) == ["preprocess", "engine", "track"]
    assert a.timings["engine"] == b.timings["engine"] > 0 and a.timings["track"] != b.timings["track"]


GRAY = np.zeros((60, 96), np.uint8)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s, good, bad: s.step({good: OBJECT, bad: GRAY}), "stream 'bad': a frame must be uint8"),
        (lambda s, good, bad: s.step({good: OBJECT, bad: None}), "stream 'bad': a frame must be a NumPy"),
        (lambda s, good, bad: s.step({good: OBJECT, bad: OBJECT}, {bad: 0.5}), "stream 'bad': frame times must not go"),
        (lambda s, good, bad: s.step({good: OBJECT, bad: OBJECT}, {bad: np.nan}), "stream 'bad': frame times"),
        (lambda s, good, bad: s.step({good: OBJECT}, {bad: 9.0}), "times of streams without a frame: 'bad'"),
    ],
)
def test_a_bad_frame_of_one_stream_advances_none(
    session: Session, spoil: Callable[[Session, Stream, Stream], object], message: str
) -> None:
    good, bad = session.stream("good"), session.stream("bad")
    session.step({good: OBJECT, bad: OBJECT}, {good: 1.0, bad: 1.0})
    with pytest.raises(InputError, match=message):
        spoil(session, good, bad)
    after = session.step({good: OBJECT, bad: OBJECT})
    for result in after.values():
        assert result.time == pytest.approx(1 + 1 / 30) and result.track_ids.tolist() == [1] and result.events == ()


def test_closed_and_foreign_streams_are_refused_and_advance_none(session: Session, own: Session) -> None:
    good, closed, foreign = session.stream("good"), session.stream("old"), own.stream("other")
    closed.close()
    with pytest.raises(InputError, match="'old' is closed"):
        session.step({good: OBJECT, closed: OBJECT})
    with pytest.raises(InputError, match="'other' is another session's"):
        session.step({good: OBJECT, foreign: OBJECT})
    assert good(OBJECT).time == 0.0


def _fails(outputs: dict[str, Any]) -> None:
    raise DeviceError("the GPU has gone")


def _strange_label(outputs: dict[str, Any]) -> None:
    outputs["labels"][-1] = 7


def _other_length(outputs: dict[str, Any]) -> None:
    outputs["embeddings"] = outputs["embeddings"][:, :, :5]


def _count(value: int) -> Any:
    def damage(outputs: dict[str, Any]) -> None:
        outputs["num_detections"][-1] = value

    return damage


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (_fails, DeviceError),
        (_strange_label, IncompatibleError),
        (_other_length, IncompatibleError),
        (_count(-(2**31)), IncompatibleError),
        (_count(5), IncompatibleError),
        (lambda outputs: outputs.pop("boxes"), IncompatibleError),
        (lambda outputs: outputs.update(scores=outputs["scores"].astype(np.int32)), IncompatibleError),
    ],
)
def test_an_engine_that_fails_in_a_later_batch_advances_none(
    own: Session, watched: Watched, damage: Any, error: Any
) -> None:
    streams = [own.stream(str(n)) for n in range(FREE_BATCH + 1)]
    own.step(dict.fromkeys(streams, OBJECT))
    whole = len(watched.sizes) + 1  # this many calls are well
    watched.damage = lambda outputs: damage(outputs) if len(watched.sizes) > whole else None
    with pytest.raises(error):
        own.step(dict.fromkeys(streams, OBJECT))
    watched.damage = lambda outputs: None
    for result in own.step(dict.fromkeys(streams, OBJECT)).values():
        assert result.time == pytest.approx(1 / 30) and result.track_ids.tolist() == [1] and result.events == ()


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_every_rule_tracks_in_steps_as_alone(session: Session, rule: Any) -> None:
    config, clip = TrackerConfig(rule=rule), videos(1, seed=7)[0]
    single, a, b = (session.stream(tracker=config) for _ in range(3))
    for picture, other in zip(clip, videos(2, seed=8)[1], strict=True):
        same(session.step({a: picture, b: other})[a], single(picture))
