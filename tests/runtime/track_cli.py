"""What the tests of `stc-track` share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stc.runtime.video import Frame
from tests.runtime.video.clips import make_source

Track = Callable[..., int]


def give_source(monkeypatch: pytest.MonkeyPatch, read: Callable[[], Iterator[Frame]], **changes: Any) -> None:
    source = replace(make_source(20), read=read, **changes)
    monkeypatch.setattr("stc.runtime.video.open_source", lambda spec, every: source)


def written(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
