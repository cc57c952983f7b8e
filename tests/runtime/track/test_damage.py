"""`stc-track` on damaged recordings: what is left is complete, and summary, table and exit code say what is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stc.runtime.track import fleet
from stc.runtime.track.outputs import Outputs
from stc.runtime.track.table import Report
from stc.runtime.video import open_source
from tests.runtime import tiny_model
from tests.runtime.track.track_cli import Track
from tests.runtime.video.clips import encode, steady
from tests.runtime.video.zoo import overwrite_packet


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """12 frames, of which two cannot be decoded."""
    path = encode(tmp_path / "damaged.mkv", steady(12), codec="mjpeg", pixels="yuvj420p")
    for number in (4, 7):
        overwrite_packet(path, number)
    return path


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    path = encode(tmp_path / "cut.mp4", steady(40), options={"movflags": "faststart"}, codec="mjpeg", pixels="yuvj420p")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    return path


def test_frames_around_damage_are_all_written(
    tmp_path: Path, damaged: Path, track: Track, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert track(damaged, "-o", out / "t.mp4", "--jsonl", out / "t.jsonl", "--json", out / "t.json") == 1
    summary = capsys.readouterr().out
    assert summary.startswith("10 frames in ") and ", 2 damaged packets skipped -> " in summary
    times = [json.loads(line)["time"] for line in (out / "t.jsonl").read_text().splitlines()]
    expected = [i / 30 for i in range(12) if i not in (4, 7)]
    assert times == pytest.approx(expected, abs=1e-3)
    assert [f.time for f in open_source(out / "t.mp4")] == pytest.approx(expected, abs=1e-3)
    assert json.loads((out / "t.json").read_text())


def test_a_recording_that_is_cut_short(
    tmp_path: Path, cut: Path, track: Track, capsys: pytest.CaptureFixture[str]
) -> None:
    assert track(cut, "--jsonl", tmp_path / "t.jsonl") == 1
    assert "cut short -> " in capsys.readouterr().out
    assert 10 < len((tmp_path / "t.jsonl").read_text().splitlines()) < 40


def test_damage_among_several_inputs(
    tmp_path: Path, damaged: Path, track: Track, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = encode(tmp_path / "whole.mp4", steady(8))
    assert track(damaged, whole, "--jsonl", tmp_path / "out") == 1
    shown = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "2 damaged packets skipped" in shown["damaged.mkv"] and "damaged" not in shown["whole.mp4"]
    assert len((tmp_path / "out" / "damaged.jsonl").read_text().splitlines()) == 10


def test_damage_in_a_fleet_is_in_the_record_and_the_table(
    tmp_path: Path, damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tiny_model.write_bundle(tmp_path / "model")
    settings = fleet.Settings(str(bundle), fleet.model_sha256(bundle))
    (job,) = fleet.jobs([str(damaged)], Outputs(None, None, tmp_path / "out", None), settings)
    for state in ("done", "resumed"):
        outcome = fleet.run(job)
        assert outcome.state == state and outcome.record is not None
        assert outcome.record.loss == "2 damaged packets skipped"
        with Report([job]) as report:
            report.add(job, outcome)
        assert report.failed and "2 damaged packets skipped" in capsys.readouterr().out
