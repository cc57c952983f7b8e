"""The losses and scores of a run for TensorBoard, beside `log.csv`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from stc.training.run_folder import EVENTS


class Events(Protocol):
    def __call__(self, step: int, values: Mapping[str, float], group: str) -> None:
        """Add the values of a step, each a curve `group/name`."""


@contextmanager
def events(folder: Path, step: int) -> Iterator[Events | None]:
    """Curves in `tensorboard/` of the run's folder, from `step` on: later ones, of a run that went back, are dropped.

    Yields None, and writes nothing, without the package `tensorboard`.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        yield None
        return
    writer = SummaryWriter(str(folder / EVENTS), purge_step=step)

    def add(step: int, values: Mapping[str, float], group: str) -> None:
        for name, value in values.items():
            writer.add_scalar(f"{group}/{name}", value, step)

    try:
        yield add
    finally:
        writer.close()
