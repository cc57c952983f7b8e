"""The folder of a run: everything needed to go on as if nothing had happened, and what came out so far."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from stc.boundary import reason
from stc.errors import CheckpointError, InputError
from stc.files import atomic_path, open_stream, write_json, write_text
from stc.model.checkpoint import save
from stc.model.config import ModelConfig
from stc.model.network import STC
from stc.training.config import TrainConfig
from stc.training.optimisation import MovingAverage, freeze, make_optimiser
from stc.training.run_folder import CONFIG, EMA, LAST, LOG


@dataclass(frozen=True)
class Length:
    """How long a run lasts, over all its resumptions: a number of steps, or minutes of training time."""

    steps: int | None = None
    minutes: float | None = None

    def progress(self, run: Run) -> float:
        """0..1; at 1 the run is done."""
        if self.steps is not None:
            return run.step / self.steps
        assert self.minutes is not None
        return run.elapsed / (60 * self.minutes)


@dataclass
class Run:
    """The state of a training: `step` steps were done in `elapsed` seconds. `data`: fingerprint of the data set."""

    model: STC
    config: TrainConfig
    length: Length
    data: str
    average: MovingAverage
    optimiser: torch.optim.Optimizer
    step: int = 0
    elapsed: float = 0.0

    @property
    def progress(self) -> float:
        return self.length.progress(self)


def new_run(model: STC, config: TrainConfig, length: Length, data: str = "") -> Run:
    """A run at step 0, on the GPU where there is one."""
    freeze(model, config)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # A tenth faster on CPUs, more on GPUs; torch's stubs know only the positional forms of `to`.
    model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average, optimiser = MovingAverage(model, config.ema_decay), make_optimiser(model, config)
    return Run(model, config, length, data, average, optimiser)


def save_run(run: Run, folder: Path) -> None:
    """Write `last.pt` and `ema.safetensors`, each atomically. Raises InputError when the disk does not take them."""
    state = {
        "model": run.model.state_dict(),
        "average": run.average.model.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "step": run.step,
        "elapsed": run.elapsed,
        "config": describe(run.model.config, run.config),
        "length": asdict(run.length),
        "data": run.data,
    }
    with atomic_path(folder / LAST) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # its writer says so of a full disk
            raise InputError(
                f"{folder / LAST}: cannot be written ({reason(error)}); check free space with: df -h {folder}, then go "
                "on with --resume"
            ) from error
    save(run.average.model, folder / EMA)


def load_run(folder: Path, data: str = "") -> Run:
    """The run that `save_run` left, with its own settings and length.

    Raises InputError when there is none, when it was written by another version, or when it was trained on data with
    another fingerprint; CheckpointError when it is damaged.
    """
    path = folder / LAST
    if not path.is_file():
        raise InputError(f"{folder}: nothing to resume, {LAST} is missing; start without --resume")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        described, found = state["config"], state["data"]
    except Exception as error:  # torch.load raises whatever the damage makes its unpickler stumble over
        raise CheckpointError(f"{path}: damaged ({type(error).__name__}); start anew in another --output") from error
    if found != data:
        raise InputError(
            f"{path}: trained on other data (annotations, --partial, --exclude or --split differ); repeat the command "
            "that it began with"
        )
    try:
        model, config = ModelConfig.from_dict(described["model"]), TrainConfig(**described["training"])
        length = Length(**state["length"])
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: settings of another version ({error}); start anew in another --output") from error
    run = new_run(STC(model), config, length, data)
    run.model.load_state_dict(state["model"])
    run.average.model.load_state_dict(state["average"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.step, run.elapsed = state["step"], state["elapsed"]
    return run


def describe(model: ModelConfig, config: TrainConfig) -> dict[str, Any]:
    """Both configs as JSON values."""
    described: dict[str, Any] = json.loads(json.dumps({"model": model.to_dict(), "training": asdict(config)}))
    return described


def write_config(run: Run, folder: Path) -> None:
    write_json(folder / CONFIG, describe(run.model.config, run.config))


class Log:
    """`log.csv`, one row per step, each there whole at once.

    Rows after `step`, of a run that ended before it saved, are removed.
    """

    def __init__(self, folder: Path, step: int) -> None:
        path = folder / LOG
        kept = _rows(path, step)
        lines = [list(kept[0]), *(list(row.values()) for row in kept)] if kept else []
        write_text(path, "".join(map(_line, lines)))
        self._begun = bool(kept)
        self._stream = open_stream(path, append=True)

    def write(self, row: Mapping[str, object]) -> None:
        """Raises InputError on a full disk."""
        head = "" if self._begun else _line(list(row))
        self._stream.write((head + _line(list(row.values()))).encode())
        self._begun = True

    def close(self) -> None:
        self._stream.close()


def _rows(path: Path, step: int) -> list[dict[str, str]]:
    """The rows of the first `step` steps, up to one that a power cut left in pieces."""
    if not step or not path.is_file():
        return []
    rows: list[dict[str, str]] = []
    with path.open(newline="", encoding="utf-8", errors="replace") as handle:
        for row in csv.DictReader(handle):
            if None in row or None in row.values() or not str(row.get("step")).isdecimal() or int(row["step"]) > step:
                break
            rows.append(row)
    return rows


def _line(values: Sequence[object]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(values)
    return written.getvalue()
