"""What is measured: model files of any kind, each opened as a session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stc.benchmarks.models import memory
from stc.errors import InputError
from stc.runtime.bundle.files import CHECKPOINT_SUFFIXES, PLAN_SUFFIXES
from stc.runtime.machine import device as devices
from stc.runtime.machine.device import FIRST_GPU
from stc.runtime.machine.engine_names import EngineName
from stc.runtime.session import Session

if TYPE_CHECKING:
    from stc.benchmarks.models.pytorch import TorchBackend


@dataclass(frozen=True)
class Candidate:
    """One model under test.

    label: short and unique in this run. precision: of its budget. folder: its bundle; None for a checkpoint.
    resident, device_memory: bytes that loading it took; None where the system does not tell.
    """

    label: str
    path: Path
    session: Session
    precision: str
    resident: int | None
    device_memory: int | None
    torch: TorchBackend | None = None

    @property
    def folder(self) -> Path | None:
        if self.torch is not None:
            return None
        return self.path if self.path.is_dir() else self.path.parent


def is_checkpoint(path: Path) -> bool:
    return path.suffix in CHECKPOINT_SUFFIXES


def open_all(
    paths: Sequence[str],
    threads: int | None,
    trust: bool,
    close: Callable[[Callable[[], None]], object],
    device: str | None = None,
    engine: EngineName | None = None,
) -> list[Candidate]:
    """Open every model, on `device` in `engine` as `Session` has them (checkpoints: on the CPU in PyTorch); `close` is
    told how to close each.

    Raises as `Session` and `stc.model.checkpoint.load` do.
    """
    labels = _labels([Path(path) for path in paths])
    opened = []
    for path, label in zip(paths, labels, strict=True):
        opened.append(_open(Path(path), label, threads, trust, device, engine))
        close(opened[-1].session.close)
    return opened


def _open(
    path: Path, label: str, threads: int | None, trust: bool, device: str | None, engine: EngineName | None
) -> Candidate:
    before = memory.resident()
    if is_checkpoint(path):
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        from stc.benchmarks.models.pytorch import open_checkpoint

        session, torch = open_checkpoint(path, threads)
        return Candidate(label, path, session, "fp32", _less(memory.resident(), before), None, torch)
    # What runs on the CPU must not wake the GPU up.
    place = devices.parse(device) if device is not None else FIRST_GPU if path.suffix in PLAN_SUFFIXES else None
    gpu = place.index if place is not None and place.kind == "cuda" else None
    before_gpu = None if gpu is None else memory.on_gpu(gpu)
    session = Session(path, device=device, engine=engine, threads=threads, trust=trust)
    taken = None if gpu is None else _less(memory.on_gpu(gpu), before_gpu)
    return Candidate(label, path, session, session.precision, _less(memory.resident(), before), taken)


def _less(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else after - before


def _labels(paths: Sequence[Path]) -> list[str]:
    """The name, with the folder's where a file has a common one; numbered where the same model comes again."""
    labels = [path.name if is_checkpoint(path) else f"{path.resolve().parent.name}/{path.name}" for path in paths]
    seen: Counter[str] = Counter()
    unique = []
    for label in labels:
        seen[label] += 1
        unique.append(f"{label} #{seen[label]}" if seen[label] > 1 else label)
    return unique
