"""CrossVIS's own test loop, run as it is, and the same frames through our tracker with its rule."""

from __future__ import annotations

import json
import os
import runpy
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stc.benchmarks.agreement.matching import Thresholds, match
from stc.benchmarks.originals.frames import moving_camera
from stc.benchmarks.reference import FrameOutputs
from stc.runtime.session import Session
from stc.runtime.tracking.config import TrackerConfig

Numbers = NDArray[Any]
FRAMES = 14
# Where tools/test_vis.py looks for pictures, from the folder that it is started in.
PICTURES = Path("datasets", "youtubevis", "valid")
TRACKS = 4096  # more than appear: the original forgets none
PAIRS_ALONE = Thresholds(score=0, nms=1, capacity=0, margin=0)


@dataclass(frozen=True, eq=False)
class Assignments:
    """m detections of a video that belong to tracks. frames: their numbers (m,). boxes: (m, 4) xyxy. labels, tracks:
    (m,)."""

    frames: Numbers
    boxes: Numbers
    labels: Numbers
    tracks: Numbers

    def __len__(self) -> int:
        return len(self.frames)

    def of(self, frame: int) -> Assignments:
        rows = self.frames == frame
        return Assignments(*(getattr(self, field.name)[rows] for field in fields(self)))

    def outputs(self) -> FrameOutputs:
        none = np.zeros((len(self), 0), np.float32)
        return FrameOutputs(self.boxes, np.ones(len(self), np.float32), self.labels, none, none)


def theirs(checkout: Path, config_file: str, checkpoint: Path, folder: Path) -> Path:
    """Run tools/test_vis.py on `FRAMES` pictures; the file of its assignments. Changes the process's folder."""
    pictures = folder / PICTURES / "clip"
    pictures.mkdir(parents=True)
    names = [f"{number:05d}.png" for number in range(FRAMES)]
    for name, frame in zip(names, moving_camera(FRAMES), strict=True):
        Image.fromarray(frame[:, :, ::-1]).save(pictures / name)
    videos = folder / "videos.json"
    videos.write_text(json.dumps({"videos": [{"id": 1, "file_names": [f"clip/{name}" for name in names]}]}))
    os.chdir(folder)
    options = ["--opts", "MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", str(checkpoint)]
    sys.argv = ["test_vis.py", "--config-file", str(checkout / "configs" / config_file), "--json-file", str(videos)]
    sys.argv += options
    memory = runpy.run_path(str(checkout / "tools" / "test_vis.py"), run_name="__main__")["memory"]
    found = [(track, one) for track, members in memory.items() for one in members]
    file = folder / "assignments.npz"
    np.savez(
        file,
        frames=[one["index"] for _, one in found],
        boxes=np.concatenate([one["pred_box"].numpy() for _, one in found]),
        labels=[one["pred_class"] for _, one in found],
        tracks=[track for track, _ in found],
    )
    return file


def read(file: Path) -> Assignments:
    with np.load(file) as stored:
        return Assignments(**{field.name: stored[field.name] for field in fields(Assignments)})


def ours(session: Session) -> Assignments:
    """Of the same frames, by `session` and the rule "crossvis"."""
    stream = session.stream("originals", tracker=TrackerConfig(rule="crossvis", capacity=TRACKS))
    results = [stream(frame) for frame in moving_camera(FRAMES)]
    kept = [result[result.handles >= 0] for result in results]
    return Assignments(
        frames=np.repeat(np.arange(FRAMES), [len(result) for result in kept]),
        boxes=np.concatenate([result.boxes for result in kept]),
        labels=np.concatenate([result.labels for result in kept]),
        tracks=np.concatenate([result.handles for result in kept]),
    )


def same_identity(first: Assignments, second: Assignments) -> int:
    """Assignments of `first` that are in `second` under the identity that its track has there, one to one.

    A track stands for the one that its first assignment with a partner belongs to, and no two for the same.
    """
    forward: dict[int, int] = {}
    backward: dict[int, int] = {}
    same = 0
    for frame in np.unique(first.frames):
        a, b = first.of(frame), second.of(frame)
        for row, column in match(a.outputs(), b.outputs(), PAIRS_ALONE).pairs:
            one, other = int(a.tracks[row]), int(b.tracks[column])
            same += forward.setdefault(one, other) == other and backward.setdefault(other, one) == one
    return same
