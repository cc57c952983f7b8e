"""The training loop: batches made in the background, losses, steps, and a state on disk that can be resumed."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor

from stc.errors import StcError
from stc.model.normalise import normalise
from stc.training.data.pairs import PairSource
from stc.training.losses.targets import Batch, collate
from stc.training.losses.total import Losses, compute_losses, mean_losses
from stc.training.optimisation import mixed_precision, set_learning_rate, train_mode
from stc.training.state import Log, Run, save_run


@dataclass(frozen=True)
class StepReport:
    """What a step did: losses as floats by name, seconds per pair, seconds spent waiting for data."""

    step: int
    progress: float
    losses: dict[str, float]
    seconds_per_pair: float
    wait: float


def train(
    run: Run, source: PairSource, folder: Path, stop: Callable[[], bool], report: Callable[[StepReport], None]
) -> None:
    """Train until the run's length is reached or `stop` says so; the state is on disk in both cases, and every few
    minutes.

    Raises StcError when the loss is not finite; the last saved state stays.
    """
    model, config, device = run.model, run.config, next(run.model.parameters()).device
    train_mode(model, config)
    log = Log(folder, run.step)
    saved = time.monotonic()

    def prepare(step: int) -> list[Batch]:
        numbers = range(step * config.accumulate, (step + 1) * config.accumulate)
        return [collate(source.batch(number), model.config, config) for number in numbers]

    with ThreadPoolExecutor(1) as background:
        coming = background.submit(prepare, run.step)
        while run.progress < 1 and not stop():
            begin = time.monotonic()
            batches = [to_device(batch, device) for batch in coming.result()]
            wait = time.monotonic() - begin
            coming = background.submit(prepare, run.step + 1)
            factor = set_learning_rate(run.optimiser, run.step, run.progress, config)
            losses, norm = step_once(run, *batches)
            run.step += 1
            seconds = time.monotonic() - begin
            run.elapsed += seconds
            values = {f.name: float(torch.as_tensor(getattr(losses, f.name)).detach()) for f in fields(losses)}
            row = {name: f"{value:.5g}" for name, value in values.items()}
            begun = {"step": run.step, "minutes": f"{run.elapsed / 60:.2f}", "lr": f"{config.lr * factor:.4g}"}
            log.write({**begun, **row, "norm": f"{norm:.4g}", "seconds": f"{seconds:.3f}", "wait": f"{wait:.3f}"})
            pairs = config.batch_pairs * config.accumulate
            report(StepReport(run.step, run.progress, values, seconds / pairs, wait))
            if time.monotonic() - saved > 60 * config.save_minutes:
                save_run(run, folder)
                saved = time.monotonic()
        coming.cancel()
    log.close()
    save_run(run, folder)


def step_once(run: Run, *batches: Batch) -> tuple[Losses, float]:
    """One optimisation step on the mean of the batches' losses.

    Returns these losses before it, the terms as means, and the gradient norm before clipping.
    """
    config = run.config
    # Like the batch, what is sampled in the losses is a function of (seed, step).
    generator = torch.Generator().manual_seed((config.seed << 32) + run.step)
    run.optimiser.zero_grad(set_to_none=True)
    found = []
    for batch in batches:
        images = normalise(batch.frames, run.model.config).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cuda", torch.bfloat16, enabled=mixed_precision(images.device, config)):
            raw = run.model(images, embed=config.embeds)
        losses = compute_losses(raw, batch, run.model.config, config, generator)
        if not losses.total.isfinite():
            raise StcError(
                f"the loss became {losses.total.item()} at step {run.step}; go on from the last saved state with "
                "--resume, or start again with a lower learning rate (--set lr=...)"
            )
        (losses.total / len(batches)).backward()  # type: ignore[no-untyped-call]
        found.append(losses)
    trained = [p for group in run.optimiser.param_groups for p in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(trained, config.clip_norm)
    run.optimiser.step()
    run.average.update(run.model, run.step)
    return mean_losses(found), float(norm)


def to_device(batch: Batch, device: torch.device) -> Batch:
    if device.type == "cpu":
        return batch
    moved = {f.name: value.to(device) for f in fields(batch) if isinstance(value := getattr(batch, f.name), Tensor)}
    return replace(
        batch, **moved, masks=[m.to(device) for m in batch.masks], outlined=[o.to(device) for o in batch.outlined]
    )
