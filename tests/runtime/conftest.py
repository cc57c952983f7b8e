"""Fixtures of the runtime's tests. Imports are in the fixtures, so that a test of the tracker alone starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from stc.runtime import Session
    from tests.runtime.track.track_cli import Track
    from tests.runtime.video.clips import BrightSession


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the tiny model; not to be changed."""
    from tests.runtime import tiny_model

    return tiny_model.write_bundle(tmp_path_factory.mktemp("tiny") / "bundle")


@pytest.fixture(scope="session")
def session(bundle: Path) -> Session:
    from stc.runtime import Session

    return Session(bundle, threads=1)


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[BrightSession]:
    """The sessions that a command opens, in order: stand-ins that detect what is bright."""
    from tests.runtime.video.clips import BrightSession

    opened: list[BrightSession] = []

    def session(model: str, **options: Any) -> BrightSession:
        opened.append(BrightSession(model, **options))
        return opened[-1]

    monkeypatch.setattr("stc.runtime.session.Session", session)
    # They have no files to look for.
    monkeypatch.setattr("stc.runtime.track.beforehand.check_model", lambda model, score, classes: None)
    return opened


@pytest.fixture
def track(sessions: list[BrightSession]) -> Track:
    """Runs `stc-track` on such a session and gives its exit code."""
    from stc.cli import run
    from stc.runtime.track import main as command

    return lambda *arguments: run(command.main, [str(a) for a in arguments] + ["--model", "bundle"])


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video of 12 frames, the only file in `tmp_path`."""
    from tests.runtime.video.clips import encode, steady

    return encode(tmp_path / "clip.mp4", steady(12))
