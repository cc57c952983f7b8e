"""`python -m stc.benchmarks.kernels`: the native CPU library against what others do, side by side in one process."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

import numpy as np

from stc.benchmarks.timing.turns import order, seconds
from stc.cli import run
from stc.errors import InputError, Missing, MissingDependencyError
from stc.files import check_outputs, messages, write_text
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
            case = baselines.Case.random(count, height, width)
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
    for form, peers in (("dense", {}), ("polygons", {"OpenCV's outlines": baselines.opencv_outlines(case)})):
        beside = {"our RLE": baselines.rle(case), **peers}
        found += compare(
            "float16 masks", f"3840x2160 N={len(case)} {form}", case.native(one, form), beside, thread_time
        )
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


KINDS = {"mask-heads": mask_heads, "frame-masks": frame_masks, "resizes": resizes}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m stc.benchmarks.kernels", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)} (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the comparisons as JSON")
    arguments = parser.parse_args(argv)
    if strangers := set(arguments.kinds) - set(KINDS):
        raise InputError(f"no kind of kernel: {', '.join(sorted(strangers))}; known: {', '.join(KINDS)}")
    check_outputs([arguments.json])
    library = find()
    if isinstance(library, Missing):
        raise MissingDependencyError(library.reason)
    kinds = arguments.kinds or list(KINDS)
    if kinds != ["resizes"]:
        import torch

        torch.set_num_threads(THREADS)
    found = [row for kind in kinds for row in KINDS[kind](library.with_threads(THREADS))]
    for row in found:
        print(
            f"{row.name:28} {row.size:22} {row.ours_ms:8.3f} ms  {row.baseline:38} {row.baseline_ms:8.2f} ms  "
            f"{row.ratio:6.1f}x +-{row.spread / 2:.1f}",
            file=messages(arguments.json),
        )
    if arguments.json:
        write_text(arguments.json, json.dumps([asdict(row) for row in found], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
