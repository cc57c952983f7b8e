"""`python -m stc.benchmarks.kernels`: the native CPU library and the tracker against what others do, side by side in
one process; and instructions of the library on Arm.
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
from stc.benchmarks.timing.turns import order, seconds
from stc.cli import command
from stc.errors import InputError, Missing, MissingDependencyError
from stc.files import check_outputs, messages, write_json
from stc.runtime.native.library import Library, find

THREADS = 2
SIZES = ((48, 80), (100, 168))
COUNTS = (1, 10, 50, 100)
TURNS, SAMPLES = 5, 7  # of every contender: turns, and samples in each
WARM_UP = 0.03  # seconds


@dataclass(frozen=True)
class Comparison:
    """Median milliseconds of ours and of a baseline on the same inputs, taken in turns; `ratio` is baseline / ours.

    `spread` is the interquartile range of `ratio` over the turns.
    """

    name: str
    size: str
    ours_ms: float
    baseline: str
    baseline_ms: float
    ratio: float
    spread: float


def compare(
    name: str,
    size: str,
    ours: Callable[[], Any],
    baselines: dict[str, Callable[[], Any]],
    clock: Callable[[], float] = perf_counter,
) -> list[Comparison]:
    """Time all in turns, so that a drift of the machine hits all alike; each warms up before its samples, which also
    lasts until the threads of the one before have stopped spinning.

    clock: seconds; `time.thread_time` for calls of one thread, which leaves out what other processes take.
    """
    calls = {"": ours, **baselines}
    samples: dict[str, list[float]] = {key: [] for key in calls}
    for number in range(TURNS):
        for key in order(list(calls), number):  # not `in_turns`: calls of microseconds need a burst in each turn
            call = calls[key]
            warm = perf_counter()
            while perf_counter() - warm < WARM_UP:
                call()
            samples[key] += [seconds(call, clock) for _ in range(SAMPLES)]
    kept = {key: np.array(values) * 1e3 for key, values in samples.items()}
    found = []
    for key in baselines:
        ratios = kept[key] / kept[""]
        low, high = np.percentile(ratios, (25, 75))
        mine, other = float(np.median(kept[""])), float(np.median(kept[key]))
        found.append(Comparison(name, size, mine, key, other, other / mine, float(high - low)))
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
    runs = {"our RLE": baselines.rle(case)}
    for form, call, beside in (
        ("dense, fresh memory", case.native(one, "dense"), runs),
        ("dense, memory of before", baselines.used_again(case, one), runs),
        ("polygons", case.native(one, "polygons"), {**runs, "OpenCV's outlines": baselines.opencv_outlines(case)}),
    ):
        found += compare("float16 masks", f"4K N={len(case)} {form}", call, beside, thread_time)
    return found


def resizes(library: Library) -> list[Comparison]:
    """One thread each, and its own time: what others do on the machine does not count."""
    from stc.benchmarks.kernels import resize_baselines as baselines

    one = library.with_threads(1)
    found = []
    for case in baselines.cases():
        baseline, peer = case.peer()
        height, width = case.size
        found += compare(f"resize, {case.name}", f"{width}x{height}", case.native(one), {baseline: peer}, thread_time)
    ours, ffmpeg = baselines.nv12(one)
    found += compare("resize, area, NV12", "1920x1080", ours, {"FFmpeg + OpenCV": ffmpeg}, thread_time)
    ours, conversion = baselines.unasked_masks(one)
    size = "{} of {}x{}".format(*baselines.HALVES)
    return found + compare("float16 masks, not asked", size, ours, {"NumPy to float32": conversion}, thread_time)


def trackers(_: Library) -> list[Comparison]:
    """By NumPy, one thread: what stands between the engine and the ids."""
    import torch

    from stc.benchmarks.kernels import tracker_baselines as baselines

    torch.set_num_threads(1)
    crowd = baselines.Crowd()
    size = f"{baselines.SEEN} of {baselines.TRACKS}, D={baselines.LENGTH}"
    return compare("tracker", size, crowd.native(), {"QDTrack's matching in PyTorch": crowd.qdtrack()}, thread_time)


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
    library = find()
    if isinstance(library, Missing):
        raise MissingDependencyError(library.reason)
    kinds = arguments.kinds or list(known)
    if {"mask-heads", "frame-masks"} & set(kinds):
        import torch

        torch.set_num_threads(THREADS)
    found = [row for kind in kinds if kind in KINDS for row in KINDS[kind](library.with_threads(THREADS))]
    for row in found:
        print(
            f"{row.name:28} {row.size:29} {row.ours_ms:8.3f} ms  {row.baseline:38} {row.baseline_ms:8.2f} ms  "
            f"{row.ratio:6.1f}x +-{row.spread / 2:.1f}",
            file=messages(arguments.json),
        )
    instructions = counted(ARM in arguments.kinds) if ARM in kinds else []
    for one in instructions:
        print(
            f"{one.name:34} NEON {one.neon:11,} instructions, portable {one.portable:11,}: {one.ratio:.1f}x",
            file=messages(arguments.json),
        )
    if arguments.json:
        write_json(arguments.json, [*map(asdict, found), *map(asdict, instructions)])
    return 0


if __name__ == "__main__":
    command(main)()
