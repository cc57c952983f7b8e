"""`python -m stc.benchmarks.chain`: what surrounds the engine, at 1080p: resize, masks, tracker, RLE; and decoding.

Beside the chain of an earlier round, re-enacted (OpenCV resizes, all masks become float32, nothing overlaps); and
overlapped beside serial, with an engine that sleeps off the CPU. All take turns in one process, one thread each, with
the best instruction set of the machine and with AVX2. Budgets are held against the worst of three runs in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from stc.benchmarks.timing.intervals import Interval, ratio
from stc.benchmarks.timing.turns import in_turns
from stc.cli import Parser, command
from stc.errors import InputError
from stc.files import check_outputs, messages, write_json
from stc.runtime.bundle.files import read_with
from stc.runtime.native.library import Library

WAITS = (1, 5, 20)  # milliseconds of the stand-in engine
WARM_UP = 2  # rounds
CHAIN_BUDGET = 0.33  # of the chain before
OVERLAP_BUDGET = 1.1  # of the slower of engine and chain
RUNS = 3  # in a row: each a third of the rounds


@dataclass(frozen=True)
class Row:
    """Median milliseconds a frame, its ratio to what it is compared with (`beside`), and what the ratio may be.

    runs: the ratio of each of `RUNS` in a row.
    """

    name: str
    median_ms: float
    beside: str
    ratio: Interval
    runs: tuple[float, ...] = ()
    budget: float | None = None

    @property
    def holds(self) -> bool | None:
        return None if self.budget is None else max(self.runs) <= self.budget


def rows(seconds: dict[str, Any], frames: int) -> list[Row]:
    """seconds: of each way's turns of so many frames, float64 (rounds,), at least `RUNS` rounds, by its name."""

    def row(name: str, beside: str, compared: Any, budget: float | None = None) -> Row:
        taken = seconds[name]
        found = ratio([np.array([s]) for s in taken], [np.array([s]) for s in compared])
        thirds = zip(np.array_split(taken, RUNS), np.array_split(compared, RUNS), strict=True)
        runs = tuple(float(np.median(ours) / np.median(others)) for ours, others in thirds)
        return Row(name, 1e3 * float(np.median(taken)) / frames, beside, found, runs, budget)

    found = [
        row("chain", "chain before", seconds["chain before"], CHAIN_BUDGET),
        row("decode and chain", "decode and chain before", seconds["decode and chain before"]),
    ]
    for wait in WAITS:
        name, serial, alone = (f"{way}, engine of {wait} ms" for way in ("overlapped", "serial", "alone"))
        found.append(row(name, serial, seconds[serial]))
        # The slower of both bounds what can overlap: the engine as long as it sleeps, which is longer than asked for.
        slower = np.maximum(seconds[alone], seconds["chain"])
        found.append(row(name, f"the slower of the engine of {wait} ms and the chain", slower, OVERLAP_BUDGET))
    return found


def measure(
    objects: int, frames: int, rounds: int, folder: Path, progress: Callable[[], object] = lambda: None
) -> dict[str, dict[str, Any]]:
    """By the instruction set and the name of the way: seconds of every turn of `frames` frames, float64 (rounds,).

    folder: takes a video. Raises MissingDependencyError without the native library, PyAV or OpenCV.
    """
    from stc.benchmarks.chain import ways
    from stc.benchmarks.chain.stand_in import StandIn
    from stc.benchmarks.kernels.instruction_sets import libraries
    from stc.opencv import cv2
    from stc.runtime.session import IN_FLIGHT

    with_each = [library.with_threads(1) for library in libraries()]
    cv2.setNumThreads(1)
    pictures = ways.pictures(frames)
    ways.encode(video := folder / "chain.mp4", pictures)
    read = partial(iter, pictures)
    chains = []
    calls: dict[tuple[str, str], Callable[[], object]] = {}
    for library in with_each:

        def chain(seconds: float, in_flight: int = 1, library: Library = library) -> ways.Chain:
            chains.append(ways.Chain.around(objects, seconds, library, in_flight))
            return chains[-1]

        of_library: dict[str, Callable[[], object]] = {
            "chain before": partial(chain(0).before, read),
            "chain": partial(chain(0).serial, read),
            "decode and chain before": partial(chain(0).before, partial(ways.decoded, video, planes=False)),
            "decode and chain": partial(chain(0).serial, partial(ways.decoded, video, planes=True)),
        }
        for wait in WAITS:
            seconds = 1e-3 * wait
            of_library[f"alone, engine of {wait} ms"] = partial(ways.alone, StandIn(objects, seconds), frames)
            of_library[f"serial, engine of {wait} ms"] = partial(chain(seconds).serial, read)
            of_library[f"overlapped, engine of {wait} ms"] = partial(chain(seconds, IN_FLIGHT).overlapped, read)
        calls |= {(library.kernels, name): call for name, call in of_library.items()}
    try:
        samples = in_turns({key: _unnumbered(call) for key, call in calls.items()}, rounds, WARM_UP, progress)
        names = dict.fromkeys(name for _, name in calls)
        return {each.kernels: {name: samples[each.kernels, name] for name in names} for each in with_each}
    finally:
        for each in chains:
            each.close()


def beside_the_engine(
    model: Path, frames: int, rounds: int, progress: Callable[[], object] = lambda: None
) -> list[Row]:
    """Overlapped over serial, with an engine on the CPU: of all processors but one, and of all of them."""
    from stc.benchmarks.chain import ways
    from stc.runtime.processors import processors
    from stc.runtime.session import IN_FLIGHT, Session

    pictures = ways.pictures(frames)
    read, calls, pairs = partial(iter, pictures), {}, []
    with ExitStack() as stack:
        for threads in sorted({max(1, processors() - 1), processors()}):
            session = stack.enter_context(Session(model, device="cpu", threads=threads))
            names = [f"{way}, {threads} of {processors()} processors" for way in ("serial", "overlapped")]
            calls[names[0]] = partial(ways.Chain(session).serial, read)
            calls[names[1]] = partial(ways.Chain(session, IN_FLIGHT).overlapped, read)
            pairs.append(names)
        seconds = in_turns({name: _unnumbered(call) for name, call in calls.items()}, rounds, WARM_UP, progress)
    turns = {name: [np.array([s]) for s in values] for name, values in seconds.items()}
    return [Row(b, 1e3 * float(np.median(seconds[b])) / frames, a, ratio(turns[b], turns[a])) for a, b in pairs]


def _unnumbered(call: Callable[[], object]) -> Callable[[int], object]:
    return lambda _: call()


def lines(found: Sequence[Row]) -> list[str]:
    text = [f"{'':32s}  {'ms a frame':>10s}  {'ratio':>6s} {'[99 %]':14s}  of what; each run"]
    for row in found:
        each = f"; {', '.join(f'{run:.2f}' for run in row.runs)}" if row.runs else ""
        held = each if row.budget is None else f"{each}: at most {row.budget:g} {'holds' if row.holds else 'missed'}"
        span = f"[{row.ratio.low:.2f}, {row.ratio.high:.2f}]"
        text.append(f"{row.name:32s}  {row.median_ms:10.3f}  {row.ratio.value:6.2f} {span:14s}  {row.beside}{held}")
    return text


def main(argv: Sequence[str]) -> int:
    arguments = _parse(argv)
    check_outputs([arguments.json], [] if arguments.model is None else read_with(arguments.model))
    from stc.progress import bar

    turns = arguments.rounds + WARM_UP
    with TemporaryDirectory() as folder, bar("measuring", turns) as advance:
        seconds = measure(arguments.objects, arguments.frames, arguments.rounds, Path(folder), advance)
    tables = {f"{kernels} kernels": rows(taken, arguments.frames) for kernels, taken in seconds.items()}
    if arguments.model is not None:
        with bar("beside the engine", turns) as advance:
            beside = beside_the_engine(arguments.model, arguments.frames, arguments.rounds, advance)
        tables["beside the model"] = beside
    for title, found in tables.items():
        head = f"1920x1080, {arguments.objects} objects, COCO RLE, one thread; medians; {title}"
        print("\n".join([head, *lines(found)]), file=messages(arguments.json))
    if arguments.json:
        plain = {
            "objects": arguments.objects,
            "frames": arguments.frames,
            "tables": {title: [asdict(row) for row in found] for title, found in tables.items()},
            "seconds": {kernels: {name: list(s) for name, s in taken.items()} for kernels, taken in seconds.items()},
        }
        write_json(arguments.json, plain)
    return 0


def _parse(argv: Sequence[str]) -> Any:
    parser = Parser(prog="python -m stc.benchmarks.chain", description=__doc__)
    parser.add_argument("--objects", type=int, default=10, metavar="N", help="in every frame (default 10; 1 to 50)")
    parser.add_argument("--frames", type=int, default=96, metavar="N", help="of a turn (default 96)")
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="turns of every way (default 9)")
    parser.add_argument("--model", type=Path, metavar="BUNDLE", help="overlap beside this model on the CPU, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples")
    arguments = parser.parse_args(argv)
    if not 1 <= arguments.objects <= 50 or arguments.frames < 1 or arguments.rounds < RUNS:
        raise InputError(f"--objects must be from 1 to 50, --frames at least 1 and --rounds at least {RUNS}")
    return arguments


if __name__ == "__main__":
    command(main)()
