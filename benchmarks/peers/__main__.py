"""`python -m stc.benchmarks.peers`: ours beside Ultralytics YOLO11n-seg with ByteTrack, from BGR frames to ids, boxes
and masks of the frame's size.

Each side in every engine it has here, in turns on the same frames, with the same crafted objects. Ultralytics
(AGPL-3.0) runs in a Python of its own, as a program beside this one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from stc.benchmarks.peers import ours, scene, table
from stc.benchmarks.peers.peer_process import PeerProcess, Start
from stc.benchmarks.peers.turn import Array, Contender, Task, Turn
from stc.benchmarks.peers.ultralytics_process import EXPORTS
from stc.benchmarks.timing import environment, source
from stc.benchmarks.timing.turns import order
from stc.cli import Parser, command
from stc.errors import InputError
from stc.files import check_outputs, messages, write_json
from stc.runtime.bundle.files import read_with

OBJECTS = (0, 1, 2, 5, 20, 50)
WARM_UP = 1  # turns
MISSED = 4  # exit code, as of a ratio that `stc.benchmarks.paths` finds lost
INSTALL = (
    "python3 -m venv {0} && {0}/bin/pip install ultralytics==8.4.190 onnx onnxruntime onnxslim openvino nncf lap"
    "  # AGPL-3.0; PyTorch with CUDA takes 3 GB"
)


def compare(
    contenders: Sequence[Contender],
    clip: Sequence[Array],
    counts: Sequence[int],
    rounds: int,
    length: int,
    progress: Callable[[], object] = lambda: None,
) -> dict[int, dict[table.Key, list[Turn]]]:
    """`rounds` turns of `length` frames of each contender for each number of objects, after a warm-up.

    Raises InputError where one does not give ids and masks to exactly the objects that there are.
    """
    size = clip[0].shape[:2]
    measured: dict[int, dict[table.Key, list[Turn]]] = {}
    for objects in counts:
        turns: dict[table.Key, list[Turn]] = {table.key(contender): [] for contender in contenders}
        for number in range(-WARM_UP, rounds):
            times = range((number + WARM_UP) * length, (number + WARM_UP + 1) * length)
            boxes = [scene.boxes(objects, time, (size[0], size[1])) for time in times]
            task = Task([time % len(clip) for time in times], boxes, new=number == -WARM_UP)
            for contender in order(contenders, number):
                turn = contender.turn(task)
                if number >= 0:
                    _check(contender, turn, objects, size)
                    turns[table.key(contender)].append(turn)
            progress()
        measured[objects] = turns
    return measured


def _check(contender: Contender, turn: Turn, objects: int, size: Sequence[int]) -> None:
    wanted = [objects, *size]
    if any(ids != objects for ids in turn.ids) or any(masks != wanted for masks in turn.masks):
        raise InputError(
            f"{contender.side} {contender.name}: gave ids {sorted(set(turn.ids))} and masks {turn.masks[0]} where "
            f"there are {objects} objects in frames of {size[0]}x{size[1]}; its times cannot be compared"
        )


def main(argv: Sequence[str]) -> int:
    arguments = _parse(argv)
    check_outputs([arguments.json], [*read_with(arguments.model), arguments.source])
    _python(arguments.folder)
    _bind(arguments.threads)
    from stc.progress import bar

    with ExitStack() as stack:
        clip = source.load([], str(arguments.source), None, 300)
        contenders, without = _contenders(arguments, clip.frames, stack)
        before = environment.disturbance()
        with bar("measuring", len(arguments.objects) * (arguments.turns + WARM_UP)) as advance:
            measured = compare(contenders, clip.frames, arguments.objects, arguments.turns, arguments.frames, advance)
        disturbed = environment.disturbance() - before
    found = table.rows(measured, arguments.clock)
    machine = environment.describe(arguments.threads)
    height, width = clip.size
    head = [
        *(f"{name}: {value}" for name, value in machine.items()),
        f"waiting tasks {disturbed.waiting:.1f}, stolen {disturbed.stolen:.1f} s, "
        f"throttled {disturbed.throttled:.1f} s",
        f"{clip.name} ({width}x{height}); {arguments.clock} time; {arguments.turns} turns of {arguments.frames} frames",
        *(f"{contender.side} {contender.name}: {contender.engine}" for contender in contenders),
        *(f"without {name}: {why}" for name, why in without.items()),
    ]
    said = [*head, "", *table.all_lines(measured, arguments.clock), "", *table.lines(found)]
    print("\n".join(said), file=messages(arguments.json))
    if arguments.json:
        write_json(arguments.json, _plain(machine, contenders, without, measured, found, arguments.clock))
    return MISSED if any(row.verdict == "MISSED" for row in found) else 0


def _contenders(arguments: Any, frames: Sequence[Array], stack: ExitStack) -> tuple[list[Contender], dict[str, str]]:
    folder = arguments.folder.resolve()
    mine, without = ours.load(arguments.model, arguments.threads, frames)
    for contender in mine:
        stack.callback(contender.close)
    with tempfile.TemporaryDirectory() as shared:
        file = Path(shared) / "frames.npy"
        np.save(file, np.stack(frames))
        size = mine[0].input_size
        starts = [Start(engine, folder, file, size, arguments.threads) for engine in EXPORTS]
        peers = [
            PeerProcess(_python(folder), start, stack) for start in starts
        ]  # each has mapped the file when it is ready
    return [*mine, *peers], without


def _python(folder: Path) -> Path:
    """The peer's. Raises InputError with the command that makes it."""
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        raise InputError(f"{python}: not there; fix: {INSTALL.format(folder / 'venv')}")
    return python


def _bind(threads: int) -> None:
    """This process, and so the peers, to as many processors as each may have threads: nobody gets a core more."""
    if not hasattr(os, "sched_setaffinity"):
        raise InputError("processes cannot be bound to processors here; run it on Linux")
    may = sorted(os.sched_getaffinity(0))
    if len(may) < threads:
        raise InputError(f"--threads {threads}: this process may use {len(may)} processors")
    os.sched_setaffinity(0, may[:threads])


def _plain(
    machine: Mapping[str, str],
    contenders: Sequence[Contender],
    without: Mapping[str, str],
    measured: Mapping[int, Mapping[table.Key, Sequence[Turn]]],
    found: Sequence[table.Row],
    clock: table.Clock,
) -> dict[str, Any]:
    return {
        "machine": dict(machine),
        "clock": clock,
        "engines": {" ".join(table.key(contender)): contender.engine for contender in contenders},
        "without": dict(without),
        "rows": [asdict(row) | {"verdict": row.verdict} for row in found],
        "turns": {
            objects: {" ".join(who): [asdict(turn) for turn in turns] for who, turns in by_contender.items()}
            for objects, by_contender in measured.items()
        },
    }


def _parse(argv: Sequence[str]) -> Any:
    parser = Parser(prog="python -m stc.benchmarks.peers", description=__doc__)
    parser.add_argument("model", type=Path, metavar="BUNDLE", help="of one input size; with --int8 its int8 takes part")
    parser.add_argument("--source", type=Path, required=True, metavar="VIDEO", help="frames")
    parser.add_argument(
        "--folder", type=Path, required=True, metavar="DIR", help="the peer's venv/ and files, outside the project"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of each, on N processors (default 1)")
    parser.add_argument(
        "--objects", type=int, nargs="+", default=OBJECTS, metavar="N", help="crafted ones (default: 0 1 2 5 20 50)"
    )
    parser.add_argument("--turns", type=int, default=12, metavar="N", help="of each (default 12)")
    parser.add_argument("--frames", type=int, default=5, metavar="N", help="of a turn (default 5)")
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: processors' seconds, for a machine that is not idle",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples")
    arguments = parser.parse_args(argv)
    if min(arguments.threads, arguments.turns, arguments.frames) < 1 or min(arguments.objects) < 0:
        raise InputError("--threads, --turns and --frames must be at least 1, --objects at least 0")
    return arguments


if __name__ == "__main__":
    command(main)()
