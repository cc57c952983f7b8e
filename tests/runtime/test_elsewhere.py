"""A file is tracked where parts of Linux are missing, as on Windows and macOS: simulated, never run there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.track.fleet_clips import clip

SYSTEMS = ("windows", "macos")


def stc(system: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.runtime.elsewhere", system, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_file_is_tracked_and_drawn_as_it_is_here(system: str, bundle: Path, tmp_path: Path) -> None:
    """Without the native library, which may place single pixels of a mask's edge otherwise: ids and boxes are equal."""
    from stc.runtime import Session

    video = clip(tmp_path / "clip.mkv", 6)
    outputs = ("-o", tmp_path / "out.mp4", "--jsonl", tmp_path / "out.jsonl", "--json", tmp_path / "out.json")
    done = stc(system, "track", video, "--model", bundle, *outputs)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    found = [[(item["track_id"], item["label"], item["box"]) for item in line["objects"]] for line in lines]
    with Session(bundle, threads=1) as session:
        here = [json.loads(result.to_json())["objects"] for _, result in session.track(video)]
    assert found == [[(item["track_id"], item["label"], item["box"]) for item in items] for items in here]
    assert len(found) == 6 and found[-1][0][0] == 1
    assert len(json.loads((tmp_path / "out.json").read_text())) == 1 and (tmp_path / "out.mp4").stat().st_size > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mkv", "out.json", "out.jsonl", "out.mp4"]


def test_the_doctor_has_a_verdict() -> None:
    done = stc("windows", "doctor")
    assert done.returncode == 0, done.stderr
    assert "verdict: this machine runs models with ONNX Runtime" in done.stdout


def test_a_camera_is_refused_in_a_line_where_it_cannot_be_read(bundle: Path) -> None:
    done = stc("windows", "track", "rtsp://user:secret@127.0.0.1:9/live", "--model", bundle, "--jsonl", "-")
    assert done.returncode == 1 and "secret" not in done.stderr
    assert done.stderr.startswith("error: rtsp://") and done.stderr.count("\n") == 1
