"""What can go wrong, by the ids of docs/errors.md, and the place where it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from stc.runtime import Session
from tests.runtime.backends.engine_bundle import Gpus


@dataclass
class Place:
    """Where a case happens: a bundle with an engine that fits the pretended machine."""

    bundle: Path
    gpus: Gpus
    library: Path
    monkeypatch: pytest.MonkeyPatch

    def machine(self, **changes: Any) -> None:
        self.gpus.machine = replace(self.gpus.machine, **changes)

    def load(self, name: str = "engine.plan", **options: Any) -> None:
        Session(self.bundle / name, **options).close()

    def flip(self, name: str) -> None:
        path = self.bundle / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    def put_plan(self, content: bytes) -> None:
        (self.bundle / "engine.plan").write_bytes(content)


CASES: dict[str, Callable[[Place], Any]] = {}


def case(function: Callable[[Place], Any]) -> Callable[[Place], Any]:
    CASES[function.__name__.replace("_", "-")] = function
    return function
