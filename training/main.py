"""`stc-train`: train or fine-tune STC on YTVIS / OVIS clips and COCO pictures."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stc.cli import INTERRUPTED, command
from stc.errors import InputError
from stc.progress import bars
from stc.runtime.processors import threads_to_ask_for
from stc.signals import Hold
from stc.training.arguments import DEFAULT_EPOCHS, parser
from stc.training.memory import keep_freed_memory
from stc.training.run_folder import EMA, EVENTS, FRAMES, PLOT, check

if TYPE_CHECKING:
    from stc.training.config import TrainConfig
    from stc.training.data.annotations import Dataset
    from stc.training.data.pairs import PairSource
    from stc.training.loop import StepReport
    from stc.training.state import Length, Run
    from stc.training.validation import Validation


def main(argv: Sequence[str]) -> int:
    arguments = parser().parse_args(argv)
    if len(arguments.data) != len(arguments.frames):
        raise InputError(
            f"{len(arguments.data)} --data but {len(arguments.frames)} --frames; give one folder per annotation file"
        )
    if unknown := [str(path) for path in arguments.partial if path not in arguments.data]:
        raise InputError(f"--partial {unknown[0]}: is none of the --data files; name the one that leaves objects out")
    if arguments.resume:
        given = ("config", "init", "backbone_style", "size", "settings")
        if kept := [name for name in given if getattr(arguments, name)]:
            names = ", ".join(f"--{'set' if name == 'settings' else name.replace('_', '-')}" for name in kept)
            raise InputError(f"--resume continues a run with its own weights and settings; leave out {names}")
    if bool(arguments.validate) != bool(arguments.validate_frames):
        raise InputError("--validate and --validate-frames belong together: give both, or neither")
    check(arguments.output, resume=arguments.resume)
    return _train(arguments)


entry = command(main)


def _train(arguments: argparse.Namespace) -> int:
    # Before torch is loaded: threads that wait must sleep, not spin. A training shares its machine for hours, and next
    # to one other busy process spinning makes a step seven times slower (measured on two cores).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if threads := threads_to_ask_for(None):  # PyTorch does not know a container's quota
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))

    keep_freed_memory()

    import cv2

    from stc.training.data.annotations import Source
    from stc.training.data.frame_files import unpack_videos
    from stc.training.data.index import read_all
    from stc.training.data.pairs import PairSource
    from stc.training.state import write_config

    cv2.setNumThreads(1)  # one thread prepares batches; the others belong to the network
    sources = [
        Source(annotations, frames, annotations in arguments.partial)
        for annotations, frames in zip(arguments.data, arguments.frames, strict=True)
    ]
    dataset = read_all(sources, exclude=frozenset(arguments.exclude), split=arguments.split)
    validation = _validation(arguments, dataset.classes)
    run = _begin(arguments, dataset)
    write_config(run, arguments.output)
    # A run that was killed before it saved starts anew, maybe on other data: their pictures must not mix.
    frames = unpack_videos(dataset, arguments.output / FRAMES / dataset.fingerprint[:12])
    source = PairSource(frames, run.model.config, run.config)
    _describe(dataset, run)
    code = _train_with_progress(run, source, arguments.output, validation)
    _draw(arguments.output)
    return code


def _validation(arguments: argparse.Namespace, classes: tuple[str, ...]) -> Validation | None:
    if arguments.validate is None:
        return None
    from stc.training.validation import Validation

    given = (arguments.validate, arguments.validate_frames, arguments.validate_split, arguments.validate_every)
    return Validation.read(*given, classes)


def _begin(arguments: argparse.Namespace, dataset: Dataset) -> Run:
    """The run to continue, or a new one."""
    import torch

    from stc.training.config import recipe, with_settings
    from stc.training.initial import DEFAULT_PRESET, start
    from stc.training.state import load_run, new_run

    if arguments.resume:
        run = load_run(arguments.output, dataset.fingerprint)
        run.length = _length(arguments, dataset, run.config) or run.length
        return run

    def settings(preset: str, whole: bool) -> TrainConfig:
        base = recipe(preset, whole)
        return with_settings(base if arguments.init else replace(base, freeze=False), arguments.settings)

    # Once before weights are read: wrong settings end here, and random weights need the seed.
    torch.manual_seed(settings(arguments.config or DEFAULT_PRESET, whole=bool(arguments.init)).seed)
    begin = start(dataset.classes, arguments.config, arguments.init, arguments.backbone_style, arguments.size)
    config = settings(begin.preset, begin.whole)
    for note in begin.notes:
        print(note)
    length = _length(arguments, dataset, config) or _epochs(DEFAULT_EPOCHS, dataset, config)
    return new_run(begin.model, config, length, dataset.fingerprint)


def _length(arguments: argparse.Namespace, dataset: Dataset, config: TrainConfig) -> Length | None:
    """None when the command says nothing about it."""
    from stc.training.state import Length

    if arguments.minutes:
        return Length(minutes=arguments.minutes)
    if arguments.steps:
        return Length(steps=arguments.steps)
    return _epochs(arguments.epochs, dataset, config) if arguments.epochs else None


def _epochs(number: int, dataset: Dataset, config: TrainConfig) -> Length:
    from stc.training.state import Length

    return Length(steps=number * -(-dataset.num_frames // config.batch_pairs))


def _describe(dataset: Dataset, run: Run) -> None:
    from stc.training.optimisation import mixed_precision

    device = next(run.model.parameters()).device
    partial = sum(clip.partial for clip in dataset.clips)
    length = f"{run.length.minutes} minutes" if run.length.minutes else f"{run.length.steps} steps"
    print(
        f"{len(dataset.clips)} clips and pictures ({partial} partially annotated), {dataset.num_frames} frames, "
        f"classes {', '.join(dataset.classes)}\n"
        f"{length} of {run.config.batch_pairs} pairs, from step {run.step}, on {device} in "
        f"{'bfloat16 (losses in float32)' if mixed_precision(device, run.config) else 'float32'}"
    )


def _draw(output: Path) -> None:
    from stc.training.plot import plot

    try:
        plot([output], output / PLOT)
    except ModuleNotFoundError:
        print(f"no {PLOT}: matplotlib is not installed; fix: pip install 'stc-trt[train]'")


def _train_with_progress(run: Run, source: PairSource, output: Path, validation: Validation | None) -> int:
    from stc.training.events import events
    from stc.training.loop import train
    from stc.training.state import save_run

    with bars() as progress, Hold() as stop, events(output, run.step) as curves:
        if curves is None:
            print(f"no {EVENTS}/: the package is not installed; fix: pip install 'stc-trt[tensorboard]'")
        task = progress.add_task("reading", total=100)  # percent: a length may be minutes
        progress.update(task, completed=min(100 * run.progress, 100))

        def show(step: StepReport) -> None:
            names = ("cls", "box", "mask", "contrast", "consistency")
            losses = " ".join(f"{name} {step.losses[name]:.3f}" for name in names)
            text = (
                f"step {step.step}: loss {step.losses['total']:.3f} ({losses}), {step.seconds_per_pair:.2f} s per pair"
            )
            progress.update(task, completed=min(100 * step.progress, 100), description=text)
            if curves is not None:
                curves(step.step, step.losses, "loss")
            if validation is not None and validation.due(step.step, step.progress):
                save_run(run, output)
                scores = validation.score(output, step.step)
                known = {name: value for name, value in scores.items() if math.isfinite(value)}
                if curves is not None:
                    curves(step.step, known, "validation")
                shown = ", ".join(f"{name} {scores[name]:.3f}" for name in ("AP", "AP50", "J", "recall"))
                progress.print(f"step {step.step}: {shown}")

        train(run, source, output, lambda: stop.asked, show)
    unfinished = run.progress < 1
    state = "interrupted; continue with --resume" if unfinished else "done"
    print(f"{state}: {run.step} steps in {run.elapsed / 60:.1f} min, weights in {output / EMA}")
    return INTERRUPTED if unfinished else 0
