"""A training that is killed, at any moment, goes on from its last saved state, and leaves nothing unfinished."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from stc.model.checkpoint import load
from tests import killing
from tests.training.conftest import Source

pytestmark = pytest.mark.slow

BEGIN = ["--size", "64x96", "--set", "batch_pairs=1", "--set", "save_minutes=0.0001", "--steps", "10"]


def command(source: Source, output: Path, *more: str) -> list[object]:
    return [
        *killing.program("stc.training.main"),
        "--output",
        output,
        "--data",
        source.annotations,
        "--frames",
        source.frames,
        *more,
    ]


def check(output: Path) -> None:
    """What is there is whole; the log has whole rows."""
    if (output / "last.pt").exists():
        assert torch.load(output / "last.pt", weights_only=True)["step"] > 0
    if (output / "ema.safetensors").exists():
        load(output / "ema.safetensors")
    if (output / "config.json").exists():
        json.loads((output / "config.json").read_text())
    rows = (output / "log.csv").read_text().splitlines() if (output / "log.csv").exists() else []
    assert len({row.count(",") for row in rows}) <= 1


def test_it_goes_on_after_every_kind_of_end(stills: Source, tmp_path: Path) -> None:
    """It saves after every step, so that many of these moments are in the middle of a save."""
    output = tmp_path / "run"
    for number in killing.SIGNALS:
        for seconds in killing.moments(f"train {number}", (1, 7), 1):
            resume = (output / "last.pt").exists()
            killing.end(command(stills, output, *(["--resume"] if resume else BEGIN)), seconds, number, ready=True)
            if output.exists():
                check(output)
    more = ["--resume"] if (output / "last.pt").exists() else BEGIN
    ended = killing.end(command(stills, output, *more), killing.BOUND, signal.SIGKILL)
    assert ended.code == 0, ended.told
    check(output)
    steps = [int(row.split(",")[0]) for row in (output / "log.csv").read_text().splitlines()[1:]]
    assert steps == list(range(1, 11))
    assert not killing.temporaries(tmp_path)


def test_a_disk_that_is_full_at_a_save_is_one_line_and_the_run_goes_on_when_it_is_not(
    stills: Source, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    # Its reader left before it wrote: that costs the lines and nothing else. (Unbuffered, it ends at the first line.)
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
    begin = command(stills, output, *BEGIN[:-1], "2")
    first = killing.end(begin, killing.BOUND, signal.SIGKILL, unheard=True, env=buffered)
    assert first.code == 141, first.told
    saved = (output / "last.pt").read_bytes()
    longer = command(stills, output, "--resume", "--steps", "4")
    ended = killing.end(longer, killing.BOUND, signal.SIGKILL, **killing.small_files(1_000_000))
    assert ended.code == 1
    assert "last.pt: cannot be written" in ended.told
    assert (output / "last.pt").read_bytes() == saved
    assert not killing.temporaries(tmp_path)
    assert killing.end(longer, killing.BOUND, signal.SIGKILL).code == 0
    check(output)


@pytest.mark.parametrize("name", ["config.json", "log.csv", "frames/mine.jpg", "ema.safetensors"])
def test_a_folder_with_files_of_others_is_refused_before_the_work(stills: Source, tmp_path: Path, name: str) -> None:
    path = tmp_path / "theirs" / name
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    ended = killing.end(command(stills, tmp_path / "theirs", *BEGIN), killing.BOUND, signal.SIGKILL)
    assert (ended.code, ended.told.count("\n")) == (1, 1)
    assert "there already, and not of a run of stc-train" in ended.told
    assert path.read_text() == "{}"
