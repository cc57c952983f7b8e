"""The engines of a CPU side by side, as a table for documents: `python -m stc.benchmarks.speed MODEL --source VIDEO`.

All engines take turns on the same frames, end to end with masks and ids, for each number of threads apart. `--before
DIR` adds the bundle of an earlier version, in ONNX Runtime: the same weights with dense heads, say.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from stc.cli import Parser, command
from stc.runtime.machine.engine_names import EngineName

if TYPE_CHECKING:
    from stc.benchmarks.timing.intervals import Interval

COLUMNS = ("engine", "threads", "p50 ms", "times ONNX Runtime float32")
ENGINES: dict[str, EngineName] = {
    "ONNX Runtime, float32": "onnxruntime",
    "OpenVINO, float32": "openvino:fp32",
    "OpenVINO, bfloat16": "openvino:bf16",
    "OpenVINO, int8": "openvino:int8",
}
BEFORE = "before, ONNX Runtime, float32"
Row = tuple[str, int, "Interval", "Interval"]  # engine, threads, milliseconds, ratio


def main(argv: Sequence[str]) -> int:
    arguments = _parser().parse_args(argv)
    from stc.benchmarks.timing import environment

    rows, stable = [], True
    for threads in (1, 2):
        found, agreed = _measure(arguments.model, arguments.before, arguments.source, arguments.frames, threads)
        rows += found
        stable &= agreed
    here = environment.describe()
    names = ("processor", "instructions", "cores", "system", "measured", "onnxruntime")
    print("\n".join(table(rows)))
    print(f"\nOn {'; '.join(f'{name} {here[name]}' for name in names)}. Medians [95 %], ratios [99 %], in turns.")
    if not stable:
        print("unstable: no three windows agreed for every engine")
    return 0 if stable else 4


def table(rows: Sequence[Row]) -> list[str]:
    """In Markdown."""
    lines = [COLUMNS, ("---",) * len(COLUMNS)]
    lines += [(name, str(threads), taken.shown(""), ratio.shown("x")) for name, threads, taken, ratio in rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _measure(model: str, before: str | None, video: str, frames: int, threads: int) -> tuple[list[Row], bool]:
    from stc.benchmarks.timing import source
    from stc.benchmarks.timing.intervals import Interval, percentile, ratio
    from stc.benchmarks.timing.scenarios import MASKS, SingleStream
    from stc.benchmarks.timing.schedule import measure
    from stc.runtime.session import Session
    from stc.runtime.stages import END_TO_END

    with ExitStack() as stack:
        chosen = {name: (model, engine) for name, engine in ENGINES.items()}
        chosen |= {} if before is None else {BEFORE: (before, ENGINES["ONNX Runtime, float32"])}
        sessions = {
            name: stack.enter_context(Session(path, device="cpu", engine=engine, threads=threads))
            for name, (path, engine) in chosen.items()
        }
        pictures = source.load([], video, None, frames)
        measured = measure(list(sessions.values()), pictures.frames, SingleStream(MASKS["rle"][1]), frames)
    turns = [samples.stage(END_TO_END) for samples in measured.samples]
    taken = [percentile([1e3 * turn for turn in own], 50) for own in turns]
    ratios = [Interval(1, 1, 1), *(ratio(own, turns[0]) for own in turns[1:])]
    return list(zip(sessions, [threads] * len(turns), taken, ratios, strict=True)), measured.stable


def _parser() -> Parser:
    parser = Parser(prog="python -m stc.benchmarks.speed", description=__doc__)
    parser.add_argument("model", metavar="DIR", help="a bundle of stc-export --int8")
    parser.add_argument("--before", metavar="DIR", help="the bundle that an earlier version made of the same weights")
    parser.add_argument("--source", required=True, metavar="VIDEO", help="frames")
    parser.add_argument("--frames", type=int, default=200, metavar="N", help="of each engine (default 200)")
    return parser


if __name__ == "__main__":
    command(main)()
