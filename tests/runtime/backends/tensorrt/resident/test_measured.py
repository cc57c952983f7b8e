"""What `stc-bench` times of an engine that takes whole frames: that way, and not the host's resize before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stc.benchmarks.timing.scenarios import MASKS, Offline, SingleStream
from stc.runtime import Session
from stc.runtime.stream import Stream
from tests.runtime.backends.engine_bundle import Gpus

RLE = MASKS["rle"][1]


@pytest.mark.parametrize("scenario", [SingleStream(RLE), Offline(RLE)], ids=lambda scenario: scenario.name)
def test_the_frames_that_are_timed_take_the_engines_own_way(
    scenario: Any, whole: Path, gpus: Gpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = list(np.random.default_rng(0).integers(0, 256, (5, 60, 90, 3), np.uint8))
    with Session(whole, device="cpu") as session:
        on_cpu = scenario.turn(session, [session.stream()], pictures, lambda: False)

    def never(*_: Any) -> Any:
        raise AssertionError("resized on the host")

    monkeypatch.setattr(Stream, "prepare", never)
    monkeypatch.setattr(Session, "infer", never)
    with Session(whole, device="cuda") as session:
        assert session.takes_frames is not None
        turn = scenario.turn(session, [session.stream()], pictures, lambda: False)
    assert turn.objects == on_cpu.objects and len(turn.objects) == 5
    assert all({"preprocess", "engine", "track", "masks"} <= set(frame) for frame in turn.frames)
