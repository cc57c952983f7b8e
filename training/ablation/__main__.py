"""`python -m stc.training.ablation`: the trial from data to table. Killed at any time, it goes on where it stopped."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stc.cli import Parser, command
from stc.errors import CheckpointError, InputError
from stc.runtime.processors import processors
from stc.training.memory import keep_freed_memory

if TYPE_CHECKING:
    from stc.model.network import STC
    from stc.training.ablation.material import Data
    from stc.training.ablation.scenes import Scenes

TRIED = 8  # pairs cached before the length of the trial is estimated
STEPS = 3  # and steps of each stage
PAGE, PLOT = "ablation.md", "ablation.png"


def parser() -> argparse.ArgumentParser:
    p = Parser(
        prog="python -m stc.training.ablation",
        description="What STC's two losses are worth: tracking towers trained from scratch on the frozen pyramid of a "
        "checkpoint with one direction or both, and masks trained with and without crossover consistency. Judged on "
        "pictures of split `val` and on the clips that --exclude names.",
    )
    p.add_argument("--ckpt", type=Path, required=True, metavar="FILE", help="a model of stc-train, its backbone frozen")
    p.add_argument("--data", type=Path, action="append", required=True, metavar="JSON", help="annotations; repeatable")
    p.add_argument("--frames", type=Path, action="append", required=True, metavar="DIR", help="folder of their frames")
    p.add_argument("--partial", type=Path, action="append", default=[], metavar="JSON", help="leaves objects out")
    p.add_argument("--exclude", default="", metavar="A,B", help="clips that are judged on and not trained on")
    p.add_argument("--split", default="train", help="pictures that are trained on (default: %(default)s)")
    p.add_argument("--seeds", type=int, default=10, metavar="N", help="paired runs a variant (default: %(default)s)")
    p.add_argument("--pairs", type=int, default=2000, metavar="N", help="cached to train on (default: %(default)s)")
    p.add_argument("--steps", type=int, default=1000, metavar="N", help="of an embedding run (default: %(default)s)")
    p.add_argument(
        "--crossover-steps", type=int, default=400, metavar="N", help="of a crossover run (default: %(default)s)"
    )
    p.add_argument("--scenes", type=int, default=40, metavar="N", help="of crossings, judged on (default: %(default)s)")
    p.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="cache, results, table and plot")
    return p


def main(argv: Sequence[str]) -> int:
    arguments = parser().parse_args(argv)
    if len(arguments.data) != len(arguments.frames):
        raise InputError(f"{len(arguments.data)} --data but {len(arguments.frames)} --frames: give one for each")
    if unknown := [str(path) for path in arguments.partial if path not in arguments.data]:
        raise InputError(f"--partial {unknown[0]}: is none of the --data files; name the one that leaves objects out")
    if not arguments.ckpt.is_file():
        raise InputError(f"--ckpt {arguments.ckpt}: no such file")
    numbers = ("seeds", "steps", "crossover_steps", "scenes")
    if min(getattr(arguments, name) for name in numbers) < 1 or arguments.pairs < TRIED:
        raise InputError(f"--seeds, --steps, --crossover-steps and --scenes must be 1 or more, --pairs {TRIED} or more")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: as stc-train
    keep_freed_memory()

    import cv2
    import torch

    from stc.files import check_folder, sha256
    from stc.model import checkpoint
    from stc.training.ablation.material import Data
    from stc.training.ablation.results import check_plan
    from stc.training.data.annotations import Source
    from stc.training.initial import start

    cv2.setNumThreads(1)
    torch.set_num_threads(1)  # runs side by side need no other threads, and have the same results on every machine
    check_folder(arguments.output)
    sources = [
        Source(annotations, frames, annotations in arguments.partial)
        for annotations, frames in zip(arguments.data, arguments.frames, strict=True)
    ]
    data = Data.read(sources, [name for name in arguments.exclude.split(",") if name], arguments.split)
    config = checkpoint.load(arguments.ckpt).config
    if config.classes != data.train.classes:
        raise InputError(
            f"the model knows {', '.join(config.classes)}, the data {', '.join(data.train.classes)}: they must be the "
            "same; give --data the categories of the training"
        )
    if config.head_norm == "group":
        raise CheckpointError(
            f"{arguments.ckpt}: its heads have group norms, which read the whole picture, so nothing can be cached at "
            "locations; give a model of stc-lite or stc-lite-2"
        )
    model = start(config.classes, init=arguments.ckpt).model.eval().requires_grad_(False)
    plan = {"checkpoint": sha256(arguments.ckpt), "data": data.train.fingerprint}
    plan |= {name: getattr(arguments, name) for name in ("pairs", "steps", "crossover_steps", "scenes")}
    check_plan(arguments.output, plan)
    _try(arguments, model, data)
    return 0


def _try(arguments: argparse.Namespace, model: STC, data: Data) -> None:
    from stc.files import write_text
    from stc.progress import bar
    from stc.training.ablation.material import cache_pairs, cache_scenes, scenes_in
    from stc.training.ablation.report import page, plot
    from stc.training.ablation.results import Result, read_results
    from stc.training.ablation.runs import Trial, carry_out

    folder = arguments.output / "cache"
    scenes = scenes_in(folder, arguments.scenes)
    if not read_results(arguments.output):
        _estimate(arguments, model, data, scenes)
    with bar("caching pairs", arguments.pairs) as advance:
        pairs = cache_pairs(model, data, arguments.pairs, folder, advance)
    with bar("caching scenes", len(scenes.paths())) as advance:
        cache_scenes(model, data, scenes, folder, advance)
    trial = Trial(model, pairs, scenes, arguments.seeds, arguments.steps, arguments.crossover_steps)
    total = len(trial.plan())

    def report(results: list[Result]) -> None:
        print(f"{len(results)} of {total} runs", file=sys.stderr, flush=True)
        write_text(arguments.output / PAGE, page(results))

    results = carry_out(trial, arguments.output, processors(), report)
    write_text(arguments.output / PAGE, page(results))
    plot(results, arguments.output / PLOT)
    print(page(results))


def _estimate(arguments: argparse.Namespace, model: STC, data: Data, scenes: Scenes) -> None:
    """Say how long all of it takes, from a few pairs and steps of each stage."""
    from stc.training.ablation.crossover import train_heads
    from stc.training.ablation.embeddings import train_tower
    from stc.training.ablation.material import FROZEN_SHARE, cache_pairs, frozen_path
    from stc.training.ablation.variants import CROSSOVER, EMBEDDING

    folder = arguments.output / "cache"
    begin = time.monotonic()
    made: list[None] = []
    pairs = cache_pairs(model, data, TRIED, folder, lambda: made.append(None))
    caching = (time.monotonic() - begin) / max(len(made), 1)
    frozen = [frozen_path(path) for path in pairs[::FROZEN_SHARE]]

    def per_step(run: Callable[[int], object]) -> float:
        run(1)  # what is loaded once
        begin = time.monotonic()
        run(STEPS)
        return (time.monotonic() - begin) / STEPS

    first, both = EMBEDDING["both directions"], CROSSOVER["with crossover"]
    tower = per_step(lambda steps: train_tower(model.config, pairs, first, steps, 0))
    heads = per_step(lambda steps: train_heads(model, frozen, both, steps, 0))
    frames, side = len(scenes.paths()), processors()
    seconds = {
        "caching": caching * (arguments.pairs + frames / 2),
        "embedding": tower * arguments.steps * arguments.seeds * (len(EMBEDDING) + 1) / side,  # one has twice the pairs
        "crossover": heads * arguments.crossover_steps * arguments.seeds * len(CROSSOVER) / side,
        # A step is three passes of eight views.
        "judging": heads / 24 * frames * arguments.seeds * len(CROSSOVER) / side,
    }
    parts = ", ".join(f"{name} {value / 60:.0f}" for name, value in seconds.items())
    total = sum(seconds.values()) / 60
    print(f"estimate for all of it: {total:.0f} min with {side} runs side by side ({parts})", flush=True)


if __name__ == "__main__":
    command(main)()
