"""The comparison with other trackers: what is crafted, what passes between the processes, and what the table says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from stc.benchmarks.chain.stand_in import PASSPORT, StandIn
from stc.benchmarks.peers import peer_process, scene, table
from stc.benchmarks.peers.__main__ import compare, main
from stc.benchmarks.peers.ours import Crafting
from stc.benchmarks.peers.peer_process import PeerProcess, Start
from stc.benchmarks.peers.turn import Task, Turn
from stc.errors import InputError, Missing
from stc.runtime.native.library import Library, find
from stc.runtime.native.mask_head import MaskHead
from stc.runtime.session import Session

SIZE = 272, 640
COUNTS = 0, 1, 2, 5, 20, 50
CLIP = [np.zeros((*SIZE, 3), np.uint8)] * 3

# Speaks as the real one does, and knows nothing: one id and one mask for each box.
FAKE = """
import json, sys
start = json.loads(sys.stdin.readline())
print(json.dumps({"engine": f"fake {start['engine']} {start['size']} {start['threads']}"}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    n = len(asked["frames"])
    ids = [len(boxes) for boxes in asked["boxes"]]
    masks = [[count, 272, 640] for count in ids]
    print(json.dumps({"wall": [0.25] * n, "cpu": [0.5] * n, "ids": ids, "masks": masks}), flush=True)
"""
READY = 'import sys\nsys.stdin.readline()\nprint(\'{"engine": "fake"}\', flush=True)\nsys.stdin.readline()\n'


@pytest.fixture
def library() -> Library:
    found = find()
    assert not isinstance(found, Missing)
    return found.with_threads(1)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def peer(stack: ExitStack, folder: Path, program: str) -> PeerProcess:
    (folder / "peer.py").write_text(program)
    start = Start("some engine", folder, folder / "frames.npy", (256, 448), 1)
    return PeerProcess(Path(sys.executable), start, stack, folder / "peer.py")


@pytest.mark.parametrize("objects", COUNTS)
def test_crafted_boxes_are_as_many_as_asked_for_lie_in_the_frame_and_never_overlap(objects: int) -> None:
    for frame in range(scene.PERIOD):
        boxes = scene.boxes(objects, frame, SIZE)
        assert boxes.shape == (objects, 4)
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= SIZE[::-1]).all()
        width_and_height = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - np.maximum(
            boxes[:, None, :2], boxes[None, :, :2]
        )
        overlap = np.clip(width_and_height, 0, None).prod(axis=2)
        assert (overlap[~np.eye(objects, dtype=bool)] == 0).all()


def test_the_mask_head_fills_the_crafted_boxes(library: Library) -> None:
    head = MaskHead(channels=8, layers=3, stride=8, upsample=2)
    letterbox = PASSPORT.letterbox(SIZE)
    for objects in COUNTS:
        boxes = scene.to_input(scene.boxes(objects, 3, SIZE), letterbox)
        answer = scene.answer(boxes, PASSPORT, head)
        masks = head(library, *answer.op)[0]
        assert (masks[objects:] == 0).all()
        centres = [(np.arange(side) + 0.5) * PASSPORT.mask_stride for side in masks.shape[1:]]
        y, x = np.meshgrid(*centres, indexing="ij")
        for mask, (left, top, right, bottom) in zip(masks, boxes, strict=False):
            inside = (x > left) & (x < right) & (y > top) & (y < bottom)
            found = mask > 0.5
            # A rim of a cell of 4 pixels of objects of 30 and more: its corners are round, its cells' places half off.
            assert (found & inside).sum() / (found | inside).sum() > 0.6


@pytest.mark.parametrize("objects", COUNTS)
def test_our_side_tracks_exactly_the_crafted_objects_at_their_places(library: Library, objects: int) -> None:
    """Whatever the model itself finds, here seven discs."""
    head = MaskHead(channels=8, layers=3, stride=8, upsample=2)
    crafting = Crafting(StandIn(7, 0), head, library)
    with Session.from_backend(crafting, PASSPORT, "crafted") as session:
        stream = session.stream()
        ids = []
        for frame in range(3):
            boxes = scene.boxes(objects, frame, SIZE)
            crafting.next = scene.answer(scene.to_input(boxes, PASSPORT.letterbox(SIZE)), PASSPORT, head)
            result = stream(CLIP[0])
            ids.append(result.track_ids.tolist())
            np.testing.assert_allclose(result.boxes, boxes, atol=1e-3)
            assert result.masks.dense().shape == (objects, *SIZE)
            assert (result.masks.areas() > 0).all()
    assert ids[0] == ids[1] == ids[2] and len(set(ids[0])) == objects and min(ids[0], default=1) > 0


def test_a_peer_is_told_what_it_needs_and_its_answers_become_turns(stack: ExitStack, tmp_path: Path) -> None:
    contender = peer(stack, tmp_path, FAKE)
    assert contender.engine == "fake some engine [256, 448] 1"
    turn = contender.turn(Task([0, 1], [scene.boxes(5, 0, SIZE)] * 2, new=True))
    assert turn == Turn([0.25, 0.25], [0.5, 0.5], [5, 5], [[5, *SIZE]] * 2)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise SystemExit(3)", "ended without an answer"),
        ("print('Welcome!', flush=True)\nimport time\ntime.sleep(60)", "no JSON"),
        ("print('[]', flush=True)", "list for dict"),
        ('print(\'{"error": "ValueError: no such export"}\', flush=True)', "no such export"),
        (READY, "ended without an answer"),
        (READY + 'print(\'{"wall": [1], "cpu": [1], "ids": [1], "masks": [[1, 2, 3]]}\')', "another number of frames"),
        (READY + "print('{\"wall\": 1}')", "int for list"),
        ("import time\ntime.sleep(60)", "no answer in"),
    ],
)
def test_a_peer_that_fails_is_an_error_that_names_its_log(
    stack: ExitStack, tmp_path: Path, program: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason == "no answer in":
        monkeypatch.setattr(peer_process, "START_SECONDS", 0.1)
    with pytest.raises(InputError, match=reason) as raised:
        peer(stack, tmp_path, program).turn(Task([0, 1], [scene.boxes(1, 0, SIZE)] * 2, new=True))
    assert "some-engine.log" in str(raised.value)


def test_a_python_that_does_not_start_is_an_error(stack: ExitStack, tmp_path: Path) -> None:
    start = Start("some engine", tmp_path, tmp_path / "frames.npy", (256, 448), 1)
    with pytest.raises(InputError, match="does not start"):
        PeerProcess(tmp_path / "no-python", start, stack)


def test_without_the_peers_venv_the_command_that_makes_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"python3 -m venv {tmp_path}/venv && .*pip install ultralytics"):
        main([str(tmp_path / "model"), "--source", "clip.mp4", "--folder", str(tmp_path)])


class Planted:
    """Takes `base + each x objects` seconds for every frame."""

    engine = "planted"

    def __init__(self, side: str, name: str, base: float, each: float, found: int | None = None) -> None:
        self.side, self.name, self._base, self._each, self._found = side, name, base, each, found
        self.tasks: list[Task] = []

    def turn(self, task: Task) -> Turn:
        self.tasks.append(task)
        objects = [len(boxes) if self._found is None else self._found for boxes in task.boxes]
        seconds = [self._base + self._each * len(boxes) for boxes in task.boxes]
        return Turn(seconds, [2 * second for second in seconds], objects, [[count, *SIZE] for count in objects])


def test_both_sides_are_shown_the_same_frames_and_objects_and_new_videos_begin_together() -> None:
    ours, theirs = Planted("ours", "a", 1, 0), Planted("peer", "b", 1, 0)
    measured = compare([ours, theirs], CLIP, (1, 5), rounds=2, length=4)
    assert {objects: {who: len(turns) for who, turns in by.items()} for objects, by in measured.items()} == {
        1: {("ours", "a"): 2, ("peer", "b"): 2},
        5: {("ours", "a"): 2, ("peer", "b"): 2},
    }
    assert [task.new for task in ours.tasks] == [True, False, False] * 2
    assert [number for task in ours.tasks[:3] for number in task.frames] == [0, 1, 2] * 4
    for mine, other in zip(ours.tasks, theirs.tasks, strict=True):
        assert mine.frames == other.frames and mine.new == other.new
        np.testing.assert_array_equal(mine.boxes, other.boxes)


def test_one_that_loses_objects_is_not_compared() -> None:
    with pytest.raises(InputError, match=r"peer b: gave ids \[4\].*there are 5 objects"):
        compare([Planted("ours", "a", 1, 0), Planted("peer", "b", 1, 0, found=4)], CLIP, (5,), rounds=1, length=2)


def test_the_table_takes_each_side_in_its_best_engine_at_each_number_and_holds_it_to_its_target() -> None:
    contenders = [
        Planted("ours", "steady", 0.030, 0.0),
        Planted("ours", "light", 0.020, 0.001),
        Planted("peer", "slow", 0.090, 0.002),
        Planted("peer", "fast", 0.025, 0.002),
    ]
    measured = compare(contenders, CLIP, (0, 5, 20, 50), rounds=3, length=2)
    for clock in ("wall", "cpu"):
        rows = table.rows(measured, clock)  # both clocks give the same ratios here
        assert [(row.ours, row.peer, row.verdict) for row in rows] == [
            ("light", "fast", "pass"),  # 20 / 25
            ("light", "fast", "no target"),
            ("steady", "fast", "pass"),  # 30 / 65 = 0.46
            ("steady", "fast", "pass"),  # 30 / 125 = 0.24
        ]
        np.testing.assert_allclose([row.ratio.value for row in rows], [20 / 25, 25 / 35, 30 / 65, 30 / 125])
    slower = compare([Planted("ours", "a", 0.030, 0), contenders[-1]], CLIP, (0, 20), rounds=3, length=2)
    assert [row.verdict for row in table.rows(slower, "wall")] == ["MISSED", "pass"]
    assert (
        table.lines(rows)[2]
        == "| 0 | light | 40.0 [40.0, 40.0] | fast | 50.0 [50.0, 50.0] | 0.800 [0.800, 0.800] | <= 1.0 | pass |"
    )
    assert table.all_lines(measured, "wall")[-1] == "| peer fast | 25.0 | 35.0 | 65.0 | 125.0 |"
