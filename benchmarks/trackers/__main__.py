"""`python -m stc.benchmarks.trackers`: the default rule against the published ones, on scenes full of crossings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.evaluation.hota import identity
from stc.benchmarks.evaluation.overlap import Overlap
from stc.benchmarks.trackers import drawn_scenes
from stc.benchmarks.trackers.drawn_scenes import Moment
from stc.cli import Parser, command
from stc.errors import InputError
from stc.files import check_outputs, messages, write_json
from stc.progress import bar
from stc.runtime.masks.axis import MASK_THRESHOLD
from stc.runtime.tracking.config import RULE_NAMES, TrackerConfig
from stc.runtime.tracking.tracker import Tracker

CONFIGS: dict[str, TrackerConfig] = {
    "default": TrackerConfig(),
    "default, any class": TrackerConfig(class_gate=False),
    **{rule: TrackerConfig(rule=rule) for rule in RULE_NAMES[1:]},
}
COLUMNS = ("IDF1", "HOTA", "AssA", "DetA", "IDSW")
Array = NDArray[Any]


def overlap_of(moments: Iterable[Moment], config: TrackerConfig) -> Overlap:
    """Of the objects and of the confirmed tracks, each from its first detection on, whatever their classes."""
    tracker = Tracker(config)
    born: dict[int, int] = {}  # handle -> column
    frames = []
    for moment in moments:
        update = tracker.update(moment.detections, moment.time)
        for event in update.events:
            if event.kind == "born":
                born.setdefault(event.handle, len(born))
        masks = moment.detections.masks
        assert masks is not None
        frames.append((moment.visible, update.handles, masks > MASK_THRESHOLD))
    g = len(frames[0][0])
    intersection = np.zeros((len(frames), g, len(born)), np.int64)
    object_areas = np.zeros((len(frames), g), np.int64)
    track_areas = np.zeros((len(frames), len(born)), np.int64)
    for number, (visible, handles, masks) in enumerate(frames):
        rows = [row for row, handle in enumerate(handles.tolist()) if handle in born]
        columns = [born[int(handles[row])] for row in rows]
        object_areas[number] = visible.sum(axis=(1, 2))
        track_areas[number, columns] = masks[rows].sum(axis=(1, 2))
        objects, tracks = (each.reshape(len(each), visible[0].size) for each in (visible, masks[rows]))
        intersection[number][:, columns] = objects.astype(np.float32) @ tracks.T.astype(np.float32)
    union = object_areas[:, :, None] + track_areas[:, None] - intersection
    return Overlap(intersection / np.maximum(union, 1), intersection, object_areas, track_areas, np.zeros(g, bool))


@dataclass(frozen=True)
class Scores:
    """Of one tracker: a row per seed, in the order of `COLUMNS`."""

    name: str
    values: Array

    def __str__(self) -> str:
        cells = [
            f"{mean:6.1f} ± {spread:4.1f}" if name == "IDSW" else f"{mean:6.3f} ± {spread:5.3f}"
            for name, mean, spread in zip(COLUMNS, self.values.mean(axis=0), self.values.std(axis=0), strict=True)
        ]
        return f"{self.name:18s} " + "  ".join(f"{cell:>14s}" for cell in cells)


def measure(seeds: Sequence[int], configs: Mapping[str, TrackerConfig]) -> list[Scores]:
    """Every tracker on the same scenes."""
    rows: dict[str, list[list[float]]] = {name: [] for name in configs}
    with bar("tracking", len(seeds)) as advance:
        for seed in seeds:
            moments = list(drawn_scenes.scene(seed))
            for name, config in configs.items():
                summary = identity(overlap_of(moments, config)).summary()
                rows[name].append([summary[column] for column in COLUMNS])
            advance()
    return [Scores(name, np.array(values)) for name, values in rows.items()]


def lines(found: Sequence[Scores]) -> list[str]:
    """A table: means and standard deviations over the seeds; in how many of them the first one's IDF1 is higher."""
    first = found[0]
    head = f"{'':18s} " + "  ".join(f"{name:>14s}" for name in COLUMNS) + f"  IDF1 below {first.name}'s"
    rows = [head]
    for each in found:
        below = int((each.values[:, 0] < first.values[:, 0]).sum())
        rows.append(str(each) + ("" if each is first else f"  in {below} of {len(first.values)} scenes"))
    return rows


def main(argv: Sequence[str]) -> int:
    parser = Parser(prog="python -m stc.benchmarks.trackers", description=__doc__)
    parser.add_argument("--seeds", type=int, default=30, metavar="N", help="scenes, one per seed (default 30)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers of every scene")
    arguments = parser.parse_args(argv)
    if arguments.seeds < 1:
        raise InputError(f"--seeds {arguments.seeds}: at least 1 is needed")
    check_outputs([arguments.json])
    found = measure(range(arguments.seeds), CONFIGS)
    print("\n".join(lines(found)), file=messages(arguments.json))
    if arguments.json:
        plain = {"columns": COLUMNS, "trackers": {each.name: each.values.tolist() for each in found}}
        write_json(arguments.json, plain)
    return 0


if __name__ == "__main__":
    command(main)()
