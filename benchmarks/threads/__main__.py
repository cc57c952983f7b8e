"""`python -m stc.benchmarks.threads`: whether the default number of threads is right where processors are few.

Frames to ids, by sessions of other `threads`, `spin` and `workers` in turns: alone, on one processor, with a quota of
one, beside a process that always computes, and for several videos at once. A process of its own for each of these.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stc.benchmarks.threads.measure import ALONE, BOUND, COMPANY, DEFAULT, ONE, QUOTA, VIDEOS, Taken, Task, measure
from stc.benchmarks.timing.intervals import Interval, ratio
from stc.cli import Parser, command
from stc.errors import InputError
from stc.files import check_outputs, messages, write_json
from stc.runtime.bundle.files import read_with

MISSED = 3  # exit code
ANY = "the best"
# What the default is held to: beside which setting, and how many times its time it may take.
BUDGETS = {BOUND: (ONE, 1.05), QUOTA: (ONE, 1.05), COMPANY: (ANY, 1.10)}
SHARING = 1.0  # of workers beside threads that share one picture


@dataclass(frozen=True)
class Row:
    """Medians of a frame, wall and processors; the wall's ratio to that of `beside`, and what it may be."""

    place: str
    name: str
    median_ms: float
    processor_ms: float
    beside: str
    ratio: Interval
    budget: float | None

    @property
    def holds(self) -> bool | None:
        return None if self.budget is None else self.ratio.value <= self.budget


def rows(place: str, taken: dict[str, Taken]) -> list[Row]:
    medians = {name: float(np.median(each.wall)) for name, each in taken.items()}
    beside, budget = BUDGETS.get(place, (ONE, None))
    if place == VIDEOS:
        beside = DEFAULT
    elif beside == ANY:
        beside = min((name for name in medians if name != DEFAULT), key=lambda name: medians[name])
    turns = {name: list(each.wall[:, None]) for name, each in taken.items()}
    judged = {name: SHARING for name in taken if name != DEFAULT} if place == VIDEOS else {DEFAULT: budget}
    return [
        Row(
            place, name, 1e3 * medians[name], 1e3 * float(np.median(each.cpu)), beside,
            ratio(turns[name], turns[beside]), judged.get(name),
        )
        for name, each in taken.items()
    ]  # fmt: skip


def lines(found: Sequence[Row]) -> list[str]:
    text = [f"{'':20s}  {'':10s}  {'ms a frame':>10s}  {'of CPU':>8s}  {'ratio':>6s} {'[99 %]':14s}  of what"]
    for row in found:
        held = "" if row.budget is None else f"; at most {row.budget:g}: {'holds' if row.holds else 'MISSED'}"
        span = f"[{row.ratio.low:.2f}, {row.ratio.high:.2f}]"
        numbers = f"{row.median_ms:10.2f}  {row.processor_ms:8.2f}  {row.ratio.value:6.2f} {span:14s}"
        text.append(f"{row.place:20s}  {row.name:10s}  {numbers}  {row.beside}{held}")
    return text


def machine() -> str:
    """Where it was measured, in a line."""
    from stc.benchmarks.timing.environment import describe

    facts = describe()
    told = [facts[name] for name in ("processor", "instructions", "system")]
    return ", ".join([*told, f"{facts['cores']} processors", f"load {os.getloadavg()[0]:.1f} before"])


def main(argv: Sequence[str]) -> int:
    arguments = _parse(argv)
    check_outputs([arguments.json], read_with(arguments.model))
    from stc.progress import bar

    task = Task(arguments.model, arguments.engine, arguments.rounds, arguments.videos, arguments.processor)
    head, found, notes, taken = machine(), list[Row](), list[str](), dict[str, dict[str, Taken]]()
    chosen = arguments.places or [ALONE, BOUND, QUOTA, COMPANY, VIDEOS]
    with bar("measuring", len(chosen)) as advance:
        for place in chosen:
            # Spawned: no pool of threads comes along, and none was made for other processors.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                try:
                    taken[place] = pool.submit(measure, task, place).result()
                except InputError as error:
                    if place != QUOTA:
                        raise
                    notes.append(f"{place}: {error}")
                else:
                    found += rows(place, taken[place])
            advance()
    print("\n".join([head, *lines(found), *notes]), file=messages(arguments.json))
    if arguments.json:
        plain = {place: {name: list(each.wall) for name, each in of.items()} for place, of in taken.items()}
        write_json(arguments.json, {"machine": head, "rows": [asdict(row) for row in found], "seconds": plain})
    return MISSED if any(row.holds is False for row in found) else 0


def _parse(argv: Sequence[str]) -> Any:
    from stc.runtime.machine import engine_names

    parser = Parser(prog="python -m stc.benchmarks.threads", description=__doc__)
    parser.add_argument("model", metavar="BUNDLE", help="whose recorded frames are shown")
    parser.add_argument("--rounds", type=int, default=60, metavar="N", help="frames of every setting (default 60)")
    parser.add_argument("--videos", type=int, default=4, metavar="N", help="at once (default 4)")
    parser.add_argument(
        "--processor", type=int, default=max(os.sched_getaffinity(0)), metavar="N",
        help="the one that is bound to (default: the last that this process may use)",
    )  # fmt: skip
    parser.add_argument(
        "--places", type=lambda text: text.split(","), metavar="A,B", help=f"{ALONE}, {', '.join([*BUDGETS, VIDEOS])}"
    )
    engine_names.add_option(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples")
    arguments = parser.parse_args(argv)
    if arguments.rounds < 1 or arguments.videos < 2:
        raise InputError("--rounds must be at least 1, --videos at least 2")
    if unknown := sorted({*(arguments.places or ())} - {ALONE, *BUDGETS, VIDEOS}):
        raise InputError(f"--places: {', '.join(unknown)}: unknown; they are {', '.join([ALONE, *BUDGETS, VIDEOS])}")
    return arguments


if __name__ == "__main__":
    command(main)()
