"""`python -m stc.benchmarks.kernels`: the native CPU library and the tracker against what others do, side by side in
one process, with the best instruction set of the machine and with AVX2; and instructions of the library on Arm. Budgets
are held against the worst of three runs in a row.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

import numpy as np

from stc.benchmarks.kernels import arm
from stc.benchmarks.kernels.instruction_sets import libraries
from stc.benchmarks.timing.turns import order, seconds
from stc.cli import command
from stc.errors import InputError
from stc.files import check_outputs, messages, write_json
from stc.runtime.native.library import Library

THREADS = 2
SIZES = ((48, 80), (100, 168))
COUNTS = (1, 10, 50, 100)
RUNS, TURNS, SAMPLES = 3, 3, 7  # of every contender: runs in a row, turns of each, and samples in each turn
WARM_UP = 0.03  # seconds


@dataclass(frozen=True)
class Budget:
    """What is promised: baseline / ours at least, or milliseconds of ours at most."""

    ratio: float | None = None
    ms: float | None = None

    def verdict(self, worst_ratio: float, worst_ms: float) -> str:
        if self.ms is not None:
            return f"worst run {worst_ms:.3f} ms: at most {self.ms:g} ms {_held(worst_ms <= self.ms)}"
        least = self.ratio or 0.0
        return f"worst run {worst_ratio:.2f}x: at least {least:g}x {_held(worst_ratio >= least)}"


def _held(holds: bool) -> str:
    return "holds" if holds else "missed"


@dataclass(frozen=True)
class Comparison:
    """Median milliseconds of ours and of a baseline on the same inputs, taken in turns; `ratio` is baseline / ours.

    `spread` is the interquartile range of `ratio` over the turns. worst_ratio, worst_ms: of the runs' medians.
    """

    name: str
    size: str
    ours_ms: float
    baseline: str
    baseline_ms: float
    ratio: float
    spread: float
    worst_ratio: float
    worst_ms: float
    budget: Budget | None = None

    @property
    def verdict(self) -> str:
        """ "" where nothing is promised."""
        return "" if self.budget is None else self.budget.verdict(self.worst_ratio, self.worst_ms)


def compare(
    name: str,
    size: str,
    ours: Callable[[], Any],
    baselines: dict[str, Callable[[], Any]],
    clock: Callable[[], float] = perf_counter,
    budget: Budget | None = None,
) -> list[Comparison]:
    """Time all in turns, so that a drift of the machine hits all alike; each warms up before its samples, which also
    lasts until the threads of the one before have stopped spinning.

    clock: seconds; `time.thread_time` for calls of one thread, which leaves out what other processes take. budget: of
    the first baseline.
    """
    calls = {"": ours, **baselines}
    samples: dict[str, list[float]] = {key: [] for key in calls}
    for number in range(RUNS * TURNS):
        for key in order(list(calls), number):  # not `in_turns`: calls of microseconds need a burst in each turn
            call = calls[key]
            warm = perf_counter()
            while perf_counter() - warm < WARM_UP:
                call()
            samples[key] += [seconds(call, clock) for _ in range(SAMPLES)]
    kept = {key: np.array(values) * 1e3 for key, values in samples.items()}
    found = []
    medians = {key: np.median(values.reshape(RUNS, -1), axis=1) for key, values in kept.items()}
    for key in baselines:
        ratios = kept[key] / kept[""]
        low, high = np.percentile(ratios, (25, 75))
        mine, other = float(np.median(kept[""])), float(np.median(kept[key]))
        worst = float((medians[key] / medians[""]).min()), float(medians[""].max())
        promised = budget if key == next(iter(baselines)) else None
        found.append(Comparison(name, size, mine, key, other, other / mine, float(high - low), *worst, promised))
    return found


def mask_heads(library: Library) -> list[Comparison]:
    from stc.benchmarks.kernels import mask_head_baselines as baselines

    found = []
    for height, width in SIZES:
        for count in COUNTS:
            case = baselines.MaskHeadCase.random(count, height, width)
            calls = {name: form(case) for name, form in baselines.FORMS.items()}
            found += compare("mask head", f"{height}x{width} N={count}", case.native(library), calls)
    return found


def frame_masks(library: Library) -> list[Comparison]:
    from stc.benchmarks.kernels import frame_mask_baselines as baselines

    found = []
    height, width = baselines.FRAME
    for name, case in baselines.cases().items():
        for form, (baseline, peer) in baselines.FORMS.items():
            size = f"{width}x{height} N={len(case)} {form}"
            found += compare(name, size, case.native(library, form.lower()), {baseline: peer(case)})
    case, one = baselines.at_4k(), library.with_threads(1)
    runs = {"our RLE": case.native(one, "rle")}
    outlines = {**runs, "OpenCV's outlines": baselines.opencv_outlines(case)}
    twice = Budget(ratio=0.5)  # of RLE's time for the same pixels
    for form, call, beside, budget in (
        ("dense", case.native(one, "dense"), runs, twice),
        ("dense, into one buffer", baselines.used_again(case, one), runs, twice),
        ("dense, fresh memory", baselines.in_fresh_memory(case, one), runs, None),  # the system clears its pages
        ("nothing, in its pages", baselines.pages_alone(case, one), runs, None),
        ("polygons", case.native(one, "polygons"), outlines, twice),
    ):
        found += compare("float16 masks", f"4K N={len(case)} {form}", call, beside, thread_time, budget)
    return found


RESIZES = {720: Budget(ratio=3), 1080: Budget(ratio=3), 2160: Budget(ratio=4)}  # by area, of frames of this height


def resizes(library: Library) -> list[Comparison]:
    """One thread each, and its own time: what others do on the machine does not count."""
    from stc.benchmarks.kernels import resize_baselines as baselines

    one = library.with_threads(1)
    found = []
    for case in baselines.cases():
        baseline, peer = case.peer()
        height, width = case.size
        budget = RESIZES.get(height) if case.name == "area" else None
        calls = {baseline: peer}
        found += compare(f"resize, {case.name}", f"{width}x{height}", case.native(one), calls, thread_time, budget)
    ours, ffmpeg = baselines.nv12(one)
    found += compare("resize, area, NV12", "1920x1080", ours, {"FFmpeg + OpenCV": ffmpeg}, thread_time, Budget(ratio=4))
    ours, conversion = baselines.unasked_masks(one)
    size = "{} of {}x{}".format(*baselines.HALVES)
    beside = {"NumPy to float32": conversion}
    return found + compare("float16 masks, not asked", size, ours, beside, thread_time, Budget(ms=0.1))


def trackers(_: Library) -> list[Comparison]:
    """By NumPy, one thread: what stands between the engine and the ids."""
    import torch

    from stc.benchmarks.kernels import tracker_baselines as baselines

    torch.set_num_threads(1)
    crowd = baselines.Crowd()
    size = f"{baselines.SEEN} of {baselines.TRACKS}, D={baselines.LENGTH}"
    beside = {"QDTrack's matching in PyTorch": crowd.qdtrack()}
    return compare("tracker", size, crowd.native(), beside, thread_time, Budget(ms=0.3))


KINDS = {"mask-heads": mask_heads, "frame-masks": frame_masks, "resizes": resizes, "trackers": trackers}
ARM = "arm"  # instructions, no times


def counted(asked: bool) -> list[arm.Counted]:
    """What there is to count; where that is not possible a line that says so, and an error if it was asked for."""
    if (reason := arm.missing()) and not asked:
        print(f"{ARM}: not counted: {reason}", file=sys.stderr)
        return []
    return arm.count()


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m stc.benchmarks.kernels", description=__doc__)
    known = (*KINDS, ARM)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(known)} (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the comparisons as JSON")
    arguments = parser.parse_args(argv)
    if strangers := set(arguments.kinds) - set(known):
        raise InputError(f"no kind of kernel: {', '.join(sorted(strangers))}; known: {', '.join(known)}")
    check_outputs([arguments.json])
    with_each = libraries()
    kinds = arguments.kinds or list(known)
    if {"mask-heads", "frame-masks"} & set(kinds):
        import torch

        torch.set_num_threads(THREADS)
    measured = [(library, kind) for library in with_each for kind in kinds if kind in KINDS]
    found = []
    for library, kind in measured:
        if kind == "trackers" and library is not with_each[0]:
            continue  # NumPy, with its own choice of instructions
        for row in KINDS[kind](library.with_threads(THREADS)):
            found.append({"kernels": "NumPy" if kind == "trackers" else library.kernels, **asdict(row)})
            print(
                f"{found[-1]['kernels']:8} {row.name:28} {row.size:29} {row.ours_ms:8.3f} ms  {row.baseline:38} "
                f"{row.baseline_ms:8.2f} ms  {row.ratio:6.1f}x +-{row.spread / 2:.1f}  {row.verdict}".rstrip(),
                file=messages(arguments.json),
                flush=True,
            )
    instructions = counted(ARM in arguments.kinds) if ARM in kinds else []
    for one in instructions:
        print(
            f"{one.name:34} NEON {one.neon:11,} instructions, portable {one.portable:11,}: {one.ratio:.1f}x",
            file=messages(arguments.json),
        )
    if arguments.json:
        write_json(arguments.json, [*found, *map(asdict, instructions)])
    return 0


if __name__ == "__main__":
    command(main)()
