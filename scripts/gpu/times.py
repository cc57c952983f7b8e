"""Step 6: how long the kernels take, beside the least that memory, arithmetic and shared memory allow.

Many launches in one captured graph, so that the host's rate is not measured; random inputs, as zeros would take other
paths; once with everything in the L2 cache as far as it fits, once with the cache flushed before every launch.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import partial

import numpy as np

from scripts.gpu import place
from scripts.gpu.bounds import Machine, least_seconds
from scripts.gpu.driver import L2_BYTES
from scripts.gpu.frame_masks import op_at as frame_op_at
from scripts.gpu.kernels import op_at
from scripts.gpu.resident import objects, on_gpu, resize
from scripts.gpu.results import run, say
from tests.plugins.frame_cases import FrameResize
from tests.plugins.kernel_cases import STORAGE, FrameCase, HeadCase
from tests.plugins.object_cases import ObjectCase

HOT, COLD = (2, 1) if place.DRY else (200, 20)  # launches in a graph
SIZES = [(4, 7)] if place.DRY else [(32, 56), (64, 112), (100, 168)]
INSTANCES = (10,) if place.DRY else (10, 50, 100)
FRAMES = [(20, 33)] if place.DRY else [(720, 1280), (1080, 1920)]


def mask_head(op: ctypes.Structure) -> None:
    place.launch("dynamic_mask_head", ctypes.byref(op))


def bit_masks(op: ctypes.Structure, out: int) -> None:
    place.launch("bit_masks", ctypes.byref(op), 1, out)


def graph_seconds(work: Callable[[], None]) -> float:
    gpu = place.gpu()
    graph = gpu.capture(work)
    gpu.replay(graph)  # uploads it
    return min(gpu.seconds(lambda: gpu.replay(graph)) for _ in range(5))


def hot_and_cold(launch: Callable[[], None]) -> tuple[float, float]:
    """Seconds of a launch: among others, and after a flush of the L2 cache, whose own time is taken off."""
    gpu = place.gpu()
    size = max(4 * gpu.attribute(L2_BYTES), 1 << 20)
    with gpu.memory(np.empty(size, np.uint8)) as (other,):

        def flush() -> None:
            gpu.fill(other, 0, size)

        hot = graph_seconds(repeated(HOT, launch)) / HOT
        cold = graph_seconds(repeated(COLD, flush, launch)) - graph_seconds(repeated(COLD, flush))
        return hot, cold / COLD


def repeated(times: int, *work: Callable[[], None]) -> Callable[[], None]:
    def all_of_it() -> None:
        for _ in range(times):
            for part in work:
                part()

    return all_of_it


def resident(frame: tuple[int, int], rng: np.random.Generator) -> None:
    """What surrounds the engine where a frame stays on the GPU: its resize, and all that is made of its objects."""
    target = (5, 8) if place.DRY else (252, 448)
    for layout in ("bgr", "nv12"):
        case = FrameResize.random(rng, layout, "area", frame, target, target)
        with on_gpu(case.inputs, [case.slot]) as address:
            row = " ".join(map(shown, hot_and_cold(partial(resize, case, address))))
        say("time", f"resize {frame[1]}x{frame[0]}, {layout}, area, to {target[1]}x{target[0]}", row)
    most, cells = (2, (8, 8)) if place.DRY else (10, (96, 160))
    found = ObjectCase.random(rng, "f16", most, cells, frame, count=most)
    with on_gpu(found.inputs, found.outputs) as address:
        row = " ".join(map(shown, hot_and_cold(partial(objects, found, address))))
    say("time", f"objects {frame[1]}x{frame[0]}, {most} at most, f16, six kernels", row)


def shown(seconds: float | None) -> str:
    return f"{seconds * 1e6:8.2f}" if seconds else "       -"


def main() -> int:
    gpu, rng = place.gpu(), np.random.default_rng(10)
    machine = Machine.of(gpu)
    say("time", "microseconds", "     hot     cold   memory     fp32   shared  bound/hot")
    for height, width in SIZES:
        for storage in STORAGE:
            for instances in INSTANCES:
                case = HeadCase.random(rng, storage, (1, instances, height, width)).filled()
                with gpu.memory(*case.inputs, case.masks) as addresses:
                    hot, cold = hot_and_cold(partial(mask_head, op_at(case, addresses)))
                bounds = least_seconds(case, machine)
                known = [bound for bound in bounds.values() if bound]
                share = f"{max(known) / hot:9.0%}" if known and hot else "        -"
                row = " ".join(map(shown, (hot, cold, *bounds.values())))
                say("time", f"mask head {height}x{width}, {instances} objects, {storage}", f"{row}  {share}")
    for frame in FRAMES:
        frames = FrameCase.random(rng, "f16", (2, 8, 8) if place.DRY else (10, 96, 160), frame)
        with gpu.memory(*frames.inputs, frames.words) as addresses:
            launch = partial(bit_masks, frame_op_at(frames, addresses), addresses[-1])
            row = " ".join(map(shown, hot_and_cold(launch)))
        resident(frame, rng)
        say("time", f"frame masks {frame[1]}x{frame[0]}, {len(frames.probabilities)} objects, f16, words", row)
    if place.DRY:
        say("skip", "times", "a dry run has none")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
