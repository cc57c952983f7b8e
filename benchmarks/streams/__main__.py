"""`python -m stc.benchmarks.streams`: what a further camera costs, and how many this machine serves.

One frame of each of 1, 2, 4, … streams to ids and COCO RLE masks at frame size: in one `Session.step`, and one stream
after the other. All take turns, so that a drift of the machine hits all alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.timing.turns import in_turns
from stc.cli import Parser, command
from stc.errors import InputError
from stc.files import check_outputs, messages, write_json
from stc.runtime.bundle.files import read_with

if TYPE_CHECKING:
    from stc.runtime.result import Result
    from stc.runtime.session import Session
    from stc.runtime.stream import Stream

COUNTS = (1, 2, 4, 8, 16)
WARM_UP = 2  # rounds
Array = NDArray[Any]
Serve = Callable[["Session", "Sequence[Stream]", Sequence[Array]], "list[Result]"]


def in_a_step(session: Session, streams: Sequence[Stream], pictures: Sequence[Array]) -> list[Result]:
    return list(session.step(dict(zip(streams, pictures, strict=True))).values())


def one_by_one(session: Session, streams: Sequence[Stream], pictures: Sequence[Array]) -> list[Result]:
    return [stream(picture) for stream, picture in zip(streams, pictures, strict=True)]


WAYS: dict[str, Serve] = {"step": in_a_step, "one by one": one_by_one}


@dataclass(frozen=True)
class Cost:
    """Seconds of every frame set (one frame of each of `streams`), per way; all samples, in the order of the rounds."""

    streams: int
    seconds: dict[str, Array]

    def median(self, way: str) -> float:
        return float(np.median(self.seconds[way]))


@dataclass(frozen=True)
class Line:
    """seconds = base + each x streams, by least squares of relative errors. off: largest relative distance from it."""

    base: float
    each: float
    off: float

    @classmethod
    def through(cls, costs: Sequence[Cost], way: str) -> Line:
        streams = np.array([cost.streams for cost in costs], np.float64)
        seconds = np.array([cost.median(way) for cost in costs])
        columns = np.stack((np.ones(len(streams)), streams), axis=1) / seconds[:, None]
        (base, each), *_ = np.linalg.lstsq(columns, np.ones(len(streams)), rcond=None)
        return cls(float(base), float(each), float(np.abs(columns @ (base, each) - 1).max()))

    def cameras(self, fps: float) -> int:
        """How many fit: beyond that a frame set takes longer than the next one needs to come."""
        return max(0, math.floor((1 / fps - self.base) / self.each))


def measure(
    session: Session,
    pictures: Sequence[Array],
    counts: Sequence[int],
    rounds: int,
    progress: Callable[[], object] = lambda: None,
) -> list[Cost]:
    """`rounds` frame sets of every number of streams, in both ways; every stream is at another place of `pictures`."""
    streams = {(n, way): [session.stream(f"{way} {i}") for i in range(n)] for n in counts for way in WAYS}

    def serve(n: int, way: str, number: int) -> None:
        shown = [pictures[(number + 7 * i) % len(pictures)] for i in range(n)]
        for result in WAYS[way](session, streams[n, way], shown):
            result.masks.rle()

    seconds = in_turns({key: partial(serve, *key) for key in streams}, rounds, WARM_UP, progress)
    return [Cost(n, {way: seconds[n, way] for way in WAYS}) for n in counts]


def lines(costs: Sequence[Cost], fps: float) -> list[str]:
    """The table, and where the knee is."""
    rows = [
        f"{'streams':>7s}" + "".join(f"  {way + ', ms':>24s}  {'a frame':>8s}" for way in WAYS) + "  step / one by one"
    ]
    for cost in costs:
        cells = ""
        for seconds in cost.seconds.values():
            low, middle, high = 1e3 * np.percentile(seconds, (25, 50, 75))
            cells += f"  {f'{middle:.1f} [{low:.1f}, {high:.1f}]':>24s}  {middle / cost.streams:8.2f}"
        rows.append(f"{cost.streams:7d}{cells}  {cost.median('step') / cost.median('one by one'):17.2f}")
    for way in WAYS:
        line = Line.through(costs, way)
        rows.append(
            f"{way}: {1e3 * line.base:.1f} ms + {1e3 * line.each:.1f} ms a stream (all within {line.off:.0%}); "
            f"the knee: {line.cameras(fps)} cameras of {fps:g} FPS, {1e3 / fps:.1f} ms a frame set"
        )
    return rows


def main(argv: Sequence[str]) -> int:
    arguments = _parse(argv)
    check_outputs([arguments.json], [*read_with(arguments.model), arguments.source])
    from stc.benchmarks.models import candidates
    from stc.benchmarks.timing import source
    from stc.progress import bar

    with ExitStack() as stack:
        [model] = candidates.open_all([arguments.model], arguments.threads, False, stack.callback)
        pictures = source.load([model], arguments.source, None, 64)
        counts = [n for n in COUNTS if n <= arguments.streams]
        with bar("measuring", arguments.frames + WARM_UP) as advance:
            costs = measure(model.session, pictures.frames, counts, arguments.frames, advance)
        height, width = pictures.size
        head = f"{model.label}, {model.session.engine}; {pictures.name} ({width}x{height}); medians [quartiles]"
        print("\n".join([head, *lines(costs, arguments.fps)]), file=messages(arguments.json))
    if arguments.json:
        plain = [
            {"streams": cost.streams, "seconds": {way: list(s) for way, s in cost.seconds.items()}} for cost in costs
        ]
        write_json(arguments.json, {"fps": arguments.fps, "costs": plain})
    return 0


def _parse(argv: Sequence[str]) -> Any:
    parser = Parser(prog="python -m stc.benchmarks.streams", description=__doc__)
    parser.add_argument("model", metavar="MODEL", help="a bundle, its engine.plan or an .onnx file of it")
    parser.add_argument("--source", metavar="VIDEO", help="frames (default: those of the bundle's reference)")
    parser.add_argument("--frames", type=int, default=30, metavar="N", help="frame sets of each (default 30)")
    parser.add_argument("--streams", type=int, default=COUNTS[-1], metavar="N", help="at most (default 16)")
    parser.add_argument("--fps", type=float, default=25.0, metavar="F", help="of the cameras (default 25)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of the engine (default: all cores)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples")
    arguments = parser.parse_args(argv)
    if arguments.frames < 1 or arguments.streams < COUNTS[1]:
        raise InputError(
            "--frames must be at least 1, --streams at least 2: a cost per stream needs two numbers of them"
        )
    if not (math.isfinite(arguments.fps) and arguments.fps > 0):
        raise InputError(f"--fps must be a positive number; got {arguments.fps}")
    return arguments


if __name__ == "__main__":
    command(main)()
