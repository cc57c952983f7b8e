"""`stc-train`: train or fine-tune STC on YTVIS / OVIS clips and COCO pictures."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stc.cli import Parser
from stc.cli import run as run_cli
from stc.errors import InputError
from stc.model.config import PRESETS

if TYPE_CHECKING:
    from stc.model.config import ModelConfig
    from stc.training.config import TrainConfig
    from stc.training.loop import Length, StepReport
    from stc.training.pairs import PairSource
    from stc.training.state import Run

DEFAULT_EPOCHS = 12


def main(argv: Sequence[str]) -> int:
    arguments = _parser().parse_args(argv)
    if len(arguments.data) != len(arguments.frames):
        raise InputError(
            f"{len(arguments.data)} --data but {len(arguments.frames)} --frames; give one folder per annotation file"
        )
    if arguments.resume and arguments.init:
        raise InputError("--resume continues a run with its own weights; leave out --init")
    if not arguments.resume and (arguments.output / "last.pt").exists():
        raise InputError(
            f"{arguments.output} already holds a training; continue it with --resume or choose another --output"
        )
    _train(arguments)
    return 0


def entry() -> None:
    sys.exit(run_cli(main))


def _train(arguments: argparse.Namespace) -> None:
    # Before torch is loaded: threads that wait must sleep, not spin. A training shares its machine for hours, and next
    # to one other busy process spinning makes a step seven times slower (measured on two cores).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    from stc.training.annotations import read_all
    from stc.training.config import TrainConfig
    from stc.training.loop import Length
    from stc.training.pairs import PairSource
    from stc.training.state import resume_run, write_config

    config = TrainConfig()
    sources = zip(arguments.data, arguments.frames, strict=True)
    dataset = read_all(sources, exclude=frozenset(arguments.exclude), split=arguments.split)
    model_config = PRESETS[arguments.config].with_(classes=dataset.classes)
    run = _new_run(model_config, config, arguments.init)
    if arguments.resume:
        resume_run(run, config, arguments.output)
    write_config(model_config, config, arguments.output)
    epoch = -(-dataset.num_frames // config.batch_pairs)
    length = (
        Length(minutes=arguments.minutes)
        if arguments.minutes
        else Length(steps=(arguments.epochs or DEFAULT_EPOCHS) * epoch)
    )
    print(
        f"{len(dataset.clips)} clips and pictures, {dataset.num_frames} frames, "
        f"{epoch} steps per epoch, from step {run.step}"
    )
    _train_with_progress(run, PairSource(dataset, model_config, config), config, length, arguments.output)


def _new_run(model_config: ModelConfig, config: TrainConfig, init: Path | None) -> Run:
    import cv2
    import torch

    from stc.model.network import STC
    from stc.training.imagenet import initialise
    from stc.training.optimisation import MovingAverage, freeze, make_optimiser
    from stc.training.state import Run

    cv2.setNumThreads(1)  # one thread prepares batches; the others belong to the network
    torch.manual_seed(config.seed)
    model = STC(model_config)
    if init:
        print(initialise(model, init))
    freeze(model)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # A tenth faster on CPUs, more on GPUs; torch's stubs know only the positional forms of `to`.
    model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Run(model, MovingAverage(model, config.ema_decay), make_optimiser(model, config))


def _train_with_progress(run: Run, source: PairSource, config: TrainConfig, length: Length, output: Path) -> None:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from stc.training.loop import train

    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress, _stop_on_signal() as stop:
        task = progress.add_task("reading", total=1.0)
        progress.update(task, completed=min(length.progress(run), 1.0))

        def show(step: StepReport) -> None:
            names = ("cls", "box", "mask", "contrast")
            losses = " ".join(f"{name} {step.losses[name]:.3f}" for name in names)
            text = (
                f"step {step.step}: loss {step.losses['total']:.3f} ({losses}), {step.seconds_per_pair:.2f} s per pair"
            )
            progress.update(task, completed=min(step.progress, 1.0), description=text)

        train(run, source, config, length, output, stop, show)
    state = "interrupted; continue with --resume" if stop.is_set() else "done"
    print(f"{state}: {run.step} steps in {run.elapsed / 60:.1f} min, weights in {output / 'ema.safetensors'}")


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, so that the running step ends and the state is saved."""
    stop = threading.Event()
    previous = {s: signal.signal(s, lambda *_: stop.set()) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="stc-train",
        description="Train STC on pairs of frames from YTVIS / OVIS clips and COCO pictures.",
        epilog="Writes last.pt (state), ema.safetensors (the model), log.csv and config.json to --output. "
        "Ctrl-C saves the state.",
    )
    add = parser.add_argument
    add("--data", type=Path, action="append", required=True, help="annotation JSON, YTVIS or COCO; repeatable")
    add("--frames", type=Path, action="append", required=True, help="folder its file names start from; one per --data")
    add("--config", choices=sorted(PRESETS), default="stc-lite", help="architecture (default: %(default)s)")
    add("--output", type=Path, required=True, help="folder of the run")
    add("--exclude", type=_names, default=[], metavar="A,B", help="clips that are never read")
    add("--split", default="train", help="which pictures of a COCO file with splits (default: %(default)s)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=_positive(int), help=f"passes over all frames (default: {DEFAULT_EPOCHS})")
    length.add_argument("--minutes", type=_positive(float), help="training time, resumptions included")
    add("--init", type=Path, help="ImageNet EfficientNet-Lite0 .pth, or a .safetensors model to fine-tune")
    add("--resume", action="store_true", help="continue the run in --output")
    return parser


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError("must be above 0")
        return value

    parse.__name__ = kind.__name__
    return parse
