"""`stc-track` from its arguments to its files; only the detector is a stand-in, and in the last test not even that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco

from stc.runtime.video import open_source
from tests.runtime import tiny_model
from tests.runtime.track.track_cli import Track, written
from tests.runtime.video.clips import SIDE, BrightSession, encode, square_picture


def test_video_to_every_kind_of_output(
    tmp_path: Path, clip: Path, track: Track, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    outputs = [out / "t.mp4", out / "t.json", out / "t.jsonl", out / "t.png"]
    code = track(clip, "-o", outputs[0], "--json", outputs[1], "--jsonl", outputs[2], "--contact", outputs[3])
    assert code == 0
    assert written(out) == ["t.json", "t.jsonl", "t.mp4", "t.png"]

    summary = capsys.readouterr().out
    assert summary.startswith("12 frames in ") and "FPS end to end, tracker default), 1 tracks" in summary
    assert all(str(path) in summary for path in outputs)

    (entry,) = json.loads(outputs[1].read_text())
    assert entry["category_id"] == 1 and entry["score"] == pytest.approx(BrightSession.score)
    # The tracker confirms in the third frame; the first two belong to the track all the same.
    assert len(entry["segmentations"]) == 12
    for index, segmentation in enumerate(entry["segmentations"]):
        expected = square_picture(index)[:, :, 1] > 150
        found = coco.decode(segmentation).astype(bool)
        assert (found & expected).sum() / (found | expected).sum() > 0.8  # the codec moves the edge by a pixel at most

    lines = [json.loads(line) for line in outputs[2].read_text().splitlines()]
    assert [[o["track_id"] for o in line["objects"]] for line in lines] == [[-1], [-1]] + [[1]] * 10
    assert {o["handle"] for line in lines for o in line["objects"]} == {0}

    frames = list(open_source(outputs[0]))
    assert [f.time for f in frames] == pytest.approx([f.time for f in open_source(clip)], abs=1e-4)
    for index, frame in enumerate(frames):
        inside = frame.image[30 + SIDE // 2, 10 + 3 * index + SIDE // 2].astype(int)
        assert np.abs(inside - square_picture(index)[40, 15 + 3 * index]).max() > 20, "tinted from the first frame on"

    assert cv2.imread(str(outputs[3])).shape[1] > 4 * 600


def test_single_picture(tmp_path: Path, track: Track) -> None:
    cv2.imwrite(str(tmp_path / "in.png"), square_picture(0))
    assert track(tmp_path / "in.png", "-o", tmp_path / "out.png", "--json", tmp_path / "out.json") == 0
    drawn = cv2.imread(str(tmp_path / "out.png"))
    inside = np.s_[35:50, 15:30]
    assert (drawn[inside] != square_picture(0)[inside]).any(axis=2).all(), "one frame is enough to show an object"
    (entry,) = json.loads((tmp_path / "out.json").read_text())
    assert len(entry["segmentations"]) == 1


def test_one_frame_video(tmp_path: Path, track: Track) -> None:
    encode(tmp_path / "in.mp4", [0.0])
    assert track(tmp_path / "in.mp4", "-o", tmp_path / "out.mp4", "--contact", tmp_path / "c.png") == 0
    assert len(list(open_source(tmp_path / "out.mp4"))) == 1


def test_folder_to_folder_with_every(tmp_path: Path, track: Track) -> None:
    (tmp_path / "in").mkdir()
    for index in range(7):
        cv2.imwrite(str(tmp_path / "in" / f"{index}.png"), square_picture(index))
    assert track(tmp_path / "in", "-o", tmp_path / "out", "--every", 3, "--jsonl", tmp_path / "t.jsonl") == 0
    assert written(tmp_path / "out") == ["000000.jpg", "000003.jpg", "000006.jpg"]
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [(line["index"], line["time"]) for line in lines] == [(0, 0.0), (3, 0.1), (6, 0.2)]


def test_options_reach_the_session(tmp_path: Path, clip: Path, track: Track, sessions: list[BrightSession]) -> None:
    options = ["--score", 0.4, "--classes", "person, animal", "--threads", 2, "--tracker", "crossvis", "--trust"]
    options += ["--engine", "openvino"]
    assert track(clip, "--jsonl", tmp_path / "t.jsonl", *options) == 0
    assert track(clip, "--jsonl", tmp_path / "t.jsonl") == 0
    given = {"score_threshold": 0.4, "classes": ("person", "animal"), "threads": 2, "trust": True, "engine": "openvino"}
    assert [s.options for s in sessions] == [
        {"device": None, "workers": None, **given},
        {"device": None, "workers": None, **dict.fromkeys(given), "trust": False},
    ]
    assert [config.rule for s in sessions for config in s.stream_configs] == ["crossvis", "default"]
    assert all(s.model == "bundle" and s.closed for s in sessions)


def test_real_bundle_without_torch(tmp_path: Path, bundle: Path) -> None:
    """The whole command in an interpreter that has no torch, on a model in ONNX Runtime."""
    (tmp_path / "in").mkdir()
    for index in range(6):
        # Slot 0 scores 0.9 and is a track at once, slot 2 scores 0.6 and takes three frames, slot 3 is seen only once.
        objects = [(0, (4 + index, 8, 24 + index, 28)), (2, (60, 20 + index, 84, 44 + index))]
        objects += [(3, (4, 40, 20, 56))] if index == 2 else []
        cv2.imwrite(str(tmp_path / "in" / f"{index}.png"), tiny_model.frame(*objects))
    code = """
import sys
sys.modules["torch"] = None  # any import of it raises
from stc.runtime.track.main import entry
entry()
"""
    arguments = ["in", "--model", str(bundle), "-o", "out.mp4", "--json", "out.json", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (
        "6 frames in" in done.stdout
        and "tracker default)" in done.stdout
        and ", 2 tracks, ONNX Runtime 1." in done.stdout
        and " -> out.mp4, out.json" in done.stdout
    )
    first, second = json.loads((tmp_path / "out.json").read_text())
    assert first["score"] == pytest.approx(0.9) and second["score"] == pytest.approx(0.6)
    assert first["category_id"] == second["category_id"] == 1
    for index in range(6):
        expected = np.zeros((60, 96), bool)
        expected[20 + index : 44 + index, 60:84] = True
        found = coco.decode(second["segmentations"][index]).astype(bool)
        assert (found & expected).sum() / (found | expected).sum() > 0.6  # masks have cells of 4 pixels
    assert len(list(open_source(tmp_path / "out.mp4"))) == 6
