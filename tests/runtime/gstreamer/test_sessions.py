"""One session for all that agree in what they load, for as long as one of them is there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier
from typing import Any, cast

import pytest

from stc.errors import InputError
from stc.runtime import Session
from stc.runtime.gstreamer.sessions import Sessions
from stc.runtime.gstreamer.settings import Loading, TrackSettings


class Opened:
    closed = False

    def close(self) -> None:
        assert not self.closed
        self.closed = True


class Loader:
    def __init__(self) -> None:
        self.opened: list[Opened] = []

    def __call__(self, loading: Loading) -> Session:
        self.opened.append(Opened())
        return cast(Session, self.opened[-1])


def test_the_last_user_closes_it_and_the_next_loads_it_again() -> None:
    sessions = Sessions(load := Loader())
    with sessions.borrowed(Loading("m")) as first:
        with sessions.borrowed(Loading("m")) as second, sessions.borrowed(Loading("m", threads=2)) as other:
            assert first is second is not other
        assert [each.closed for each in load.opened] == [False, True]
    assert [each.closed for each in load.opened] == [True, True]
    with sessions.borrowed(Loading("m")) as again:
        assert again is not cast(Any, first)


def test_threads_that_ask_at_once_get_one() -> None:
    sessions, together = Sessions(load := Loader()), Barrier(8)

    def borrow() -> Session:
        together.wait()
        with sessions.borrowed(Loading("m")) as session:
            together.wait()
            return session

    with ThreadPoolExecutor(8) as pool:
        found = [each.result() for each in [pool.submit(borrow) for _ in range(8)]]
    assert len(set(map(id, found))) == 1 == len(load.opened) and load.opened[0].closed


def test_a_model_that_cannot_be_loaded_leaves_nothing_behind() -> None:
    def fail(_: Loading) -> Session:
        raise InputError("no such model")

    sessions = Sessions(fail)
    for _ in range(2):
        with ExitStack() as stack, pytest.raises(InputError, match="no such model"):
            stack.enter_context(sessions.borrowed(Loading("m")))


def test_paths_to_one_model_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "link").symlink_to("model")
    monkeypatch.chdir(tmp_path)
    names = ["model", "./model", "link", str(tmp_path / "model")]
    assert len({TrackSettings(model=name, every=number + 1).loading for number, name in enumerate(names)}) == 1
    assert TrackSettings(model="model", threads=2).loading != TrackSettings(model="model").loading
