"""`Session.track`: a source in, frames with results out; and what a stream may be told that its session was not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stc.errors import InputError
from stc.runtime import Session
from stc.runtime.video import open_source
from tests.runtime import tiny_model
from tests.runtime.track.fleet_clips import clip

FRAMES = 9


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("video") / "clip.mkv", FRAMES)


def test_a_loop_over_a_source_is_a_loop_over_its_frames_by_hand(session: Session, video: Path) -> None:
    with open_source(video) as source:
        stream = session.stream(source.name, source.fps)
        expected = [(frame, stream(frame.image, frame.time)) for frame in source]
    found = list(session.track(video))
    assert len(found) == FRAMES
    for (frame, result), (other, by_hand) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(frame.image, other.image)
        assert (frame.index, result.time) == (other.index, other.time)
        assert result.to_json() == by_hand.to_json()
    assert found[-1][1].track_ids.tolist() == [1]
    assert (found[-1][1].draw(found[-1][0]) != found[-1][0].image).any()


def test_every_nth_frame_and_an_open_source(session: Session, video: Path) -> None:
    assert [frame.index for frame, _ in session.track(str(video), every=4)] == [0, 4, 8]
    source = open_source(video, 3)
    assert [frame.index for frame, _ in session.track(source)] == [0, 3, 6]


def test_a_loop_that_is_left_closes_its_source(session: Session, video: Path) -> None:
    source = open_source(video)
    closed = []
    close = source.close
    source.close = lambda: (closed.append(True), close())  # type: ignore[method-assign,assignment,func-returns-value]
    loop = session.track(source)
    next(loop)
    assert not closed
    loop.close()
    assert closed


def test_a_missing_source_is_told_with_the_first_frame(session: Session, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.mp4"):
        next(session.track(tmp_path / "none.mp4"))


def test_a_stream_may_want_less_than_its_session(session: Session) -> None:
    frame = tiny_model.frame((0, (8, 12, 40, 44)), (1, (60, 8, 90, 30)))
    every = session.stream()(frame)
    assert len(every) == 2
    name = every.names[0]
    assert session.stream(classes=[name])(frame).names == (name,)
    between = float(np.mean(every.scores))
    assert len(session.stream(score_threshold=between)(frame)) == int((every.scores > between).sum())
    assert len(session.stream()(frame)) == 2  # the session's own are as before
    with pytest.raises(InputError, match="unknown classes persn"):
        session.stream(classes=["persn"])
    with pytest.raises(InputError, match="score threshold 5"):
        session.stream(score_threshold=5)


def test_a_session_says_what_it_is(session: Session) -> None:
    assert session.classes == session.passport.classes
    assert all(name in repr(session) for name in session.classes) and "ONNX Runtime" in repr(session)


def test_what_a_photograph_shows_is_confirmed_at_once_however_it_comes(session: Session, tmp_path: Path) -> None:
    """Its score, 0.6, would have to be seen three times in a video."""
    picture = tiny_model.frame((2, (8, 12, 40, 44)))
    Image.fromarray(picture[..., ::-1]).save(tmp_path / "photo.png")
    ((frame, result),) = session.track(tmp_path / "photo.png")
    assert session.stream()(picture).track_ids.tolist() == [-1]
    assert result.track_ids.tolist() == session.predict(picture).track_ids.tolist() == [1]
    assert (result.draw(frame) != frame.image).any()
    again = session.predict(Image.open(tmp_path / "photo.png"))
    assert again.track_ids.tolist() == [1] and again.boxes.tolist() == result.boxes.tolist()
    again = session.predict(tmp_path / "photo.png")
    assert again.track_ids.tolist() == [1] and again.boxes.tolist() == result.boxes.tolist()


def test_only_the_path_of_one_picture_is_one_picture(session: Session, tmp_path: Path) -> None:
    pictures = [Image.fromarray(tiny_model.frame((2, (8, 12, 40, place)))) for place in (44, 45)]
    pictures[0].save(tmp_path / "loop.gif", save_all=True, append_images=pictures[1:])
    for picture in pictures:
        picture.save(tmp_path / f"{picture.tobytes().count(0)}.png")
    for path in (tmp_path, tmp_path / "loop.gif"):
        with pytest.raises(InputError, match=r"not one picture.*session\.track"):
            session.predict(path)
    with pytest.raises(InputError, match=r"nothing\.jpg"):
        session.predict(str(tmp_path / "nothing.jpg"))
    with pytest.raises(InputError, match="open_source"):
        session.stream()("photo.png")  # type: ignore[arg-type]


def test_a_session_says_which_size_frames_are_fitted_into(session: Session, tmp_path: Path) -> None:
    assert session.input_size == (60, 96)
    free = replace(tiny_model.PASSPORT, shortest_edge=(60, 96))
    with Session(tiny_model.write_bundle(tmp_path / "free", free), threads=1) as other:
        assert other.input_size is None
