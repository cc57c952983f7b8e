"""The folder of a run: everything needed to go on as if nothing had happened, and what came out so far."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from stc.errors import CheckpointError, InputError
from stc.files import atomic_path, write_text
from stc.model.checkpoint import save
from stc.model.config import ModelConfig
from stc.model.network import STC
from stc.training.config import TrainConfig
from stc.training.optimisation import MovingAverage

LAST, EMA, LOG, CONFIG = "last.pt", "ema.safetensors", "log.csv", "config.json"


@dataclass
class Run:
    """The state of a training: `step` steps were done in `elapsed` seconds."""

    model: STC
    average: MovingAverage
    optimiser: torch.optim.Optimizer
    step: int = 0
    elapsed: float = 0.0


def describe(model: ModelConfig, config: TrainConfig) -> dict[str, Any]:
    """Both configs as JSON values, for `config.json` and for comparing at resume."""
    described: dict[str, Any] = json.loads(json.dumps({"model": model.to_dict(), "training": asdict(config)}))
    return described


def save_run(run: Run, config: TrainConfig, folder: Path) -> None:
    """Write `last.pt` and `ema.safetensors`, each atomically."""
    state = {
        "model": run.model.state_dict(),
        "average": run.average.model.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "step": run.step,
        "elapsed": run.elapsed,
        "config": describe(run.model.config, config),
    }
    with atomic_path(folder / LAST) as temporary:
        torch.save(state, temporary)
    save(run.average.model, folder / EMA)


def resume_run(run: Run, config: TrainConfig, folder: Path) -> None:
    """Bring `run` to the state that `save_run` left. Raises InputError for none, or one of other settings."""
    path = folder / LAST
    if not path.is_file():
        raise InputError(f"{folder}: nothing to resume, {LAST} is missing; start without --resume")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = state["config"]
    except Exception as error:  # torch.load raises whatever the damage makes its unpickler stumble over
        raise CheckpointError(f"{path}: damaged ({type(error).__name__}); start anew in another --output") from error
    if found != (expected := describe(run.model.config, config)):
        raise InputError(
            f"{path}: trained with other settings ({_difference(found, expected)}); repeat the command it began with"
        )
    run.model.load_state_dict(state["model"])
    run.average.model.load_state_dict(state["average"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.step, run.elapsed = state["step"], state["elapsed"]


def write_config(model: ModelConfig, config: TrainConfig, folder: Path) -> None:
    write_text(folder / CONFIG, json.dumps(describe(model, config), indent=1) + "\n")


class Log:
    """`log.csv`, one row per step. Rows after `step`, of a run that ended before it saved, are removed."""

    def __init__(self, folder: Path, step: int) -> None:
        path = folder / LOG
        rows: list[dict[str, str]] = []
        if step and path.is_file():
            with path.open(newline="", encoding="utf-8") as handle:
                rows = [row for row in csv.DictReader(handle) if int(row["step"]) <= step]
        self.handle = path.open("w", newline="", encoding="utf-8")
        self.writer: csv.DictWriter[str] | None = None
        for row in rows:
            self.write(row)

    def write(self, row: Mapping[str, object]) -> None:
        if self.writer is None:
            self.writer = csv.DictWriter(self.handle, list(row))
            self.writer.writeheader()
        self.writer.writerow(row)
        self.handle.flush()

    def close(self) -> None:
        self.handle.close()


def _difference(found: dict[str, Any], expected: dict[str, Any]) -> str:
    names = [
        f"{part}.{name}: {found.get(part, {}).get(name)!r}, now {value!r}"
        for part, values in expected.items()
        for name, value in values.items()
        if found.get(part, {}).get(name) != value
    ]
    return "; ".join(names) or "fields of another version"
