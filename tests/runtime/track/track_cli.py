"""What the tests of `stc-track` share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stc.runtime.video import Frame
from stc.runtime.video.frame import FileSource
from tests.runtime.video.clips import make_source

Track = Callable[..., int]


def give_source(monkeypatch: pytest.MonkeyPatch, read: Callable[[], Iterator[Frame]], **changes: Any) -> None:
    def open_source(spec: str, every: int, **options: Any) -> FileSource:
        source = make_source(20, read=read)
        for name, value in changes.items():
            setattr(source, name, value)
        return source

    monkeypatch.setattr("stc.runtime.video.open_source", open_source)
    monkeypatch.setattr("stc.runtime.video.sources.check", lambda spec: None)  # whatever it is called, it is there


def written(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
