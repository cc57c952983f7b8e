"""The cost per stream: what is run, the line through it, and the knee."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stc.benchmarks.streams.__main__ import WARM_UP, WAYS, Cost, Line, lines, main, measure
from stc.cli import run
from stc.runtime import Session
from stc.runtime.stream import Stream
from tests.benchmarks.proven import pictures, prove
from tests.runtime import tiny_model


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tiny_model.write_bundle(tmp_path / "bundle")


def costs(base: float, each: float, counts: tuple[int, ...] = (1, 2, 4, 8)) -> list[Cost]:
    return [Cost(n, {way: np.full(3, base + each * n) for way in WAYS}) for n in counts]


def test_the_line_goes_through_what_is_linear() -> None:
    line = Line.through(costs(0.002, 0.009), "step")
    assert (line.base, line.each, line.off) == pytest.approx((0.002, 0.009, 0))
    assert line.cameras(25) == 4  # 2 + 4 x 9 = 38 ms of 40, 2 + 5 x 9 = 47
    assert line.cameras(1000) == 0


def test_the_line_tells_how_far_off_it_is() -> None:
    bent = costs(0.0, 0.01, (1, 2, 4))
    bent[2].seconds["step"][:] = 0.08  # twice the cost a stream
    assert Line.through(bent, "step").off > 0.1 and Line.through(bent, "one by one").off == pytest.approx(0)


def test_every_number_of_streams_takes_its_turns_both_ways(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    calls: list[str] = []
    step, call = Session.step, Stream.__call__
    monkeypatch.setattr(Session, "step", lambda self, frames, *a: steps.append(len(frames)) or step(self, frames, *a))
    monkeypatch.setattr(Stream, "__call__", lambda self, *a: calls.append(self.name) or call(self, *a))
    with Session(bundle, threads=1) as session:
        found = measure(session, pictures(), (1, 2, 4), rounds=3)
    rounds = 3 + WARM_UP
    assert sorted(steps) == sorted([1, 2, 4] * rounds)
    assert len(calls) == (1 + 2 + 4) * rounds
    assert [cost.streams for cost in found] == [1, 2, 4]
    assert all(len(seconds) == 3 and seconds.min() > 0 for cost in found for seconds in cost.seconds.values())


def test_the_table_says_the_knee() -> None:
    head, *rows = lines(costs(0.002, 0.009), 25)
    assert "step, ms" in head and [row.split()[0] for row in rows[:4]] == ["1", "2", "4", "8"]
    assert "11.0 [11.0, 11.0]" in rows[0] and "2.0 ms + 9.0 ms a stream (all within 0%)" in rows[4]
    assert "the knee: 4 cameras of 25 FPS, 40.0 ms a frame set" in rows[4]


def test_the_command(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prove(bundle)
    options = ["--frames", "2", "--streams", "2", "--json", str(tmp_path / "s.json")]
    assert run(main, [str(bundle), *options]) == 0
    assert "the knee:" in capsys.readouterr().out
    written = json.loads((tmp_path / "s.json").read_text())
    assert [row["streams"] for row in written["costs"]] == [1, 2] and len(written["costs"][0]["seconds"]["step"]) == 2


@pytest.mark.parametrize("wrong", [["--frames", "0"], ["--streams", "1"], ["--fps", "nan"]])
def test_wrong_usage_is_one_line(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["model", *wrong]) == 1
    assert wrong[0] in capsys.readouterr().err
